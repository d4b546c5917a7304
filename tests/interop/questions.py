# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions made from zone contents: the names that exist and those that nearly do, odd types, case, EDNS and flags."""

import random
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from appliance.zone import names
from appliance.zone.model import Zone
from tests.interop import wire

DO = 0x8000
COMMON_TYPES = (1, 28, 2, 5, 6, 12, 15, 16, 33, 43, 48)
RARE_TYPES = (13, 35, 39, 46, 47, 50, 51, 52, 64, 65, 99, 255, 257, 65280, 65535)
META_TYPES = (0, 41, 100, 128, 200, 249, 250, 253, 254)
SIZES = (0, 512, 1232, 4096)
_ODD_LABELS = (b"\x00", b"*", b"\xff\x80", b"a.b", b"-", b"_", b" ", b"xn--nxasmq6b", b"@", b"\\", b"\xc3\xa9")


class Question(NamedTuple):
    """One query: name as sent, type, header flags, and the EDNS size offered (0: no EDNS) and flags."""

    name: bytes
    rtype: int
    flags: int = 0
    size: int = 0
    edns_flags: int = 0

    def wire(self, number: int = 0) -> bytes:
        """Return the message."""
        edns = self.size > 0
        opt = b"\0" + struct.pack("!HHIH", wire.OPT, self.size, self.edns_flags, 0) if edns else b""
        header = struct.pack("!6H", number, self.flags, 1, 0, 0, int(edns))
        return header + self.name + struct.pack("!2H", self.rtype, 1) + opt

    @property
    def folded(self) -> bytes:
        """The name in lower case."""
        return self.name.lower()

    @property
    def dnssec_ok(self) -> bool:
        """Return whether DO is set."""
        return bool(self.edns_flags & DO)

    @property
    def limit(self) -> int:
        """Octets that the client takes over UDP (RFC 6891 §6.2.3)."""
        return max(512, self.size)

    def text(self) -> str:
        """Return the question as dig would take it."""
        edns = f" bufsize={self.size}{' do' if self.dnssec_ok else ''}" if self.size else " noedns"
        return f"{names.to_text(self.name)} TYPE{self.rtype} flags={self.flags:#06x}{edns}"


def _label(rng: random.Random) -> bytes:
    if rng.random() < 0.05:
        return rng.choice(_ODD_LABELS)
    return bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=rng.choice((1, 2, 3, 8, 12, 63))))


def prefixed(labels: Sequence[bytes], name: bytes) -> bytes:
    """Return the labels put before a name, the left ones left out where 255 octets do not hold them."""
    for label in reversed(labels):
        if len(label) + 1 + len(name) > 255:
            break
        name = bytes([len(label)]) + label + name
    return name


def _mutated(rng: random.Random, name: bytes) -> bytes:
    """Return a name that misses by one octet, one label, or one label's place."""
    parts = names.labels(name)
    if not parts:
        return prefixed([_label(rng)], name)
    at = rng.randrange(len(parts))
    how = rng.randrange(5)
    if how == 0:
        parts[at] = parts[at][:-1] + bytes([(parts[at][-1] + 1) & 0xFF])
    elif how == 1 and len(parts[at]) > 1:
        parts[at] = parts[at][:-1]
    elif how == 2:
        parts[at] = (parts[at] + b"0")[:63]
    elif how == 3:
        del parts[at]
    else:
        parts[at] = b"*"
    return prefixed(parts, b"\0")


def _mixed_case(rng: random.Random, name: bytes) -> bytes:
    return bytes(octet ^ 0x20 if 0x61 <= octet | 0x20 <= 0x7A and rng.random() < 0.5 else octet for octet in name)


