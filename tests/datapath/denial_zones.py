# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed zones of given names, and what a look at every NSEC or NSEC3 says about a name that is not there.

Nothing here shares code with the compiler's or the program's searches: hashes come from hashlib, order from comparing
lists of labels, and the chain is walked from end to end.
"""

import base64
import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from appliance.zone import types
from appliance.zone.model import RRset, RRsets, Zone

TTL: Final = 300
_BITMAP: Final = b"\x00\x06\x40\x00\x00\x00\x00\x03"  # A, RRSIG, NSEC: which types is not what is tested
_WINDOW_LABELS: Final = (b"\0", b"\0\0", b"\x01", b"*", b"!", b"+", b"\xfe\xff", b"\xff", b"\xff\xff", b"\xff" * 63)


@dataclass(frozen=True)
class Hashing:
    """Parameters of NSEC3 hashes."""

    iterations: int = 0
    salt: bytes = b""

    def digest(self, name: bytes) -> bytes:
        """Return the hash of a folded name (RFC 5155 §5)."""
        found = hashlib.sha1(name + self.salt).digest()
        for _ in range(self.iterations):
            found = hashlib.sha1(found + self.salt).digest()
        return found

    def blocks(self, name: bytes) -> int:
        """Return how many SHA-1 blocks the first of these hashes takes."""
        return (len(name) + len(self.salt) + 9 + 63) // 64


def wire(*labels: bytes, origin: bytes) -> bytes:
    """Return a name below an origin, folded."""
    return b"".join(bytes([len(label)]) + label for label in labels).lower() + origin


def labels_of(name: bytes) -> list[bytes]:
    """Return the labels of a wire name, leftmost first, without the root's."""
    found, at = [], 0
    while name[at]:
        found.append(name[at + 1 : at + 1 + name[at]])
        at += 1 + name[at]
    return found


def canonical(name: bytes) -> list[bytes]:
    """Return what sorts names into canonical order (RFC 4034 §6.1)."""
    return [label.lower() for label in reversed(labels_of(name))]


def parents(name: bytes, origin: bytes) -> list[bytes]:
    """Return the names above a name, up to the origin."""
    found = []
    while len(name) > len(origin):
        name = name[1 + name[0] :]
        found.append(name)
    return found


def _signature(origin: bytes, owner: bytes, rtype: int) -> RRset:
    count = len(labels_of(owner)) - (owner[:2] == b"\x01*")
    head = rtype.to_bytes(2) + bytes((15, count)) + TTL.to_bytes(4) + bytes(8) + b"\x12\x34" + origin
    return RRset(types.RRSIG, TTL, [head + hashlib.sha512(owner + head).digest()])


def signed(origin: bytes, owners: Iterable[bytes], hashing: Hashing | None = None) -> Zone:
    """Return a zone whose owners have one A record each, with an NSEC chain or, with parameters, one of NSEC3."""
    server = b"\x02ns\x07invalid\0"
    numbers = b"".join(number.to_bytes(4) for number in (1, 7200, 900, 1209600, TTL))
    nodes: dict[bytes, RRsets] = {
        origin: {
            types.SOA: RRset(types.SOA, TTL, [server + server + numbers]),
            types.NS: RRset(types.NS, TTL, [server]),
        }
    }
    for owner in owners:
        nodes.setdefault(owner, {})[types.A] = RRset(types.A, TTL, [b"\xc0\0\2\1"])
    nsec3: dict[bytes, RRset] = {}
    if hashing is None:
        order = sorted(nodes, key=canonical)
        for owner, following in zip(order, [*order[1:], order[0]], strict=True):
            nodes[owner][types.NSEC] = RRset(types.NSEC, TTL, [following + _BITMAP])
    else:
        rdata = b"\1\0" + hashing.iterations.to_bytes(2) + bytes([len(hashing.salt)]) + hashing.salt
        nodes[origin][types.NSEC3PARAM] = RRset(types.NSEC3PARAM, 0, [rdata])
        existing = {above for owner in nodes for above in (owner, *parents(owner, origin))}
        hashes = sorted(hashing.digest(name) for name in existing)
        for hashed, following in zip(hashes, [*hashes[1:], hashes[0]], strict=True):
            label = base64.b32hexencode(hashed).lower()
            nsec3[b"\x20" + label + origin] = RRset(types.NSEC3, TTL, [rdata + b"\x14" + following + _BITMAP])
    signatures = {owner: {t: _signature(origin, owner, t) for t in rrsets} for owner, rrsets in nodes.items()}
    for owner in nsec3:
        signatures[owner] = {types.NSEC3: _signature(origin, owner, types.NSEC3)}
    return Zone.build(origin, nodes, signatures, nsec3)


