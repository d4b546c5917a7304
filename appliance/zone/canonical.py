# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The canonical order of names, as keys that sort octet by octet; compiled by Cython, types in canonical.pxd."""

from __future__ import annotations

from array import array
from typing import Any


class CanonicalOrder:
    """Writes, compares and sorts keys of names."""

    def __init__(self) -> None:
        """Make room for the places of a name's labels."""
        self.starts = array("B", bytes(128))

    def write_key(self, octets: Any, at: int, length: int, keys: bytearray, k: int) -> int:
        """Write what sorts as the first so many octets of a name do (RFC 4034 §6.1), and return where it ends.

        Labels from the last to the first, each with a 0 behind it; the octets 0 and 1 follow a 1.
        """
        labels = 0
        place = 0
        while place < length:
            self.starts[labels] = place
            labels += 1
            place += 1 + octets[at + place]
        while labels:
            labels -= 1
            place = at + self.starts[labels]
            end = place + octets[place]
            while place < end:
                place += 1
                octet = fold(octets[place])
                if octet < 2:
                    keys[k] = 1
                    k += 1
                    octet += 1
                keys[k] = octet
                k += 1
            keys[k] = 0
            k += 1
        return k

    def compare(self, keys: bytearray, a: int, a_end: int, b: int, b_end: int) -> int:
        """Return -1, 0 or 1 as one key sorts before, like or behind another."""
        while a < a_end and b < b_end:
            if keys[a] != keys[b]:
                return -1 if keys[a] < keys[b] else 1
            a += 1
            b += 1
        if a < a_end:
            return 1
        return -1 if b < b_end else 0

    def compare_two(self, one: bytearray, size: int, other: bytearray, other_size: int) -> int:
        """Return -1, 0 or 1 as one key sorts before, like or behind another."""
        i = 0
        while i < size and i < other_size:
            if one[i] != other[i]:
                return -1 if one[i] < other[i] else 1
            i += 1
        if i < size:
            return 1
        return -1 if i < other_size else 0

    def merge_sort(self, keys: bytearray, places: array[int], order: array[int], spare: array[int], count: int) -> None:
        """Fill order with the numbers of the keys, sorted and stable; what is sorted already takes one pass."""
        i = 0
        while i < count:
            order[i] = i
            i += 1
        again = True
        while again:
            again = False
            start = 0
            while start < count:
                middle = self.run_end(keys, places, order, start, count)
                if middle < count:
                    again = again or start > 0
                    end = self.run_end(keys, places, order, middle, count)
                    again = again or end < count
                    self.merge(keys, places, order, spare, start, middle, end)
                else:
                    end = count
                start = end

    def run_end(self, keys: bytearray, places: array[int], order: array[int], start: int, count: int) -> int:
        """Return where a sorted stretch ends."""
        i = start + 1
        while i < count:
            a = order[i - 1]
            b = order[i]
            if self.compare(keys, places[a], places[a + 1], places[b], places[b + 1]) > 0:
                return i
            i += 1
        return count

    def merge(
        self,
        keys: bytearray,
        places: array[int],
        order: array[int],
        spare: array[int],
        start: int,
        middle: int,
        end: int,
    ) -> None:
        """Merge two sorted stretches that follow each other."""
        i = start
        while i < middle:
            spare[i] = order[i]
            i += 1
        left = start
        right = middle
        at = start
        while left < middle and right < end:
            a = spare[left]
            b = order[right]
            if self.compare(keys, places[a], places[a + 1], places[b], places[b + 1]) <= 0:
                order[at] = a
                left += 1
            else:
                order[at] = b
                right += 1
            at += 1
        while left < middle:
            order[at] = spare[left]
            left += 1
            at += 1


def fold(octet: int) -> int:
    """Return an octet of a name in lower case."""
    return octet + 32 if 65 <= octet <= 90 else octet