class Generator:
    """Draw questions about some zones; the same zones and seed give the same questions."""

    def __init__(self, zones: Sequence[Zone], seed: int, dnssec_share: float, meta_types: bool = True) -> None:
        """Collect the names; `dnssec_share` is the part of the questions that set DO.

        meta_types: ask for types too that no zone can hold; BIND refuses them.
        """
        self.rng = random.Random(seed)
        self.meta_types = META_TYPES if meta_types else ()
        self.dnssec_share = dnssec_share
        self.owners = [(owner, zone) for zone in zones for owner in sorted(zone.nodes)]
        self.owners += [(owner, zone) for zone in zones for owner in self._nsec3_owners(zone)]
        self.cuts = [cut for zone in zones for cut in sorted(zone.delegations)]
        self.ents = [ent for zone in zones for ent in sorted(zone.ents)]
        self.stars = [owner for owner, _ in self.owners if names.is_wildcard(owner)]
        self.dnames = [owner for zone in zones for owner in sorted(zone.dnames)]
        self.origins = [zone.origin for zone in zones]
        self.kinds = [
            (kind, weight)
            for kind, weight, pool in (
                (self._existing, 25, self.owners),
                (self._below_existing, 10, self.owners),
                (self._near_miss, 15, self.owners),
                (self._below_cut, 20, self.cuts),
                (self._ent, 6, self.ents),
                (self._below_star, 9, self.stars),
                (self._below_dname, 6, self.dnames),
                (self._random, 7, self.origins),
                (self._outside, 2, self.origins),
            )
            if pool
        ]

    @staticmethod
    def _nsec3_owners(zone: Zone) -> list[bytes]:
        """Return some owners of NSEC3 RRs: below a DNAME at the apex they are nothing special."""
        return [] if zone.origin in zone.dnames else sorted(zone.nsec3)[:50]

    def _labels(self) -> list[bytes]:
        return [_label(self.rng) for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3, 9)))]

    def _existing(self) -> tuple[bytes, int]:
        owner, zone = self.rng.choice(self.owners)
        types = list(zone.nodes.get(owner, {}))
        return owner, self.rng.choice(types) if types and self.rng.random() < 0.6 else self._type()

    def _below_existing(self) -> tuple[bytes, int]:
        return prefixed(self._labels(), self.rng.choice(self.owners)[0]), self._type()

    def _near_miss(self) -> tuple[bytes, int]:
        return _mutated(self.rng, self.rng.choice(self.owners)[0]), self._type()

    def _below_cut(self) -> tuple[bytes, int]:
        cut = self.rng.choice(self.cuts)
        return (cut if self.rng.random() < 0.3 else prefixed(self._labels(), cut)), self._type()

    def _ent(self) -> tuple[bytes, int]:
        ent = self.rng.choice(self.ents)
        return (ent if self.rng.random() < 0.5 else prefixed(self._labels(), ent)), self._type()

    def _below_star(self) -> tuple[bytes, int]:
        star = self.rng.choice(self.stars)
        above = star if self.rng.random() < 0.1 else names.parent(star)
        return prefixed(self._labels(), above), self._type()

    def _below_dname(self) -> tuple[bytes, int]:
        rng = self.rng
        dname = rng.choice(self.dnames)
        if rng.random() < 0.5:
            return prefixed(self._labels(), dname), self._type()
        return prefixed(names.labels(rng.choice(self.owners)[0])[:1], dname), self._type()

    def _random(self) -> tuple[bytes, int]:
        return prefixed(self._labels(), self.rng.choice(self.origins)), self._type()

    def _outside(self) -> tuple[bytes, int]:
        origin = self.rng.choice(self.origins)
        above = names.parent(origin) if len(origin) > 1 else origin
        return (above if self.rng.random() < 0.3 else prefixed(self._labels(), above)), self._type()

    def _type(self) -> int:
        drawn = (self.rng.choice(COMMON_TYPES), self.rng.choice(RARE_TYPES), self.rng.choice(META_TYPES))
        return self.rng.choices(drawn, (75, 23, 2 if self.meta_types else 0))[0]

    def draw(self, count: int) -> Iterator[Question]:
        """Yield so many questions."""
        rng = self.rng
        kinds, weights = [kind for kind, _ in self.kinds], [weight for _, weight in self.kinds]
        for _ in range(count):
            name, rtype = rng.choices(kinds, weights)[0]()
            if rng.random() < 0.3:
                name = _mixed_case(rng, name)
            flags = (wire.RD if rng.random() < 0.2 else 0) | (wire.CD if rng.random() < 0.1 else 0)
            if rng.random() < self.dnssec_share:
                yield Question(name, rtype, flags, rng.choice(SIZES[1:]), DO)
            else:
                yield Question(name, rtype, flags, rng.choice(SIZES))

    def every(self, most: int = 400) -> Iterator[Question]:
        """Yield each existing name (at most about so many, from all zones) with each type, in turn with all EDNS."""
        for position, (owner, _) in enumerate(self.owners[:: 1 + len(self.owners) // most]):
            for rtype in (*COMMON_TYPES, *RARE_TYPES, *self.meta_types):
                in_turn = self.dnssec_share == 1 or (self.dnssec_share and (position + rtype) % 2)
                edns_flags = DO if in_turn else 0
                yield Question(owner, rtype, 0, 1232 if edns_flags else SIZES[(position + rtype) % 4], edns_flags)
