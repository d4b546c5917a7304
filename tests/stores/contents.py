# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store says about each name, octet for octet, whatever the places in the heap are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from appliance.compiler.expected import capacity
from appliance.store.capacity import Capacity
from appliance.store.layout import (
    ANSWER,
    ANSWER_NFRAG_PLACE,
    ANSWER_SMALLER_PLACE,
    CHILD,
    CHILDREN,
    FRAGMENT,
    NODE_CUT,
    NODE_DENIAL_PLACE,
    NODE_FLAGS_PLACE,
    NODE_NAME_LEN_PLACE,
    NODE_NEXT_PLACE,
    NODE_NTYPES_PLACE,
    NODE_OTHER_PLACE,
    NODE_WILDCARD_PLACE,
    NODE_ZONE_PLACE,
    NSEC3,
    NSEC3_HASH,
    NSEC3_NODE,
    TYPE_ENTRY,
)
from appliance.store.shape import types_offset
from appliance.store.store import Store
from appliance.zone import names
from appliance.zone.model import Zone
from tests.harness.worlds import compile_zones, world_of


def unpacked(zone: Zone) -> Zone:
    """Return the same zone as Python objects, which are compiled name by name."""
    return Zone.build(zone.origin, dict(zone.nodes.items()), dict(zone.signatures.items()), dict(zone.nsec3.items()))


def as_text(zone: Zone) -> str:
    """Return a zone as a master file of RFC 3597 records."""
    return "".join(
        f"{names.to_text(owner)} {rrset.ttl} IN TYPE{rrset.rtype} \\# {len(rdata)} {rdata.hex()}\n"
        for owner, rrset in zone.rrsets()
        for rdata in rrset.rdatas
    )


def compiled(zones: Iterable[Zone]) -> Store:
    """Return a store of zones; the seed is always the same."""
    zones = list(zones)
    room = capacity(zones)
    store = Store.sized(Capacity(room.bucket_bits, room.chunks + 4, room.zones), 7)
    compile_zones(store, zones)
    return store


class Contents:
    """Reads a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._octets = store.octets

    def fragment(self, ref: int, at: int = 0) -> bytes:
        """Return a fragment by its reference or place."""
        at = at or ref * 16
        head = FRAGMENT.unpack_from(self._octets, at)
        return bytes(self._octets[at : at + FRAGMENT.size + 4 * head[3] + head[0]])

    def answer(self, ref: int) -> Any:
        """Return an answer with its fragments and smaller variants."""
        if not ref:
            return None
        at = ref * 16
        head = ANSWER.unpack_from(self._octets, at)
        first = at + ANSWER.size
        if head[ANSWER_NFRAG_PLACE] == 1:
            body = [self.fragment(0, first)]
        else:
            places = range(first, first + 4 * head[ANSWER_NFRAG_PLACE], 4)
            refs = [int.from_bytes(self._octets[place : place + 4], "little") for place in places]
            body = [self.fragment(one) if one else b"the SOA of the zone" for one in refs]
        return head[:ANSWER_SMALLER_PLACE], body, self.answer(head[ANSWER_SMALLER_PLACE])

    def record(self, ref: int) -> Any:
        """Return a node with all its answers; places alone are left out."""
        node = self._store.node(ref)
        row = ref * 16 + types_offset(node[NODE_NAME_LEN_PLACE], node[NODE_FLAGS_PLACE])
        rows = [TYPE_ENTRY.unpack_from(self._octets, row + TYPE_ENTRY.size * i) for i in range(node[NODE_NTYPES_PLACE])]
        table = [(rtype, self.answer(plain), self.answer(signed)) for rtype, _, plain, signed in rows]
        material: Any = b""
        if not node[NODE_FLAGS_PLACE] & NODE_CUT:
            material = self.material(node[NODE_ZONE_PLACE], node[NODE_DENIAL_PLACE])
        wildcard = self.record(star) if (star := node[NODE_WILDCARD_PLACE]) and star != ref else None
        others = (self.answer(node[NODE_OTHER_PLACE + dnssec_ok]) for dnssec_ok in (False, True))
        return node[:NODE_NEXT_PLACE], self._store.name_at(ref), *others, table, material, wildcard

    def material(self, number: int, ref: int) -> Any:
        """Return the proof material of a node."""
        if not ref:
            return None
        if self._scheme(number) == 2:
            return [self.fragment(one) if one else b"" for one in NSEC3_NODE.unpack_from(self._octets, ref * 16)]
        count, cover, blocks, _ = CHILDREN.unpack_from(self._octets, ref * 16)
        entries = self._blocks(ref * 16 + CHILDREN.size, blocks, count, CHILD.size)
        found = [CHILD.unpack(entry) for entry in entries]
        return [self.fragment(cover) if cover else b""] + [
            (key, self.fragment(nsec) if nsec else b"") for key, _, nsec in found
        ]

    def _scheme(self, number: int) -> int:
        origin = next(origin for origin, row in self._store.numbers.items() if row == number)
        return {"unsigned": 0, "nsec": 1, "nsec3": 2}[world_of(self._store)[origin].scheme]

    def _blocks(self, at: int, blocks: int, count: int, size: int) -> list[bytes]:
        octets = b""
        for i in range(blocks):
            start = int.from_bytes(self._octets[at + 4 * i : at + 4 * i + 4], "little") * 16
            octets += bytes(self._octets[start : start + min(16384, count - len(octets) // size) * size])
        return [octets[i : i + size] for i in range(0, len(octets), size)]

    def zone(self, origin: bytes) -> Any:
        """Return what the zone table says, the table of NSEC3 hashes with it."""
        number = self._store.numbers[origin]
        serial, _, nx, nx_signed, no, no_signed, denial, soa = self._store.slot(number)
        hashes: list[Any] = []
        if denial and self._scheme(number) == 2:
            head = NSEC3.unpack_from(self._octets, denial * 16)
            entries = self._blocks(denial * 16 + NSEC3.size, head[4], head[0], NSEC3_HASH.size)
            found = [NSEC3_HASH.unpack(entry) for entry in entries]
            hashes = [head, *((high, middle, self.fragment(ref)) for high, middle, ref in found)]
        quoted = self.fragment(soa)
        return serial, [self.answer(ref) for ref in (nx, nx_signed, no, no_signed)], quoted, hashes

    def everything(self, zones: Iterable[Zone]) -> dict[bytes, Any]:
        """Return all of this by name."""
        found: dict[bytes, Any] = {}
        for zone in zones:
            found[b"zone " + zone.origin] = self.zone(zone.origin)
            for name in (*zone.nodes, *zone.ents):
                found[name] = [self.record(ref) for ref in self._store.nodes_of(name)]
        found[b"depths"] = self._store.depths
        return found


def digest(path: Path, origin: bytes) -> str:
    """Return a digest of all that a store says about the zone in a file, whose records go meanwhile if they can."""
    from appliance.compiler.bulk.zone import RecordsSpent
    from appliance.zone.load import load_zone
    from appliance.zone.packed.zone import PackedZone

    zone = load_zone(path, origin)
    spent = load_zone(path, origin)
    assert isinstance(spent, PackedZone)
    spent.may_be_spent = True
    try:
        store = compiled([spent])
    except RecordsSpent:
        store = compiled([zone])
    world_of(store).put(zone)
    found = Contents(store).everything([zone])
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
