# SPDX-License-Identifier: GPL-3.0-or-later
"""A small zone of hard cases, to be signed, and questions about it; the 100,000 questions of suite `dnssec`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from bench.machine.link import Link
from bench.traffic import questions
from bench.traffic.packets import query, wire

ORIGIN = "nasty.example."
HOSTS = 200
LINKS = 9
_TYPES_AT_ONE_NAME = """many A 192.0.2.1
many AAAA 2001:db8::1
many MX 10 mail
many TXT "v=spf1 -all"
many CAA 0 issue "ca.example"
many SRV 0 0 443 h000
many NAPTR 10 10 "u" "E2U+sip" "!^.*$!sip:a@example!" .
many SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
many TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"""
# Out of 1,000 questions about this zone. A name below a DNAME is userspace's by design; it is as rare here as it is in
# the world.
_WEIGHTS = {
    "host": 333, "missing": 200, "wildcard": 150, "empty": 60, "referral": 90, "chain": 60, "many": 30, "deep": 30,
    "apex": 15, "truncated": 10, "dname": 2, "dangling": 20,
}  # fmt: skip
_ZONES = {"root": 50, "opt_out": 35, "nasty": 15}


def text() -> str:
    """Write the zone, unsigned."""
    return "".join(_lines())


def _lines() -> Iterator[str]:
    yield f"$ORIGIN {ORIGIN}\n$TTL 3600\n@ 3600 IN SOA ns1 hostmaster 2026010101 1800 900 604800 300\n"
    yield '@ NS ns1\n@ NS ns2.deep\n@ MX 10 mail\n@ TXT "apex"\nns1 A 192.0.2.1\nns1 AAAA 2001:db8::53\n'
    yield "ns2.deep A 192.0.2.2\nmail A 192.0.2.3\n"
    for number in range(HOSTS):
        yield f"h{number:03d} A 198.51.100.{number}\nh{number:03d} AAAA 2001:db8:1::{number:x}\n"
    yield _TYPES_AT_ONE_NAME
    yield 'a.b.c.d.e.f.g A 192.0.2.4\nx.empty TXT "below an empty non-terminal"\n'
    yield "longlonglonglonglonglonglonglong A 192.0.2.5\n"
    yield '*.wild A 192.0.2.6\n*.wild MX 10 mail\nhost.wild A 192.0.2.7\nx.y.wild TXT "stops the wildcard at y"\n'
    yield '*.cnames CNAME h001\nsub.*.middle A 192.0.2.8\n*.middle TXT "a wildcard with names below"\n'
    yield "link0 CNAME h000\nexternal CNAME www.example.net.\ndangling CNAME nothing.here\n"
    for number in range(1, LINKS):
        yield f"link{number} CNAME link{number - 1}\n"
    yield "towild CNAME any.wild\ndn DNAME wild\nbig TXT " + " ".join(f'"{"x" * 250}"' for _ in range(12)) + "\n"
    for number in range(20):
        yield f"cut{number} NS ns.cut{number}\nns.cut{number} A 203.0.113.{number}\ncut{number} NS ns1\n"
        if number % 2:
            yield f"cut{number} DS {number} 13 2 {number:064x}\n"


def names() -> Callable[[], bytes]:
    """Ask for names of the zone, by the weights above."""
    rng = random.Random("nasty")

    def label() -> str:
        return "".join(rng.choices(questions.LETTERS, k=rng.randint(1, 12)))

    kinds: dict[str, Callable[[], str]] = {
        "host": lambda: f"h{rng.randrange(HOSTS):03d}",
        "missing": lambda: f"{label()}0.{rng.choice(('', 'h000.', 'g.', 'e.f.g.', 'wild.host.', 'empty.', 'many.'))}",
        "wildcard": lambda: f"{label()}.{rng.choice(('wild', 'cnames', 'middle', 'a.wild'))}",
        "empty": lambda: rng.choice(("g", "f.g", "b.c.d.e.f.g", "empty", "y.wild", "middle", "*.wild", "deep")),
        "referral": lambda: f"{rng.choice(('', 'www.', 'a.b.'))}cut{rng.randrange(20)}",
        "chain": lambda: rng.choice((f"link{rng.randrange(LINKS)}", "external", "towild")),
        "many": lambda: "many",
        "deep": lambda: rng.choice(("a.b.c.d.e.f.g", "x.empty", "sub.*.middle", "longlonglonglonglonglonglonglong")),
        "apex": lambda: "",
        "truncated": lambda: "big",
        "dname": lambda: f"{label()}.dn",
        "dangling": lambda: "dangling",
    }

    def name() -> bytes:
        (kind,) = rng.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))
        return wire(f"{kinds[kind]()}.{ORIGIN}".replace("..", ".").lstrip("."))

    return name


def mix(root: Sequence[str], tld: Sequence[str], origin: str, link: Link, count: int) -> dict[str, list[bytes]]:
    """Ask, DO set, all sorts of types: 50 % about the root, 35 % about the opt-out zone, 15 % about this one.

    Returns the frames by `root`, `opt_out` and `nasty`; count is that of all together.
    """
    rng = random.Random("signed mix")
    of_root, of_nasty = questions.mixed(root), names()
    of_tld = [questions.exact(tld), questions.below(tld, 1), questions.below(tld, 2), questions.missing(origin)]
    frames: dict[str, list[bytes]] = {zone: [] for zone in _ZONES}
    for number in range(count):
        (zone,) = rng.choices(list(_ZONES), weights=list(_ZONES.values()))
        if zone == "nasty":
            name = of_nasty()
        else:
            name = (of_root if zone == "root" else rng.choices(of_tld, weights=(40, 15, 15, 30))[0])(number)
        draw = rng.random()
        qtype = questions.A if draw < 0.55 else questions.AAAA if draw < 0.8 else rng.choice(questions.ODD_TYPES)
        if rng.random() < 0.5:
            name = questions.mixed_case(name, rng)
        frames[zone].append(query(name, qtype, questions.ident(number), link, do=True))
    return frames