class Chain:
    """The chain of such a zone, searched from end to end."""

    def __init__(self, zone: Zone, hashing: Hashing | None) -> None:
        self.origin, self.hashing = zone.origin, hashing
        self.owners = [owner for owner, rrsets in zone.nodes.items() if hashing is not None or types.NSEC in rrsets]
        self.existing = {above for owner in zone.nodes for above in (owner, *parents(owner, zone.origin))}
        self.keys = [(canonical(owner), owner) for owner in self.owners]
        self.hashes = {base64.b32hexdecode(owner[1:33].upper()): owner for owner in zone.nsec3}

    def cover(self, name: bytes) -> bytes:
        """Return the owner of the NSEC or NSEC3 that covers a name which does not exist."""
        if self.hashing is None:
            wanted = canonical(name)
            return max((key, owner) for key, owner in self.keys if key < wanted)[1]
        hashed = self.hashing.digest(name)
        below = [other for other in self.hashes if other < hashed]
        return self.hashes[max(below) if below else max(self.hashes)]

    def proof(self, name: bytes) -> tuple[bool, set[bytes]]:
        """Return whether a wildcard answers for a missing name, and the owners of all that must be in the reply."""
        above = [name, *parents(name, self.origin)]
        at = next(i for i, upper in enumerate(above) if upper in self.existing)
        encloser, closer = above[at], above[at - 1]
        star = b"\x01*" + encloser
        if star in self.existing:
            return True, {self.cover(name if self.hashing is None else closer)}
        if self.hashing is None:
            return False, {self.cover(name), self.cover(star)}
        return False, {self.hashes[self.hashing.digest(encloser)], self.cover(closer), self.cover(star)}


def label_set(rng: random.Random, count: int) -> list[bytes]:
    """Return so many labels that try a search: equal beginnings, prefixes of each other, both ends of the order."""
    stem = bytes(rng.choices(b"abcdefgh", k=8))
    found: dict[bytes, None] = {}
    while len(found) < count:
        how = rng.randrange(6)
        if how == 0:
            label = rng.choice(_WINDOW_LABELS)
        elif how == 1:
            label = stem + bytes(rng.choices((0, 0x2A, 0x61, 0x62, 0xFF), k=rng.randrange(0, 20)))
        elif how == 2:
            label = stem[: rng.randrange(1, 8)] + bytes(rng.choices((0, 0x61, 0xFF), k=rng.randrange(0, 3)))
        elif how == 3 and found:
            label = rng.choice(list(found)[-50:])[: rng.randrange(1, 63)] + rng.choice((b"", b"\0", b"a", b"\xff"))
        else:
            label = rng.randbytes(rng.randrange(1, 64))
        found[label[:63].lower() or b"x"] = None
    return list(found)


def near(rng: random.Random, known: Sequence[bytes]) -> bytes:
    """Return a label that misses one of some labels by as little as possible, or any other; in any case."""
    label = rng.choice(known) if known and rng.random() < 0.85 else rng.randbytes(rng.randrange(1, 64))
    how = rng.randrange(6)
    last = label[-1]
    if how == 0:
        label = label[:-1] + bytes([(last + 1) & 0xFF])
    elif how == 1:
        label = label[:-1] + bytes([(last - 1) & 0xFF])
    elif how == 2 and len(label) > 1:
        label = label[:-1]
    elif how == 3:
        label = label[:62] + b"\0"
    elif how == 4:
        label = label[:62] + b"\xff"
    else:
        label = rng.choice(_WINDOW_LABELS)
    return bytes(octet ^ 0x20 if 0x61 <= octet | 0x20 <= 0x7A and rng.random() < 0.5 else octet for octet in label)
