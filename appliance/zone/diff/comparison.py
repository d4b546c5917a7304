# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Two listings of a zone side by side: compiled by Cython, types in comparison.pxd.

Two walks: the first one counts the records that went and those that came, the second one writes them.
"""

from __future__ import annotations

from array import array

import cython

from appliance.errors import StateError
from appliance.zone import types
from appliance.zone.packed.order import CanonicalOrder

if cython.compiled:
    from cython.cimports.appliance.zone.diff import layout
    from cython.cimports.appliance.zone.diff.listing import copy, differs, put
    from cython.cimports.appliance.zone.packed.places import lower, u16, u32
else:
    from appliance.zone.diff import layout
    from appliance.zone.diff.listing import copy, differs, put
    from appliance.zone.packed.places import lower, u16, u32

_SOA = types.SOA
_IN_SWAPPED = types.IN << 8
_KEY = 600


class Comparison:
    """What one listing has that the other one has not; all records but the SOA."""

    def __init__(self, old: memoryview, new: memoryview, origin: bytes) -> None:
        """Compare listings of the zone at an origin."""
        self.old = old
        self.new = new
        self.order = CanonicalOrder()
        self.apex = array("B", origin)
        self.apex_length = len(origin)
        self.old_key, self.new_key = bytearray(_KEY), bytearray(_KEY)
        self.old_end = len(old)
        self.new_end = len(new)
        self.names = 0
        self.removed = self.added = 0
        self.removed_records = self.added_records = 0
        self.writing = False
        self.gone = self.came = bytearray(1)

    def lists(self) -> tuple[bytes, bytes]:
        """Return the records that went and those that came, once compare() has counted them."""
        gone, came = bytearray(self.removed + 1), bytearray(self.added + 1)
        self.gone, self.came = gone, came
        self.writing = True
        self.compare()
        return bytes(gone[: self.removed]), bytes(came[: self.added])

    def compare(self) -> None:
        """Count what differs, or write it. Raises StateError for a damaged listing."""
        with cython.nogil:
            sound = self.walk()
        if not sound:
            raise StateError("the listing of a zone is damaged")

    def walk(self) -> int:
        """Count or write what differs; tell whether both listings are sound."""
        self.names = 0
        self.removed = self.added = 0
        self.removed_records = self.added_records = 0
        a = 0
        b = 0
        while a < self.old_end or b < self.new_end:
            size = block(self.old, a, self.old_end)
            other = block(self.new, b, self.new_end)
            if size < 0 or other < 0:
                return False
            if size and size == other and not differs(self.old, a, self.new, b, size):
                a += size
                b += other
                continue
            length = self.key(self.old, a, self.old_key) if size else 0
            end = self.key(self.new, b, self.new_key) if other else 0
            if length < 0 or end < 0:
                return False
            if not size or not other:
                order = 1 if other else -1
            else:
                order = self.order.compare_two(self.old_key, length, self.new_key, end)
            if not self.merge(a if order <= 0 else -1, b if order >= 0 else -1):
                return False
            if order <= 0:
                a += size
            if order >= 0:
                b += other
        return True

    def key(self, octets: memoryview, at: int, key: bytearray) -> int:
        """Write the key of the name of a block, and return how long it is; -1 where that is no name of the zone."""
        length = octets[at + layout.NAME_OWNER_LENGTH_AT]
        place = 0
        while place + self.apex_length < length and octets[at + layout.NAME_SIZE + place]:
            place += octets[at + layout.NAME_SIZE + place] + 1
        if place + self.apex_length != length or not self.ends_in_apex(octets, at + layout.NAME_SIZE + place):
            return -1
        return self.order.write_key(octets, at + layout.NAME_SIZE, place, key, 0)

    def ends_in_apex(self, octets: memoryview, at: int) -> int:
        """Return whether the origin stands at a place, in any case of letters."""
        i = 0
        while i < self.apex_length and lower(octets[at + i]) == self.apex[i]:
            i += 1
        return i == self.apex_length

    def merge(self, a: int, b: int) -> int:
        """Take the records of two blocks of one name, or of one block, that the other does not have.

        Tells whether both blocks are sound.
        """
        rows = u32(self.old, a + layout.NAME_RECORDS_AT) if a >= 0 else 0
        others = u32(self.new, b + layout.NAME_RECORDS_AT) if b >= 0 else 0
        at = a + layout.NAME_SIZE + self.old[a + layout.NAME_OWNER_LENGTH_AT] if a >= 0 else 0
        to = b + layout.NAME_SIZE + self.new[b + layout.NAME_OWNER_LENGTH_AT] if b >= 0 else 0
        end = a + block(self.old, a, self.old_end) if a >= 0 else 0
        stop = b + block(self.new, b, self.new_end) if b >= 0 else 0
        differing = 0
        while rows or others:
            if not is_sound(self.old, at, rows, end) or not is_sound(self.new, to, others, stop):
                return False
            if not rows or not others:
                order = 1 if others else -1
            else:
                order = self.compare_records(at, to)
            if order < 0 or (order == 0 and self.ttl_differs(at, to)):
                differing |= self.take(self.old, a, at, True)
            if order > 0 or (order == 0 and self.ttl_differs(at, to)):
                differing |= self.take(self.new, b, to, False)
            if order <= 0:
                at += layout.RECORD_SIZE + u16(self.old, at + layout.RECORD_RDLENGTH_AT)
                rows -= 1
            if order >= 0:
                to += layout.RECORD_SIZE + u16(self.new, to + layout.RECORD_RDLENGTH_AT)
                others -= 1
        self.names += differing
        return True

    def compare_records(self, at: int, to: int) -> int:
        """Return less than, exactly or more than 0 as an old record sorts before, like or behind a new one."""
        if u16(self.old, at) != u16(self.new, to):
            return -1 if u16(self.old, at) < u16(self.new, to) else 1
        size = u16(self.old, at + layout.RECORD_RDLENGTH_AT)
        other = u16(self.new, to + layout.RECORD_RDLENGTH_AT)
        found: int = differs(self.old, at + layout.RECORD_SIZE, self.new, to + layout.RECORD_SIZE, min(size, other))
        if found:
            return found
        return -1 if size < other else size > other

    def ttl_differs(self, at: int, to: int) -> int:
        """Return whether two records have different TTLs."""
        return u32(self.old, at + layout.RECORD_TTL_AT) != u32(self.new, to + layout.RECORD_TTL_AT)

    def take(self, octets: memoryview, head: int, at: int, old: int) -> int:
        """Count a record, or write it; tell whether that was done: the SOA is left aside."""
        length = octets[head + layout.NAME_OWNER_LENGTH_AT]
        size = u16(octets, at + layout.RECORD_RDLENGTH_AT)
        if length == self.apex_length and u16(octets, at) == _SOA:
            return False
        to = self.removed if old else self.added
        if self.writing:
            target = self.gone if old else self.came
            copy(target, to, octets, head + layout.NAME_SIZE, length)
            put(target, to + length, octets[at + 1], 1)
            put(target, to + length + 1, octets[at], 1)
            put(target, to + length + layout.RR_CLASS_AT, _IN_SWAPPED, 2)
            i = 0
            while i < 4:
                put(target, to + length + layout.RR_TTL_AT + i, octets[at + layout.RECORD_TTL_AT + 3 - i], 1)
                i += 1
            put(target, to + length + layout.RR_RDLENGTH_AT, size >> 8, 1)
            put(target, to + length + layout.RR_RDLENGTH_AT + 1, size & 255, 1)
            copy(target, to + length + layout.RR_SIZE, octets, at + layout.RECORD_SIZE, size)
        if old:
            self.removed += length + layout.RR_SIZE + size
            self.removed_records += 1
        else:
            self.added += length + layout.RR_SIZE + size
            self.added_records += 1
        return True


def block(octets: memoryview, at: int, end: int) -> int:
    """Return how long the block of a name is, 0 at the end, -1 where it cannot be."""
    if at >= end:
        return 0
    if end - at < layout.NAME_SIZE:
        return -1
    size = u32(octets, at)
    return size if size >= layout.NAME_SIZE + octets[at + layout.NAME_OWNER_LENGTH_AT] and size <= end - at else -1


def is_sound(octets: memoryview, at: int, rows: int, end: int) -> int:
    """Return whether a block with `rows` records left has a record at `at` that ends before `end`, or none is left."""
    if rows and at + layout.RECORD_SIZE <= end:
        at += layout.RECORD_SIZE + u16(octets, at + layout.RECORD_RDLENGTH_AT)
        return at <= end
    return not rows
