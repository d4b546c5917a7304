# SPDX-License-Identifier: GPL-3.0-or-later
"""DNSSEC proofs at compile time: fragments of NSEC and NSEC3 RRs, and what nodes keep for searched proofs."""

import struct
from typing import Protocol

from appliance.answers import nsec3_hash
from appliance.answers.fragments import Body, question_places
from appliance.answers.layout import CHILD, CHILDREN, DENIAL_BLOCK, NSEC3, NSEC3_HASH, NSEC3_NODE, padded
from appliance.answers.writer import Writer
from appliance.zone import types
from appliance.zone.model import RRset, Zone


class Proofs(Protocol):
    """What a denial scheme offers; every int is the reference of a fragment or of denial material, 0 for none."""

    zone_material: int

    def nodata(self, name: bytes) -> list[int]:
        """Return the fragments that show which types an existing name lacks."""

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        """Return what proves the types of a wildcard, without the proof for the next closer name."""

    def material(self, name: bytes) -> int:
        """Return `node.denial` of an existing name."""


class NoProofs:
    """An unsigned zone proves nothing."""

    zone_material = 0

    def nodata(self, name: bytes) -> list[int]:
        return []

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        return []

    def material(self, name: bytes) -> int:
        return 0


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
            ref = self._written[owner] = self.writer.arena.put(body.encode())
        return ref


class NsecProofs:
    """RFC 4035 §3.1.3 on the tree of names: a name knows the NSEC before it, a child the last one in its subtree."""

    def __init__(self, writer: Writer, zone: Zone) -> None:
        self._writer = writer
        self._zone = zone
        self._fragments = _Fragments(writer, zone)
        self._cover: dict[bytes, int] = {}
        self._material: dict[bytes, int] = {}
        self._walk()
        self.zone_material = self._material.get(zone.origin, 0)

    def _own(self, name: bytes) -> int:
        rrset = self._zone.nodes.get(name, {}).get(types.NSEC)
        return self._fragments.get(name, rrset) if rrset else 0

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
            last = self._own(name) or last
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
            arena.octets[ref * 16 : ref * 16 + len(blob)] = blob
            return ref
        blocks = put_blocks(self._writer, entries)
        head = CHILDREN.pack(len(entries), wildcard_cover, len(blocks), 0)
        return arena.put(head + struct.pack(f"<{len(blocks)}I", *blocks))

    def nodata(self, name: bytes) -> list[int]:
        """Return the name's own NSEC, or for an ENT the one that covers it."""
        return [ref] if (ref := self._cover.get(name, 0)) else []

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        return self.nodata(wildcard)

    def material(self, name: bytes) -> int:
        return self._material.get(name, 0)


class Nsec3Proofs:
    """RFC 5155 §7.2 with a table of hashes."""

    def __init__(self, writer: Writer, zone: Zone) -> None:
        self._writer = writer
        self._zone = zone
        self.parameters = nsec3_hash.parameters(zone)
        self._fragments = _Fragments(writer, zone)
        self._hashes, self._owners = nsec3_hash.table(zone, self.parameters)
        self.zone_material = self._put_table()

    def _put_table(self) -> int:
        entries, scale = hash_slots(self._hashes, [self._at(at) for at in range(len(self._hashes))])
        blocks = put_blocks(self._writer, entries)
        iterations, salt = self.parameters
        head = NSEC3.pack(len(entries), iterations, len(salt), 0, len(blocks), scale, salt.ljust(256, b"\0"))
        return self._writer.arena.put(head + struct.pack(f"<{len(blocks)}I", *blocks))

    def _at(self, at: int) -> int:
        owner = self._owners[at]
        return self._fragments.get(owner, self._zone.nsec3[owner])

    def match(self, name: bytes) -> int:
        """Return the NSEC3 whose owner is the hash of a name."""
        at, exact = nsec3_hash.place(self._hashes, nsec3_hash.digest(name, self.parameters))
        return self._at(at) if exact else 0

    def cover(self, name: bytes) -> int:
        """Return the NSEC3 that covers the hash of a name, or matches it."""
        at, _ = nsec3_hash.place(self._hashes, nsec3_hash.digest(name, self.parameters))
        return self._at(at) if self._hashes else 0

    def nodata(self, name: bytes) -> list[int]:
        """Return the match, or (opt-out) the closest provable encloser and the cover of the next closer name."""
        if match := self.match(name):
            return [match]
        next_closer = name
        while len(next_closer) > len(self._zone.origin):
            encloser = next_closer[next_closer[0] + 1 :]
            if match := self.match(encloser):
                return list(dict.fromkeys((match, self.cover(next_closer))))
            next_closer = encloser
        return []

    def wildcard_nodata(self, wildcard: bytes) -> list[int]:
        """Return the proof for the wildcard and the match of the closest encloser (RFC 5155 §7.2.5)."""
        closest = self.match(wildcard[2:])
        return list(dict.fromkeys([*([closest] if closest else []), *self.nodata(wildcard)]))

    def material(self, name: bytes) -> int:
        """Return match and wildcard cover; 0 where opt-out leaves no match: that needs a wider search."""
        match = self.match(name)
        if not match or name in self._zone.delegations:
            return 0
        wildcard = b"\x01*" + name
        cover = 0 if self._zone.exists(wildcard) or len(wildcard) > 255 else self.cover(wildcard)
        return self._writer.arena.put(NSEC3_NODE.pack(match, cover))


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


def proofs_for(writer: Writer, zone: Zone) -> Proofs:
    """Return the proofs of a zone's scheme."""
    if zone.scheme == "nsec":
        return NsecProofs(writer, zone)
    if zone.scheme == "nsec3":
        return Nsec3Proofs(writer, zone)
    return NoProofs()
