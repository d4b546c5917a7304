# SPDX-License-Identifier: GPL-3.0-or-later
"""The proofs of a zone with NSEC3 as they are served, for a version of it whose NSEC3 RRs are the same."""

from __future__ import annotations

from collections.abc import Callable

from appliance.answers.denial import Nsec3Search
from appliance.answers.evidence import Nsec3Evidence
from appliance.answers.layout import ANSWER, FRAGMENT, KIND, NODE_CUT, TYPE_ENTRY, types_offset
from appliance.answers.proofs import Nsec3Proofs
from appliance.answers.store import Store
from appliance.answers.versions import Version
from appliance.zone import types
from appliance.zone.model import RRset, Zone


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
        octets, at = self._store.octets, int.from_bytes(owner, "little") * 16
        at += FRAGMENT.size + 4 * FRAGMENT.unpack_from(octets, at)[3]
        while 0 < octets[at] < 0xC0:
            at += octets[at] + 1
        at += 2 if octets[at] else 1
        return RRset(types.NSEC3, 0, [bytes(octets[at + 10 : at + 12])])


class StoredProofs(Nsec3Proofs):
    """The proofs of a zone whose NSEC3 RRs stay: a served cut has its own, others stand in the served table."""

    def __init__(
        self, store: Store, number: int, version: Version, zone: Zone, records: Callable[[bytes], list[int]]
    ) -> None:
        self._writer = version.writer
        self._zone = zone
        self._evidence = StoredEvidence(store, number, zone)
        self._store = store
        self._records = records
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
        """Return the proofs in the DS entry of a served insecure cut; they come behind the SOA."""
        for ref in self._records(cut):
            head = ref * 16
            octets = self._store.octets
            if octets[head + 2] & NODE_CUT and octets[head + 3]:
                row = head + types_offset(octets[head], octets[head + 2])
                kind, _, _, answer = TYPE_ENTRY.unpack_from(octets, row)
                fields = ANSWER.unpack_from(octets, answer * 16)
                if kind == types.DS and answer and fields[6] == KIND["nodata"] and fields[5] > 1:
                    first = answer * 4 + ANSWER.size // 4
                    return list(self._store.words[first + 1 : first + fields[5]])
        return []
