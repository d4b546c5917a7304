# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies: small nasty zones as text, sets of zones, and questions that probe their borders."""

from __future__ import annotations

from collections.abc import Sequence

import dns.name
from dns.name import Name
from hypothesis import settings
from hypothesis import strategies as st

from tests.reference.zone import ReferenceZone

EXAMPLE = dns.name.from_text("example.")

# Decorator for properties: the same examples on every run, and no verdict by the clock of a busy machine.
deterministic = settings(max_examples=60, derandomize=True, deadline=None, database=None)

_LABELS = (b"a", b"b", b"c", b"*", b"ns", b"\x00", b"a.b", b'"\\;', b"\xff", b"_tcp", b"0", b"x" * 63)
_DEEP = (b"a", b"b", b"*", b"ent")
_TTLS = (0, 1, 300, 3600)
_OUTSIDE = (dns.name.from_text("host.outside.test."), dns.name.from_text("."))
_ODD_TYPES = (1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 43, 46, 47, 48, 50, 51, 65, 255, 257, 1234, 65280)


def wire_name(labels: Sequence[bytes]) -> bytes:
    """Return the wire form of labels, leftmost first, without the root label."""
    return b"".join(bytes((len(label),)) + label for label in (*labels, b""))


def _long_name(origin: Name) -> Name:
    """Return a name of 255 octets below an origin."""
    room = 255 - len(origin.to_wire() or b"")
    labels = []
    while room > 64:
        size = 63 if room - 64 != 1 else 62  # a rest of one octet is no label
        labels.append(b"l" * size)
        room -= size + 1
    if room > 1:
        labels.append(b"l" * (room - 1))
    return Name((*labels, *origin.labels))


def owners(origin: Name) -> st.SearchStrategy[Name]:
    """Return names at or below an origin; few labels, so that they collide, nest and block one another."""
    shallow = st.lists(st.sampled_from(_LABELS), min_size=1, max_size=2)
    deep = st.lists(st.sampled_from(_DEEP), min_size=2, max_size=5)
    long = _long_name(origin)
    return st.one_of(
        shallow.map(lambda labels: Name((*labels, *origin.labels))),
        deep.map(lambda labels: Name((*labels, *origin.labels))),
        st.integers(1, len(long) - len(origin)).map(lambda count: Name(long.labels[-len(origin) - count :])),
    )


def recased(name: Name, flips: int) -> Name:
    """Return a name with the case of its letters changed where flips has a bit set."""
    labels = []
    for label in name.labels:
        changed = bytearray(label)
        for at, octet in enumerate(label):
            if chr(octet).isalpha() and octet < 128 and flips >> (at % 16) & 1:
                changed[at] = octet ^ 0x20
        labels.append(bytes(changed))
    return Name(labels)


@st.composite
def zone_texts(draw: st.DrawFn, origin: Name = EXAMPLE, cuts: Sequence[Name] = (), targets: Sequence[Name] = ()) -> str:
    """Draw the text of a valid zone, with a cut at each of cuts and nothing below; aliases may point at targets."""
    names = draw(st.lists(owners(origin), min_size=1, max_size=9, unique=True))
    names = [name for name in names if not any(name.is_subdomain(cut) for cut in cuts)]
    pool = [*names, origin, *targets, *_OUTSIDE]
    pool += [Name((b"nx", *name.labels)) for name in names if len(name.to_wire() or b"") <= 252]
    writer = _Writer(draw, pool, {name: draw(st.sampled_from(_kinds(name))) for name in names})
    server = Name((b"ns", *origin.labels))
    numbers = f"{draw(st.integers(0, 2**32 - 1))} 7200 900 90000 {draw(st.sampled_from(_TTLS))}"
    writer.line(origin, draw(st.sampled_from(_TTLS)), "SOA", f"{server} {server} {numbers}")
    writer.line(origin, draw(st.sampled_from(_TTLS)), "NS", str(server))
    if draw(st.booleans()):
        writer.data(origin)
    for name, kind in writer.kinds.items():
        writer.node(name, kind)
    for cut in cuts:
        writer.cut(cut)
    return "\n".join(writer.lines) + "\n"


def _kinds(name: Name) -> tuple[str, ...]:
    # RFC 4592 §4 leaves NS and DNAME at a wildcard undefined: zones that have them are none to compare answers on.
    return ("data", "data", "cname") if name.labels[0] == b"*" else ("data", "data", "cname", "dname", "cut")


