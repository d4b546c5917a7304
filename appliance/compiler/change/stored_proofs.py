# SPDX-License-Identifier: GPL-3.0-or-later
"""The proofs of a zone as they are served, for a version of it whose NSEC or NSEC3 RRs are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appliance.compiler.denial.evidence import Nsec3Evidence
from appliance.compiler.denial.proofs import Nsec3Proofs
from appliance.compiler.show import Version
from appliance.lookup.denial import Nsec3Search
from appliance.lookup.find import denial_pieces
from appliance.store.fragments import Body, question_places
from appliance.store.layout import (
    FRAGMENT,
    FRAGMENT_NREL_PLACE,
    GRANULE,
    NODE_CUT,
    NODE_DENIAL_PLACE,
    NODE_FLAGS_AT,
    NODE_FLAGS_PLACE,
    NODE_NAME_LEN_AT,
    NODE_NTYPES_AT,
    NODE_OTHER_PLACE,
    RELOCATION_SIZE,
    TYPE_ENTRY,
    ZONE_SLOT_DENIAL_PLACE,
)
from appliance.store.shape import types_offset
from appliance.store.store import Store
from appliance.zone import names, types
from appliance.zone.model import RRset, Zone

_SIGNED: Final = NODE_OTHER_PLACE + 1
"""Place in a node: its answer for other types, with DNSSEC."""


class StoredEvidence(Nsec3Evidence):
    """What the served table of hashes proves; an NSEC3's owner is stood for by the reference of its fragment."""

    def __init__(self, store: Store, number: int, zone: Zone) -> None:
        self._zone = zone
        self._store = store
        self._search = Nsec3Search(store, number)
        self._found: dict[bytes, tuple[int, bool]] = {}

    def _at(self, name: bytes) -> tuple[int, bool]:
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._search.place(name)
        return found

    def match(self, name: bytes) -> bytes:
        """Return what stands for the NSEC3 whose owner is the hash of a name, nothing if there is none."""
        fragment, exact = self._at(name)
        return fragment.to_bytes(4, "little") if exact and fragment else b""

    def cover(self, name: bytes) -> bytes:
        """Return what stands for the NSEC3 that covers the hash of a name, nothing where one matches."""
        fragment, exact = self._at(name)
        return fragment.to_bytes(4, "little") if fragment and not exact else b""

    def rrset(self, owner: bytes) -> RRset:
        """Return an NSEC3 RRset with the first two octets of its RDATA, which hold the flags."""
        octets, at = self._store.octets, int.from_bytes(owner, "little") * GRANULE
        at += FRAGMENT.size + RELOCATION_SIZE * FRAGMENT.unpack_from(octets, at)[FRAGMENT_NREL_PLACE]
        while 0 < octets[at] < 0xC0:
            at += octets[at] + 1
        at += 2 if octets[at] else 1
        return RRset(types.NSEC3, 0, [bytes(octets[at + 10 : at + 12])])


class StoredProofs(Nsec3Proofs):
    """The proofs of a zone whose NSEC3 RRs stay: a served cut has its own, others stand in the served table."""

    def __init__(
        self, store: Store, number: int, version: Version, zone: Zone, nodes: Callable[[bytes], list[int]]
    ) -> None:
        self._writer = version.writer
        self._zone = zone
        self._evidence = StoredEvidence(store, number, zone)
        self._store = store
        self._nodes = nodes
        self._proved: dict[bytes, list[int]] = {}
        self.zone_material = 0

    def piece(self, owner: bytes) -> int:
        return int.from_bytes(owner, "little")

    def nodata(self, name: bytes) -> list[int]:
        found = self._proved.get(name)
        if found is None:
            found = self._served(name) or super().nodata(name)
            self._proved[name] = found
        return found

    def _served(self, cut: bytes) -> list[int]:
        """Return the proofs of a served insecure cut."""
        return next((found for ref in self._nodes(cut) if (found := cut_proofs(self._store, ref))), [])


class StoredNsecProofs:
    """The proofs of a zone whose NSEC RRs stay: each served name has its own, in its answer for other types."""

    def __init__(self, store: Store, number: int, nodes: Callable[[bytes], list[int]]) -> None:
        self._store = store
        self._nodes = nodes
        self.zone_material = store.slot(number)[ZONE_SLOT_DENIAL_PLACE]

    def nodata(self, name: bytes) -> list[int]:
        """Return the fragments that show which types an existing name lacks."""
        store = self._store
        for ref in self._nodes(name):
            fields = store.node(ref)
            if fields[NODE_FLAGS_PLACE] & NODE_CUT:
                return cut_proofs(store, ref)
            return denial_pieces(store, fields[_SIGNED]) if fields[_SIGNED] else []
        return []

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        """Return nothing: no wildcard is written anew."""
        raise LookupError(f"{names.to_text(wildcard)} is not to be written anew")

    def material(self, name: bytes) -> int:
        """Return `node.denial` of an existing name."""
        return next((self._store.node(ref)[NODE_DENIAL_PLACE] for ref in self._nodes(name)), 0)

    def piece(self, owner: bytes) -> int:
        """Return the fragment of a name's NSEC RRset, 0 where its answer does not list it."""
        return next(iter(self.nodata(owner)), 0)

    def has(self, zone: Zone, owner: bytes) -> bool:
        """Return whether the served NSEC RRset of a name and its signatures are those of a zone."""
        ref = self.piece(owner)
        body = Body(len(zone.origin), question_places(zone.origin), first=False)
        for part in (zone.nodes[owner].get(types.NSEC), zone.signatures.get(owner, {}).get(types.NSEC)):
            for rdata in part.rdatas if part else ():
                assert part is not None
                body.rr(owner, part.rtype, part.ttl, rdata)
        expected = body.encode()
        return bool(ref) and self._store.octets[ref * GRANULE : ref * GRANULE + len(expected)] == expected


def cut_proofs(store: Store, ref: int) -> list[int]:
    """Return the proofs in the DS entry of an insecure cut's node, or those of its composed referral."""
    head, octets = ref * GRANULE, store.octets
    if not octets[head + NODE_FLAGS_AT] & NODE_CUT:
        return []
    if not octets[head + NODE_NTYPES_AT]:
        signed = store.node(ref)[_SIGNED]
        return denial_pieces(store, signed) if signed else []
    kind, _, _, answer = TYPE_ENTRY.unpack_from(
        octets, head + types_offset(octets[head + NODE_NAME_LEN_AT], octets[head + NODE_FLAGS_AT])
    )
    return denial_pieces(store, answer) if kind == types.DS and answer else []
