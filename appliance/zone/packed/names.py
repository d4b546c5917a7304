# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The names of a zone over its packed records, in canonical order; compiled by Cython, with the types in names.pxd.

No record and no name is a Python object here: a name is a number, its records are found through arrays of offsets. The
same source runs uncompiled.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import cython

from appliance.zone.packed.flags import MAX_ODD
from appliance.zone.packed.octets import PackedOctets
from appliance.zone.packed.order import CanonicalOrder
from appliance.zone.packed.runs import Runs
from appliance.zone.threads import processors, side_by_side

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import cursor_offset, record_offset
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.places import cursor_offset, record_offset

SPLIT = 1 << 20
"""Octets of records whose halves are worth a second thread."""


class Packed(PackedOctets):
    """The names of one zone, sorted; number i has the records of heads[first[i]] up to heads[first[i + 1]]."""

    def __init__(self, octets: memoryview, origin: bytes, border: int = 0) -> None:
        """Find the owners in packed records; .odd_at then has the places of records that may not be acceptable.

        border is the offset of a record with its owner, somewhere in the middle, 0 where none is known.
        """
        super().__init__(octets, origin)
        self.order = CanonicalOrder()
        self.probe = bytearray(600)
        self.seen = bytearray(256)
        self.wanted = bytearray(600)
        self.flagged: list[int] = []
        self.ent_names: list[bytes] = []
        self.wildcards: list[int] = []
        self.kept = array("I", bytes(4))
        self.kept_count = -1
        self.settled = False
        self.sort(border)

    def sort(self, border: int) -> None:
        """Bring the runs into the canonical order of their owners, those of one owner into that of the file."""
        if not border or self.length < SPLIT or processors() < 2:
            border = self.length
        runs = [Runs(self.memory, self.origin, 0, border)]
        if border < self.length:
            runs.append(Runs(self.memory, self.origin, border, self.length))
        side_by_side([one.sort for one in runs])
        found = sum([one.count for one in runs])
        self.odd: int = sum([one.odd for one in runs])
        self.odd_at: list[tuple[int, int]] = []
        if self.odd:
            self.odd_at = [place for one in runs for place in one.odd_places()][:MAX_ODD]
        self.heads = array("I", bytes(4 * found))
        first = array("I", bytes(4 * (found + 1)))
        self.count: int = runs[0].merge(runs[1] if len(runs) > 1 else None, self.heads, first)
        del first[self.count + 1 :]
        self.first = first
        self.flags = bytearray(self.count + 1)

    def first_record(self, i: int) -> int:
        """Return the first record of a name, whose owner stands behind its header."""
        return record_offset(self.heads[self.first[i]])

    def first_of(self, i: int) -> int:
        """Return a cursor at the first record of a name.

        In its lowest 32 bits is the place of the record in units of four octets, above them the number behind that of
        the record's run. A cursor is never 0, and a number, not an object: threads have theirs in registers.
        """
        run = self.first[i]
        return (run + 1) << 32 | self.heads[run]

    def next_of(self, i: int, cursor: int) -> int:
        """Return a cursor at the next record of a name, in file order within its runs; 0 behind the last one."""
        at = header.next_in_run(self.octets, self.length, cursor_offset(cursor))
        run = cursor >> 32
        if at:
            return run << 32 | at >> 2
        if run == self.first[i + 1]:
            return 0
        return (run + 1) << 32 | self.heads[run]

    def is_apex(self, i: int) -> int:
        """Return whether a name is the origin."""
        return self.octets[record_offset(self.heads[self.first[i]]) + header.OWNER_LENGTH_AT] == self.apex_length

    def is_below(self, i: int, above: int) -> int:
        """Return whether a name lies strictly below another one."""
        at = record_offset(self.heads[self.first[i]])
        top = record_offset(self.heads[self.first[above]])
        return self.octets[at + header.OWNER_LENGTH_AT] > self.octets[top + header.OWNER_LENGTH_AT] and self.ends_with(
            at + header.SIZE,
            self.octets[at + header.OWNER_LENGTH_AT],
            top + header.SIZE,
            self.octets[top + header.OWNER_LENGTH_AT],
        )

    def find_name(self, name: bytes) -> int:
        """Return the number of a folded name, -1 if it owns nothing."""
        length = len(name) - self.apex_length
        if length < 0 or name[length:] != self.origin or name != name.lower():
            return -1
        size = self.order.write_key(name, 0, length, self.wanted, 0)
        return self.search(size)

    def number_of_apex(self) -> int:
        """Return the number of the origin, -1 if it owns nothing."""
        return self.find_name(self.origin)

    def position(self, name: bytes) -> int:
        """Return the number of the first name that sorts like or behind a folded name of the zone."""
        found = self.find_name(name)
        return self.low if found < 0 else found

    def find_at(self, at: int, length: int) -> int:
        """Return the number of a name that stands in the octets, -1 if it is not in the zone or owns nothing."""
        if not self.in_zone(at, length):
            return -1
        return self.search(self.order.write_key(self.octets, at, length - self.apex_length, self.wanted, 0))

    def search(self, size: int) -> int:
        """Return the number of the name whose key is .wanted; where records have gone, only kept names are found."""
        low = 0
        high = self.count if self.kept_count < 0 else self.kept_count
        while low < high:
            middle = (low + high) >> 1
            number = middle if self.kept_count < 0 else self.kept[middle]
            at = record_offset(self.heads[self.first[number]])
            length = self.octets[at + header.OWNER_LENGTH_AT] - self.apex_length
            end = self.order.write_key(self.octets, at + header.SIZE, length, self.probe, 0)
            order = self.order.compare_two(self.probe, end, self.wanted, size)
            if order == 0:
                return number
            if order < 0:
                low = middle + 1
            else:
                high = middle
        self.low = low
        return -1

    # for the rest of the program, in Python

    def name(self, i: int) -> bytes:
        """Return a name, folded."""
        at = record_offset(self.heads[self.first[i]])
        return bytes(
            self.memory[at + header.SIZE : at + header.SIZE + self.octets[at + header.OWNER_LENGTH_AT]]
        ).lower()

    def places(self, i: int) -> Iterator[tuple[int, int]]:
        """Yield where the records of a name stand and where its owner does, in file order, also of dropped ones.

        One by one: a bad file may have millions under one name.
        """
        head = run = 0
        cursor = self.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
            if cursor >> 32 != run:
                head = at
                run = cursor >> 32
            yield at, head
            cursor = self.next_of(i, cursor)

    def has_type(self, rtype: int) -> int:
        """Return whether any name has records of a type below 256, RRSIG and NSEC3 aside."""
        return self.seen[rtype]

    def flags_of(self, i: int) -> int:
        """Return the flags of a name."""
        return self.flags[i]

    def numbers(self, wanted: int, unwanted: int) -> array[int]:
        """Return the names that have one of some flags and none of others."""
        found = array("I", bytes(4 * self.how_many(wanted, unwanted)))
        i = 0
        k = 0
        while i < self.count:
            if self.flags[i] & wanted and not self.flags[i] & unwanted:
                found[k] = i
                k += 1
            i += 1
        return found

    def how_many(self, wanted: int, unwanted: int) -> int:
        """Return how many names have one of some flags and none of others."""
        total = 0
        i = 0
        while i < self.count:
            total += (self.flags[i] & wanted) != 0 and not self.flags[i] & unwanted
            i += 1
        return total
