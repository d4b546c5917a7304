# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Cuts of the same class have the same referral; compiled, types in classes.pxd.

They have the same length, the same names above, and the same servers, none of them below the cut. Classes are told by
a copy of this, so that the referral need not be laid out again to find that it is there, nor a record be kept for it.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.bulk.nsec3 import BulkChain

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.sums import hash_octets
    from cython.cimports.libc.string import memcmp, memcpy
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.sums import hash_octets

if TYPE_CHECKING:
    from appliance.compiler.writer import Writer
    from appliance.zone.packed.names import Packed

_ROWS = 64
_MODEL_HEAD = 3
_MODEL = 1 << 15
"""Room for the largest copy: a name above, and 64 servers with names of 255 octets."""
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
        self.model = array("Q", bytes(8 * self.class_slots))
        self.sums = array("I", bytes(4 * self.class_slots))
        self.plain = array("I", bytes(4 * self.class_slots))
        self.fragment = array("I", bytes(4 * self.class_slots))
        self.fragment_octets = array("H", bytes(2 * self.class_slots))
        self.models = bytearray(_MODEL)
        self.models_end = 1

    def sum_class(self, at: int, length: int) -> int:
        """Return a hash of what the referral of a cut depends on."""
        packed = self.packed
        place = packed.octets[at] + 1
        h: int = hash_octets(packed.octets, length, at + place, length - place)
        row = 0
        while row < self.ns_count:
            h = hash_octets(packed.octets, h, packed.rdata(self.ns[row]), packed.rdlength(self.ns[row]))
            row += 1
        return h & _M32

    def find_class(self, at: int, length: int) -> int:
        """Return the slot of a cut's class, or a free one for it; -1 where a cut is a class of its own."""
        if self.inside:
            return -1
        h = self.sum_class(at, length)
        self.sum = h
        slot = h & (self.class_slots - 1)
        while self.model[slot]:
            if self.sums[slot] == h and self.is_class(self.model[slot], at, length):
                return slot
            slot = (slot + 1) & (self.class_slots - 1)
        return slot

    def is_class(self, model: int, at: int, length: int) -> int:
        """Return whether the cut at hand has the class of which there is a copy."""
        packed = self.packed
        models = self.models
        place = packed.octets[at] + 1
        if models[model] != length or models[model + 1] != place or models[model + 2] != self.ns_count:
            return False
        model += _MODEL_HEAD
        if not self.is_model(model, at + place, length - place):
            return False
        model += length - place
        row = 0
        while row < self.ns_count:
            start = self.ns[row]
            size = packed.rdlength(start)
            if not self.is_model(model, start + header.TTL_AT, 4) or models[model + 4] != size:
                return False
            model += 5
            if not self.is_model(model, packed.rdata(start), size):
                return False
            model += size
            row += 1
        return True

    def is_model(self, model: int, at: int, size: int) -> int:
        """Return whether `size` octets of the records are those of a copy."""
        octets = self.packed.octets
        if cython.compiled:
            return not memcmp(cython.address(self.models[model]), cython.address(octets[at]), size)
        return bytes(octets[at : at + size]) == self.models[model : model + size]

    def add_class(self, slot: int, at: int, length: int, plain: int) -> None:
        """Remember the referral of the class that the cut at hand has: copy what tells it."""
        self.model[slot] = self.models_end
        self.sums[slot] = self.sum
        self.plain[slot] = plain
        self.fragment[slot] = 0
        self.classes += 1
        self.copy_model(at, length)
        if self.classes * 4 > self.class_slots * 3:
            self.grow()

    def copy_model(self, at: int, length: int) -> None:
        """Copy length, names above, and the servers with their TTLs; the length of a name fits in an octet."""
        packed = self.packed
        if self.models_end + _MODEL > len(self.models):
            self.grow_models()
        models = self.models
        to = self.models_end
        place = packed.octets[at] + 1
        models[to] = length
        models[to + 1] = place
        models[to + 2] = self.ns_count
        to = self.add_model(to + _MODEL_HEAD, at + place, length - place)
        row = 0
        while row < self.ns_count:
            start = self.ns[row]
            size = packed.rdlength(start)
            to = self.add_model(to, start + header.TTL_AT, 4)
            models[to] = size
            to = self.add_model(to + 1, packed.rdata(start), size)
            row += 1
        self.models_end = to

    def add_model(self, to: int, at: int, size: int) -> int:
        """Copy `size` octets of the records to a place; return where they end."""
        octets = self.packed.octets
        if cython.compiled:
            memcpy(cython.address(self.models[to]), cython.address(octets[at]), size)
        else:
            self.models[to : to + size] = octets[at : at + size]
        return to + size

    def grow_models(self) -> None:
        """Make room for half as many copies more, and one at least."""
        grown = bytearray(len(self.models) * 3 // 2 + _MODEL)
        grown[: self.models_end] = self.models[: self.models_end]
        self.models = grown

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
        self.model = array("Q", bytes(8 * self.class_slots))
        self.sums = array("I", bytes(4 * self.class_slots))
        self.plain = array("I", bytes(4 * self.class_slots))
        self.fragment = array("I", bytes(4 * self.class_slots))
        self.fragment_octets = array("H", bytes(2 * self.class_slots))
        i = 0
        while i < old:
            if model[i]:
                slot = sums[i] & (self.class_slots - 1)
                while self.model[slot]:
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
