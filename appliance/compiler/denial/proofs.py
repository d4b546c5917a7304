# SPDX-License-Identifier: GPL-3.0-or-later
"""DNSSEC proofs at compile time: fragments of NSEC and NSEC3 RRs, and what nodes keep for searched proofs."""

import bisect
import struct
from typing import Final, Protocol

from appliance.compiler.denial.evidence import Evidence, Nsec3Evidence, NsecEvidence
from appliance.compiler.writer import Writer
from appliance.store.fragments import Body, question_places
from appliance.store.layout import CHILD, CHILDREN, DENIAL_BLOCK, GRANULE, NSEC3, NSEC3_HASH, NSEC3_NODE
from appliance.store.shape import padded
from appliance.zone import names, types
from appliance.zone.model import RRset, Zone

_MANY: Final = 128
"""Children from which on a table of first octets pays: it takes 1,028 octets and spares four to five halvings."""


class Proofs(Protocol):
    """What a denial scheme offers; every int is the reference of a fragment or of denial material, 0 for none."""

    zone_material: int

    def nodata(self, name: bytes) -> list[int]:
        """Return the fragments that show which types an existing name lacks."""

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        """Return what proves the types of a wildcard, without the proof for the next closer name."""

    def material(self, name: bytes) -> int:
        """Return `node.denial` of an existing name."""

    def piece(self, owner: bytes) -> int:
        """Return the fragment of an owner's NSEC or NSEC3 RRset."""


def _first_octets(entries: list[bytes]) -> bytes:
    """Return for each octet, and for 256, the number of the first entry whose label starts with it or a later one."""
    starts = [entry[7] for entry in entries[1:]]  # the most significant octet of a prefix
    return struct.pack("<257I", *(1 + bisect.bisect_left(starts, octet) for octet in range(257)))


class NoProofs:
    """An unsigned zone proves nothing."""

    zone_material = 0

    def nodata(self, name: bytes) -> list[int]:
        return []

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        return []

    def material(self, name: bytes) -> int:
        return 0

    def piece(self, owner: bytes) -> int:
        raise LookupError(f"no NSEC or NSEC3 at {names.to_text(owner)}: the zone is unsigned")


class _Fragments:
    """Fragments of one denial RRset and its signatures, written when first asked for."""

    def __init__(self, writer: Writer, zone: Zone) -> None:
        self.writer = writer
        self.zone = zone
        self._places = question_places(zone.origin)
        self._written: dict[bytes, int] = {}

    def get(self, owner: bytes, rrset: RRset) -> int:
        """Return the fragment of an owner's NSEC or NSEC3 RRset."""
        ref = self._written.get(owner)
        if ref is None:
            body = Body(len(self.zone.origin), self._places, first=False)
            signature = self.zone.signatures.get(owner, {}).get(rrset.rtype)
            for part in (rrset, signature) if signature else (rrset,):
                for rdata in part.rdatas:
                    body.rr(owner, part.rtype, part.ttl, rdata)
            ref = self._written[owner] = self.writer.aside.put(body.encode())
        return ref


class NsecProofs:
    """RFC 4035 §3.1.3 on the tree of names: a name knows the NSEC before it, a child the last one in its subtree."""

    def __init__(self, writer: Writer, zone: Zone, evidence: NsecEvidence) -> None:
        self._writer = writer
        self._zone = zone
        self._evidence = evidence
        self._fragments = _Fragments(writer, zone)
        self._cover: dict[bytes, int] = {}
        self._material: dict[bytes, int] = {}
        self._walk()
        self.zone_material = self._material.get(zone.origin, 0)

    def piece(self, owner: bytes) -> int:
        return self._fragments.get(owner, self._zone.nodes[owner][types.NSEC])

    def own(self, name: bytes) -> int:
        """Return the fragment of the NSEC that a name has, 0 for none."""
        return self.piece(name) if types.NSEC in self._zone.nodes.get(name, {}) else 0

    def _walk(self) -> None:
        """Visit the names in canonical order; last is the latest NSEC met."""
        children = self._zone.children
        after: dict[bytes, int] = {}
        last = 0
        stack: list[tuple[bytes, bool]] = [(self._zone.origin, False)]
        while stack:
            name, done = stack.pop()
            if done:
                after[name] = last
                self._finish(name, children.get(name, []), after)
                continue
            last = self.own(name) or last
            self._cover[name] = last
            stack.append((name, True))
            stack.extend([(child, False) for child in reversed(children.get(name, ()))])

    def _finish(self, name: bytes, children: list[bytes], after: dict[bytes, int]) -> None:
        if name in self._zone.delegations:
            return
        wildcard = before = self._cover[name]
        entries = [CHILD.pack(0, 0, before)]
        exists = False
        for child in children:
            label = child[: child[0] + 1]
            nsec = after.pop(child)
            if label[1:] < b"*":
                wildcard = nsec
            exists = exists or label == b"\x01*"
            text = self._writer.share(label + bytes(padded(len(label)) - len(label)))
            entries.append(CHILD.pack(int.from_bytes(label[1:9].ljust(8, b"\0"), "big"), text, nsec))
        self._material[name] = self._put(entries, 0 if exists else wildcard)

    def _put(self, entries: list[bytes], wildcard_cover: int) -> int:
        arena = self._writer.arena
        if len(entries) * CHILD.size <= 512:
            ref = arena.take(32 + len(entries) * CHILD.size)
            head = CHILDREN.pack(len(entries), wildcard_cover, 1, 0) + (ref + 2).to_bytes(4, "little") + bytes(12)
            blob = head + b"".join(entries)
            arena.octets[ref * GRANULE : ref * GRANULE + len(blob)] = blob
            return ref
        firsts = arena.put(_first_octets(entries)) if len(entries) >= _MANY else 0
        blocks = put_blocks(self._writer, entries)
        head = CHILDREN.pack(len(entries), wildcard_cover, len(blocks), firsts)
        return arena.put(head + struct.pack(f"<{len(blocks)}I", *blocks))

    def nodata(self, name: bytes) -> list[int]:
        if types.NSEC in self._zone.nodes.get(name, ()):
            return [self.piece(name)]
        return [self.piece(owner) for owner in self._evidence.nodata(name)]

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        return self.nodata(wildcard)

    def material(self, name: bytes) -> int:
        return self._material.get(name, 0)


