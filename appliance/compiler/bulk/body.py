# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Records to octets as fragments.Body lays them out, from packed records; compiled, types in body.pxd.

What does not fit the room here is refused, and the Python code does it.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.bulk.heap import BulkHeap

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.zone.packed.places import lower
    from cython.cimports.appliance.zone.packed.sums import octet_sum
    from cython.cimports.libc.string import memcpy
else:
    from appliance.store import layout
    from appliance.zone.packed.places import lower
    from appliance.zone.packed.sums import octet_sum

if TYPE_CHECKING:
    from appliance.compiler.writer import Writer
    from appliance.zone.packed.names import Packed

_MAX_PLACES = 96
_MAX_GROUPS = 64
_MAX_BODY = 60000
_TURN = layout.RELOCATIONS_A_TURN


class BulkBody(BulkHeap):
    """One body at a time: octets, pointers that move, groups of additional records."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Make room for the largest body."""
        super().__init__(writer, packed)
        self.body = bytearray(_MAX_BODY + 70000)
        self.move_at = array("H", bytes(2 * (layout.MOVES_MAX + 1)))
        self.move_to = array("H", bytes(2 * (layout.MOVES_MAX + 1)))
        self.place_at = array("Q", bytes(8 * _MAX_PLACES))
        self.place_length = array("H", bytes(2 * _MAX_PLACES))
        self.place_to = array("H", bytes(2 * _MAX_PLACES))
        self.cut_octets = array("I", bytes(4 * _MAX_GROUPS))
        self.cut_moves = array("I", bytes(4 * _MAX_GROUPS))
        self.cut_records = array("I", bytes(4 * _MAX_GROUPS))
        self.cuts = self.least = 0

    def begin(self, at: int, length: int, fixed: int) -> None:
        """Start an empty body whose base name stands at an offset of the packed records."""
        self.size = self.moves = self.records_in = self.places = 0
        self.base = self.base_moves = self.base_records = 0
        self.base_length = length
        self.fixed = fixed
        self.first = True
        self.full = False
        self.start = 12 + length + 4
        self.limit = 0x4000 - (255 - length)
        place = 0
        while self.packed.octets[at + place]:
            self.add_place(at + place, length - place, 12 + place)
            place += 1 + self.packed.octets[at + place]

    def add_place(self, at: int, length: int, to: int) -> None:
        """Remember where a name stands in the message."""
        if self.places == _MAX_PLACES:
            self.full = True
            return
        self.place_at[self.places] = at
        self.place_length[self.places] = length
        self.place_to[self.places] = to
        self.places += 1

    def find_place(self, at: int, length: int) -> int:
        """Return where a name stands in the message, 0 where it does not."""
        packed = self.packed
        k = 0
        while k < self.places:
            if self.place_length[k] == length:
                other = self.place_at[k]
                i = length
                while i and lower(packed.octets[at + i - 1]) == lower(packed.octets[other + i - 1]):
                    i -= 1
                if i == 0:
                    return self.place_to[k]
            k += 1
        return 0

    def name(self, at: int, length: int, folded: int) -> None:
        """Append a name, compressed against what stands there already; its case is kept unless folded is set."""
        packed = self.packed
        while packed.octets[at]:
            place = self.find_place(at, length)
            if place and (self.fixed or self.moves - self.base_moves < layout.MOVES_MAX):
                if not self.fixed:
                    if self.moves == layout.MOVES_MAX:
                        self.full = True
                        return
                    self.move_at[self.moves] = self.size - self.base
                    self.move_to[self.moves] = 0xC000 | place
                    self.moves += 1
                self.put16(0xC000 | place)
                return
            if self.first and not place:
                here = self.start + self.size
                if here < self.limit:
                    self.add_place(at, length, here)
            label = packed.octets[at] + 1
            i = 0
            while i < label:
                octet = packed.octets[at + i]
                self.body[self.size + i] = lower(octet) if folded else octet
                i += 1
            self.size += label
            at += label
            length -= label
        self.body[self.size] = 0
        self.size += 1

    def put16(self, number: int) -> None:
        """Append a big-endian number."""
        self.body[self.size] = number >> 8 & 255
        self.body[self.size + 1] = number & 255
        self.size += 2

    def rr(self, owner: int, length: int, at: int) -> None:
        """Append the record at an offset with an owner, which is shown folded."""
        packed = self.packed
        if self.size > _MAX_BODY:
            self.full = True
            return
        self.name(owner, length, True)
        rtype = packed.rtype(at)
        ttl = packed.ttl(at)
        self.put16(rtype)
        self.put16(1)
        self.put16(ttl >> 16)
        self.put16(ttl & 0xFFFF)
        start = packed.rdata(at)
        size = packed.rdlength(at)
        self.records_in += 1
        begin = self.size
        self.put16(size)
        if rtype == 2:
            self.name(start, size, False)
            size = self.size - begin - 2
            self.body[begin] = size >> 8
            self.body[begin + 1] = size & 255
            return
        if cython.compiled:
            memcpy(cython.address(self.body[begin + 2]), cython.address(packed.octets[start]), size)
        else:
            self.body[begin + 2 : begin + 2 + size] = packed.octets[start : start + size]
        self.size += size

    def split(self) -> None:
        """Begin the fragment that follows the proofs: it points only to names before them."""
        self.base = self.size
        self.base_moves = self.moves
        self.base_records = self.records_in
        self.first = False

    def mark(self) -> None:
        """Remember the end of a group of additional records."""
        if self.cuts == _MAX_GROUPS:
            self.full = True
            return
        self.cut_octets[self.cuts] = self.size - self.base
        self.cut_moves[self.cuts] = self.moves - self.base_moves
        self.cut_records[self.cuts] = self.records_in - self.base_records
        self.cuts += 1

    def rest(self, start: int, move: int, records: int) -> int:
        """Write the fragment of all that follows the first octets and moves into .blob; return where it ends."""
        i = move
        while i < self.moves:
            self.move_at[i] -= start
            i += 1
        return self.fragment(0, start, self.size - start, move, self.moves - move, records)

    def fragment(self, to: int, start: int, size: int, move: int, moves: int, records: int) -> int:
        """Write a fragment of part of the body into .blob and return where it ends."""
        self.store16(to + layout.FRAGMENT_LEN_AT, size)
        self.store16(to + layout.FRAGMENT_SUM_AT, octet_sum(self.body, start, size))
        weight = 0
        i = 0
        while i < moves:
            weight += 256 if self.move_at[move + i] & 1 else 1
            i += 1
        self.store16(to + layout.FRAGMENT_WEIGHT_AT, weight % 65535)
        filled = moves + (_TURN - 1 - (moves + _TURN - 1) % _TURN)
        self.store16(to + layout.FRAGMENT_NREL_AT, filled)
        self.blob[to + layout.FRAGMENT_BASE_LEN_AT] = self.base_length
        self.blob[to + layout.FRAGMENT_RECORDS_AT] = min(records, 255)
        self.blob[to + layout.FRAGMENT_SIZE - 2] = 0
        self.blob[to + layout.FRAGMENT_SIZE - 1] = 0
        to += layout.FRAGMENT_SIZE
        i = 0
        while i < filled:
            last = min(i, moves - 1)
            self.store16(to + layout.RELOCATION_OFFSET_AT, self.move_at[move + last])
            self.store16(to + layout.RELOCATION_VALUE_AT, self.move_to[move + last])
            to += layout.RELOCATION_SIZE
            i += 1
        if cython.compiled:
            memcpy(cython.address(self.blob[to]), cython.address(self.body[start]), size)
        else:
            self.blob[to : to + size] = self.body[start : start + size]
        return to + size