class _Writer:
    """Draws the records of one node after another and writes them down."""

    def __init__(self, draw: st.DrawFn, pool: Sequence[Name], kinds: dict[Name, str]) -> None:
        self.draw = draw
        self.pool = pool
        self.kinds = kinds
        self.lines: list[str] = []

    def line(self, owner: Name, ttl: int, rtype: str, rdata: str) -> None:
        owner = recased(owner, self.draw(st.sampled_from((0, 0, 1, 0b1010, 0xFFFF))))
        self.lines.append(f"{owner} {ttl} IN {rtype} {rdata}")

    def ttl(self) -> int:
        return self.draw(st.sampled_from(_TTLS))

    def target(self) -> Name:
        return recased(self.draw(st.sampled_from(self.pool)), self.draw(st.sampled_from((0, 1))))

    def node(self, name: Name, kind: str) -> None:
        if kind == "data":
            self.data(name)
        elif kind == "cname":
            self.line(name, self.ttl(), "CNAME", str(self.target()))
        elif kind == "dname":
            self.line(name, self.ttl(), "DNAME", str(self.target()))
            if self.draw(st.booleans()):
                self.line(name, self.ttl(), "TXT", '"beside a DNAME"')
        else:
            self.cut(name)

    def data(self, name: Name) -> None:
        for rtype in self.draw(
            st.lists(st.sampled_from(("A", "AAAA", "TXT", "MX", "SRV", "TYPE65280")), min_size=1, max_size=3)
        ):
            ttl = self.ttl()
            for _ in range(self.draw(st.integers(1, 2))):
                self.line(name, ttl, rtype, self.rdata(rtype))

    def rdata(self, rtype: str) -> str:
        octet = self.draw(st.integers(0, 3))
        if rtype == "A":
            return f"192.0.2.{octet}"
        if rtype == "AAAA":
            return f"2001:db8::{octet}"
        if rtype == "TXT":
            return f'"text {octet}" ""'
        if rtype == "MX":
            return f"{octet} {self.target()}"
        if rtype == "SRV":
            return f"0 {octet} 53 {self.target()}"
        return f"\\# 2 00{octet:02x}"

    def cut(self, name: Name) -> None:
        """Write a delegation with servers below it, beside it or elsewhere, with or without glue and DS."""
        ttl = self.ttl()
        for server in self.draw(st.lists(st.sampled_from(("below", "at", "any")), min_size=1, max_size=3, unique=True)):
            if server == "below" and len(name.to_wire() or b"") <= 252:
                target = Name((b"ns", *name.labels))
            else:
                target = self.target() if server == "any" else name
            self.line(name, ttl, "NS", str(target))
            if target.is_subdomain(name) and self.kinds.get(target) != "cname" and self.draw(st.booleans()):
                self.line(target, self.ttl(), "A", self.rdata("A"))
                if self.draw(st.booleans()):
                    self.line(target, self.ttl(), "AAAA", self.rdata("AAAA"))
        if self.draw(st.booleans()):
            self.line(name, self.ttl(), "DS", f"{self.draw(st.integers(0, 9))} 13 2 {'ab' * 32}")
        if name.labels[0] != b"ns" and len(name.to_wire() or b"") <= 250 and self.draw(st.booleans()):
            self.line(Name((b"hide", *name.labels)), self.ttl(), "TXT", '"occluded"')


def zones(origin: Name = EXAMPLE) -> st.SearchStrategy[ReferenceZone]:
    """Return single zones, parsed."""
    return zone_texts(origin).map(lambda text: ReferenceZone.from_text(text, origin))


@st.composite
def zone_sets(draw: st.DrawFn) -> list[tuple[Name, str]]:
    """Draw one to four zones; they may nest (below a cut at the child's apex or above it) and alias one another."""
    sub, deep = (dns.name.from_text(text, EXAMPLE) for text in ("sub", "deep.in.sub"))
    other = dns.name.from_text("other.")
    chosen = [EXAMPLE, *draw(st.lists(st.sampled_from((sub, deep, other, dns.name.root)), max_size=3, unique=True))]
    made = []
    for origin in chosen:
        below = [child for child in chosen if child != origin and child.is_subdomain(origin)]
        nearest = [child for child in below if not any(child != other and child.is_subdomain(other) for other in below)]
        cuts = [Name(child.labels[-draw(st.integers(len(origin) + 1, len(child))) :]) for child in nearest]
        targets = [name for apex in chosen if apex != origin for name in (apex, Name((b"a", *apex.labels)))]
        made.append((origin, draw(zone_texts(origin, tuple(dict.fromkeys(cuts)), targets))))
    return made


@st.composite
def questions(draw: st.DrawFn, loaded: Sequence[ReferenceZone]) -> tuple[bytes, int]:
    """Draw a question, as wire name and type, about names that exist, nearly exist, are hidden or are made up."""
    known = sorted({name for zone in loaded for name in (*zone.rrsets, zone.origin)})
    name = draw(st.sampled_from(known))
    present = sorted({int(rtype) for zone in loaded for rtype in zone.rrsets.get(name, {})})
    change = draw(st.sampled_from(("as is", "as is", "above", "below", "below", "beside", "random")))
    if change == "above" and len(name) > 1:
        name = Name(name.labels[draw(st.integers(1, len(name) - 1)) :])
    elif change == "beside" and len(name) > 1:
        name = Name((draw(st.sampled_from(_LABELS)), *name.labels[1:]))
    elif change == "below":
        name = (
            Name((*draw(st.lists(st.sampled_from(_LABELS[:-1]), min_size=1, max_size=3)), *name.labels))
            if (len(name.to_wire() or b"") < 235)
            else name
        )
    elif change == "random":
        labels = draw(st.lists(st.binary(min_size=1, max_size=12), max_size=4))
        name = Name((*labels, *draw(st.sampled_from((name.labels[-1:], name.labels[-2:])))))
    types = sorted({int(rtype) for zone in loaded for rrsets in zone.rrsets.values() for rtype in rrsets})
    qtype = draw(st.sampled_from(draw(st.sampled_from((present or types, types, _ODD_TYPES)))))
    wire = recased(name, draw(st.sampled_from((0, 0, 0xFFFF, 0b0101)))).to_wire()
    assert wire is not None
    return wire, qtype
