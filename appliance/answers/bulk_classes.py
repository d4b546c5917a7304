# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Cuts of the same class have the same referral; compiled, types in bulk_classes.pxd.

They have the same length, the same names above, and the same servers, none of them below the cut. Classes are told by
their records, so that the referral need not be laid out again to find that it is there.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from appliance.answers.bulk_chain import BulkChain
from appliance.zone import types

if TYPE_CHECKING:
    from appliance.answers.writer import Writer
    from appliance.zone.packed import Packed

_ROWS = 64
_NS = types.NS
_HEAD = 16
_M32 = 0xFFFFFFFF


class CutClasses(BulkChain):
    """The classes of cuts that were met, and the cut at hand: its servers, and whether one of them lies below it."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Start without classes."""
        super().__init__(writer, packed)
        self.ns = array("Q", bytes(8 * _ROWS))
        self.ns_count = self.targets = self.sum = 0
        self.inside = self.signed = False
        self.class_slots = 1 << 12
        self.classes = 0
        self.model = array("I", b"\xff" * (4 * self.class_slots))
        self.sums = array("I", bytes(4 * self.class_slots))
        self.plain = array("I", bytes(4 * self.class_slots))
        self.fragment = array("I", bytes(4 * self.class_slots))
        self.fragment_octets = array("H", bytes(2 * self.class_slots))

    def sum_class(self, at: int, length: int) -> int:
        """Return a hash of what the referral of a cut depends on."""
        packed = self.packed
        h = length
        place = packed.octets[at] + 1
        while place < length:
            h = ((h ^ packed.octets[at + place]) * 0x01000193) & _M32
            place += 1
        row = 0
        while row < self.ns_count:
            start = packed.rdata(self.ns[row])
            size = packed.rdlength(self.ns[row])
            i = 0
            while i < size:
                h = ((h ^ packed.octets[start + i]) * 0x01000193) & _M32
                i += 1
            h ^= h >> 15
            row += 1
        return h

    def find_class(self, i: int, at: int, length: int) -> int:
        """Return the slot of a cut's class, or a free one for it; -1 where a cut is a class of its own."""
        if self.inside:
            return -1
        h = self.sum_class(at, length)
        self.sum = h
        slot = h & (self.class_slots - 1)
        while self.model[slot] != _M32:
            if self.sums[slot] == h and self.is_class(self.model[slot], at, length):
                return slot
            slot = (slot + 1) & (self.class_slots - 1)
        return slot

    def is_class(self, model: int, at: int, length: int) -> int:
        """Tell whether the cut at hand has the class of another one."""
        packed = self.packed
        other = packed.first_record(model) + _HEAD
        label = packed.octets[at] + 1
        if packed.octets[other - 2] != length or packed.octets[other] + 1 != label:
            return False
        if not packed.ends_with(at + label, length - label, other + label, length - label):
            return False
        found = 0
        run = packed.first[model]
        while run < packed.first[model + 1]:
            one = wide(packed.heads[run])
            run += 1
            more = True
            while more:
                if packed.rtype(one) == _NS and not packed.dropped(one):
                    if found == self.ns_count or not self.is_same(one, self.ns[found]):
                        return False
                    found += 1
                one = packed.after(one)
                more = one != 0
        return found == self.ns_count

    def is_same(self, one: int, other: int) -> int:
        """Tell whether two records have the same TTL and RDATA."""
        packed = self.packed
        size = packed.rdlength(one)
        if size != packed.rdlength(other) or packed.ttl(one) != packed.ttl(other):
            return False
        a = packed.rdata(one)
        b = packed.rdata(other)
        i = 0
        while i < size:
            if packed.octets[a + i] != packed.octets[b + i]:
                return False
            i += 1
        return True

    def add_class(self, slot: int, i: int, plain: int) -> None:
        """Remember the referral of a class."""
        self.model[slot] = i
        self.sums[slot] = self.sum
        self.plain[slot] = plain
        self.fragment[slot] = 0
        self.classes += 1
        if self.classes * 4 > self.class_slots * 3:
            self.grow()

    def fragment_of(self, slot: int, at: int, length: int) -> int:
        """Return the fragment of the servers of a class without glue; composed referrals need none."""
        writer = self.writer
        if not self.fragment[slot]:
            writer.begin(at, length, False)
            self.append(self.ns, self.ns_count, at, length)
            self.fragment[slot] = writer.share(writer.fragment(0, 0, writer.size, 0, writer.moves, writer.records_in))
            self.fragment_octets[slot] = writer.size
        return self.fragment[slot]

    def grow(self) -> None:
        """Double the table of classes."""
        model, sums, plain, old = self.model, self.sums, self.plain, self.class_slots
        fragment, octets = self.fragment, self.fragment_octets
        self.class_slots = old * 2
        self.model = array("I", b"\xff" * (4 * self.class_slots))
        self.sums = array("I", bytes(4 * self.class_slots))
        self.plain = array("I", bytes(4 * self.class_slots))
        self.fragment = array("I", bytes(4 * self.class_slots))
        self.fragment_octets = array("H", bytes(2 * self.class_slots))
        i = 0
        while i < old:
            if model[i] != _M32:
                slot = sums[i] & (self.class_slots - 1)
                while self.model[slot] != _M32:
                    slot = (slot + 1) & (self.class_slots - 1)
                self.model[slot] = model[i]
                self.sums[slot] = sums[i]
                self.plain[slot] = plain[i]
                self.fragment[slot] = fragment[i]
                self.fragment_octets[slot] = octets[i]
            i += 1

    def append(self, rows: array[int], count: int, at: int, length: int) -> None:
        """Append records with an owner."""
        row = 0
        while row < count:
            self.writer.rr(at, length, rows[row])
            row += 1


def wide(unit: int) -> int:
    """Return the offset of a packed record."""
    return unit << 2
