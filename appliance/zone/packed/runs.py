# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Runs of packed records with the same owner, sorted by it; compiled by Cython, with the types in runs.pxd.

Two threads can sort a half each, since all that one needs is its own; then the halves are merged.
"""

from __future__ import annotations

from array import array

import cython

from appliance.zone.packed.flags import MAX_ODD
from appliance.zone.packed.octets import PackedOctets
from appliance.zone.packed.order import CanonicalOrder

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import record_offset
    from cython.cimports.libc.string import memcmp
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.places import record_offset


class Runs(PackedOctets):
    """The runs of a stretch of records, from an offset up to another one."""

    def __init__(self, octets: memoryview, origin: bytes, low: int, high: int) -> None:
        """Look at a stretch that begins with a record that has its owner; nothing is done yet."""
        super().__init__(octets, origin)
        self.order = CanonicalOrder()
        self.low = low
        self.high = high
        self.count = self.odd = self.key_octets = 0

    def sort(self) -> None:
        """Find the runs and bring them into canonical order, those of one owner into that of the file.

        Other threads run meanwhile.
        """
        runs = 0
        with cython.nogil:
            runs += self.how_many()
        self.heads = array("I", bytes(4 * (runs + 1)))
        with cython.nogil:
            self.find_heads()
        self.keys = bytearray(self.key_octets + 1)
        self.places = array("I", bytes(4 * (self.count + 1)))
        self.sorted = array("I", bytes(4 * (self.count + 1)))
        self.fresh = bytearray(self.count + 1)
        self.spare = array("I", bytes(4 * (self.count + 1)))
        with cython.nogil:
            self.write_keys()
            self.merge_sort()
            self.find_fresh()

    def how_many(self) -> int:
        """Return how many runs of records with the same owner there are."""
        at = self.low
        found = 0
        while at < self.high:
            found += self.octets[at + header.OWNER_LENGTH_AT] != 0
            at = header.end_of(self.octets, at)
        return found

    def find_heads(self) -> None:
        """Note the start of each run whose owner is in the zone, in units of four octets, and count what is odd."""
        at = self.low
        found = odd = room = 0
        inside = False
        while at < self.high:
            length = self.octets[at + header.OWNER_LENGTH_AT]
            if length:
                inside = self.in_zone(at + header.SIZE, length) != 0
                if inside:
                    self.heads[found] = at >> 2
                    found += 1
                    room += 2 * length
            if not inside or not self.is_sound(at):
                odd += 1
            at = header.end_of(self.octets, at)
        self.count = found
        self.odd = odd
        self.key_octets = room

    def odd_places(self) -> list[tuple[int, int]]:
        """Return where records stand that may not be acceptable, and where their runs begin; only some of very many."""
        found: list[tuple[int, int]] = []
        at = run = self.low
        inside = False
        while at < self.high and len(found) < min(self.odd, MAX_ODD):
            if self.octets[at + header.OWNER_LENGTH_AT]:
                run = at
                inside = self.in_zone(at + header.SIZE, self.octets[at + header.OWNER_LENGTH_AT]) != 0
            if not inside or not self.is_sound(at):
                found.append((at, run))
            at = header.end_of(self.octets, at)
        return found

    def write_keys(self) -> None:
        """Write the key of each run."""
        i = 0
        k = 0
        while i < self.count:
            at = record_offset(self.heads[i])
            k = self.order.write_key(
                self.octets, at + header.SIZE, self.octets[at + header.OWNER_LENGTH_AT] - self.apex_length, self.keys, k
            )
            i += 1
            self.places[i] = k

    def compare(self, a: int, other: Runs, b: int) -> int:
        """Return a number below, at or above 0 as a run sorts before, like or behind one of another stretch."""
        start = self.places[a]
        size = self.places[a + 1] - start
        other_start = other.places[b]
        other_size = other.places[b + 1] - other_start
        if not cython.compiled:
            return in_order(self.keys[start : start + size], other.keys[other_start : other_start + other_size])
        order: int = memcmp(
            cython.address(self.keys[start]), cython.address(other.keys[other_start]), min(size, other_size)
        )
        return order or size - other_size

    def merge_sort(self) -> None:
        """Fill .sorted with the numbers of the runs, sorted and stable; what is sorted already takes one pass."""
        i = 0
        while i < self.count:
            self.sorted[i] = i
            i += 1
        again = True
        while again:
            again = False
            start = 0
            while start < self.count:
                middle = self.end_of_sorted(start)
                end = middle
                if middle < self.count:
                    end = self.end_of_sorted(middle)
                    again = again or start > 0 or end < self.count
                    self.merge_sorted(start, middle, end)
                start = end

    def end_of_sorted(self, i: int) -> int:
        """Return where a sorted stretch ends."""
        i += 1
        while i < self.count and self.compare(self.sorted[i - 1], self, self.sorted[i]) <= 0:
            i += 1
        return i

    def merge_sorted(self, left: int, middle: int, end: int) -> None:
        """Merge two sorted stretches that follow each other."""
        at = left
        while left < middle:
            self.spare[left] = self.sorted[left]
            left += 1
        left = at
        right = middle
        while left < middle and right < end:
            if self.compare(self.spare[left], self, self.sorted[right]) <= 0:
                self.sorted[at] = self.spare[left]
                left += 1
            else:
                self.sorted[at] = self.sorted[right]
                right += 1
            at += 1
        while left < middle:
            self.sorted[at] = self.spare[left]
            left += 1
            at += 1

    def find_fresh(self) -> None:
        """Mark the runs, in their order, that have another owner than the one before."""
        i = 0
        while i < self.count:
            self.fresh[i] = i == 0 or self.compare(self.sorted[i - 1], self, self.sorted[i]) != 0
            i += 1

    def merge(self, other: Runs | None, heads: array[int], first: array[int]) -> int:
        """Fill heads with the runs of both, and first with where each name begins; return how many names there are.

        Runs of the other one, if there is one, come behind those of this one with the same owner.
        """
        names = 0
        count = 0 if other is None else other.count
        beside = self if other is None else other
        with cython.nogil:
            names += self.merge_names(beside, count, heads, first)
        return names

    def merge_names(self, other: Runs, count: int, heads: array[int], first: array[int]) -> int:
        """Fill heads and first from all runs of this and `count` of the other one; return the number of names."""
        i = 0
        k = 0
        at = 0
        names = 0
        order = 0
        same = False
        while i < self.count or k < count:
            if i == self.count:
                order = 1
            elif k == count:
                order = -1
            else:
                order = self.compare(self.sorted[i], other, other.sorted[k])
            if order <= 0:
                heads[at] = self.heads[self.sorted[i]]
                new = (
                    self.fresh[i] != 0
                )  # one of the other's before it has another owner, and lies between two that differ
                i += 1
                same = order == 0
            else:
                heads[at] = other.heads[other.sorted[k]]
                new = other.fresh[k] != 0 and not same
                k += 1
                same = False
            if new:
                first[names] = at
                names += 1
            at += 1
        first[names] = at
        return names


def in_order(one: bytearray, other: bytearray) -> int:
    """Return a number below, at or above 0 as one key sorts before, like or behind another."""
    return (one > other) - (one < other)