class Nsec3Proofs:
    """RFC 5155 §7.2 with a table of hashes."""

    def __init__(self, writer: Writer, zone: Zone, evidence: Nsec3Evidence) -> None:
        self._writer = writer
        self._zone = zone
        self._evidence = evidence
        self._fragments = _Fragments(writer, zone)
        self.zone_material = self._put_table()

    def _put_table(self) -> int:
        found = self._evidence
        entries, scale = hash_slots(found.hashes, [self.piece(owner) for owner in found.owners])
        blocks = put_blocks(self._writer, entries)
        iterations, salt = found.parameters
        head = NSEC3.pack(len(entries), iterations, len(salt), 0, len(blocks), scale, salt.ljust(256, b"\0"))
        return self._writer.arena.put(head + struct.pack(f"<{len(blocks)}I", *blocks))

    def piece(self, owner: bytes) -> int:
        return self._fragments.get(owner, self._zone.nsec3[owner])

    def nodata(self, name: bytes) -> list[int]:
        return [self.piece(owner) for owner in self._evidence.nodata(name)]

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        return [self.piece(owner) for owner in self._evidence.wildcard_nodata(wildcard)]

    def material(self, name: bytes) -> int:
        """Return what is known of a closest encloser; 0 where something of it cannot be proved.

        Where opt-out leaves the name without NSEC3, the closest encloser that can be proved lies above it, and the next
        closer name is the same for all names below.
        """
        if name in self._zone.delegations:
            return 0
        evidence = self._evidence
        encloser, match, closer = name, evidence.match(name), b""
        if not match:
            encloser, match, closer = evidence.unlisted(name)
        if not match:
            return 0
        wildcard = evidence.wildcard_cover(encloser)
        known = [*wildcard, *([evidence.cover(closer)] if closer else [])]
        if not all(known):
            return 0
        covers = [self.piece(owner) for owner in known]
        wildcard_ref = covers.pop(0) if wildcard else 0
        return self._writer.arena.put(NSEC3_NODE.pack(self.piece(match), wildcard_ref, covers[0] if closer else 0))


def hash_slots(hashes: list[bytes], fragments: list[int]) -> tuple[list[bytes], int]:
    """Return the entries of the table of sorted hashes, one for each slot, and its scale.

    A hash stands in the first free slot from the one that its value is proportional to, so that one look there finds
    what covers another hash; an empty slot repeats the hash before it, and slot 0 the last one (docs/store-format.md).
    """
    scale = len(hashes) * 3 // 2
    before = NSEC3_HASH.pack(0, 0, fragments[-1]) if fragments else b""
    entries = [before] if fragments else []
    for digest, fragment in zip(hashes, fragments, strict=True):
        entries += [before] * ((int.from_bytes(digest[:4], "big") * scale >> 32) + 1 - len(entries))
        before = NSEC3_HASH.pack(int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:12], "big"), fragment)
        entries.append(before)
    entries += [before] * (scale + 1 - len(entries))
    return entries, scale


def put_blocks(writer: Writer, entries: list[bytes]) -> list[int]:
    """Write the entries of a search array and return the references of its blocks."""
    return [writer.arena.put(b"".join(entries[at : at + DENIAL_BLOCK])) for at in range(0, len(entries), DENIAL_BLOCK)]


def proofs_for(writer: Writer, zone: Zone, evidence: Evidence | None) -> Proofs:
    """Return the proofs of a zone's scheme."""
    if isinstance(evidence, NsecEvidence):
        return NsecProofs(writer, zone, evidence)
    if isinstance(evidence, Nsec3Evidence):
        return Nsec3Proofs(writer, zone, evidence)
    return NoProofs()
