# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Copies of a compiled text into a store, each with its place, number and name; compiled, types in copies.pxd."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.bulk.index import BulkIndex

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.store.places import heap_offset, heap_word
    from cython.cimports.appliance.zone.packed.places import octet64
else:
    from appliance.store import layout
    from appliance.store.places import heap_offset, heap_word
    from appliance.zone.packed.places import octet64

if TYPE_CHECKING:
    from appliance.store.store import Store

_M64 = 0xFFFFFFFFFFFFFFFF
_M32 = 0xFFFFFFFF
_ROW = layout.ZONE_SIZE // 4


class Mould:
    """What all zones of one text have in common, as words, and in which of them they differ."""

    def __init__(self, words: array[int], own: array[int], numbers: array[int]) -> None:
        """Take the octets of a zone; own and numbers are the words to which its granule and its number are added."""
        self.words = words
        self.size = len(words)
        self.own = own
        self.own_count = len(own)
        self.numbers = numbers
        self.number_count = len(numbers)

    def put_row(self, row: array[int], own: array[int]) -> None:
        """Take the row of the zone table, without version, state and suffix; own as above."""
        self.row = row
        self.row_own = own
        self.row_own_count = len(own)

    def put_names(self, parents: array[int], firsts: array[int], labels: array[int]) -> None:
        """Take the names below the apex, which is number 0: each one's parent, and where its label's words start."""
        self.parents = parents
        self.firsts = firsts
        self.labels = labels
        self.names = len(parents) + 1
        self.hashes = array("Q", bytes(8 * self.names))

    def put_records(self, records: array[int], places: array[int]) -> None:
        """Take the granule of each record, and the number of its name."""
        self.records = records
        self.places = places
        self.count = len(records)

    def records_at(self, record: int) -> int:
        """Return the granule of a record."""
        return self.records[record]


class Press(BulkIndex):
    """Writes zones into one store; what only Python can do is left to it."""

    def __init__(self, store: Store) -> None:
        """Look at the arrays of a store; give the counts back with leave."""
        super().__init__(store)
        self.heap = store.octets
        self.words = store.words
        self.rows = store.zones
        self.row_octets = store.zone_octets
        self.depths = array("I", bytes(4 * 128))

    def leave(self) -> None:
        """Count the records that were hung into the index."""
        for depth in range(128):
            self.store.depths[depth] += self.depths[depth]
            self.depths[depth] = 0

    def write(self, mould: Mould, start: int, number: int, above: int, origin: bytes) -> None:
        """Write octets and row of a zone, which nobody sees yet, and hash its names from that of the name above."""
        first = start * 4
        i = 0
        while i < mould.size:
            self.words[first + i] = mould.words[i]
            i += 1
        i = 0
        while i < mould.own_count:
            self.words[first + mould.own[i]] += start
            i += 1
        i = 0
        while i < mould.number_count:
            self.words[first + mould.numbers[i]] += number
            i += 1
        self.write_row(mould, start, number, origin)
        self.hash_names(mould, above, origin)

    def write_row(self, mould: Mould, start: int, number: int, origin: bytes) -> None:
        """Write the row of a zone."""
        first = number * _ROW
        i = 0
        while i < _ROW:
            self.rows[first + i] = mould.row[i]
            i += 1
        i = 0
        while i < mould.row_own_count:
            self.rows[first + mould.row_own[i]] += start
            i += 1
        size = len(origin)
        first = first * 4 + layout.ZONE_SUFFIX_AT
        i = 0
        while i < size and size <= layout.SUFFIX_MAX:
            self.row_octets[first + i] = origin[i]
            i += 1

    def hash_names(self, mould: Mould, above: int, origin: bytes) -> None:
        """Note the hashes of a zone's names."""
        size = origin[0] + 1
        h = above
        i = 0
        while i < size:
            word = 0
            k = 0
            while k < 8 and i + k < size:
                word |= octet64(origin[i + k]) << (8 * k)
                k += 1
            h = step(h, word)
            i += 8
        mould.hashes[0] = h
        name = 1
        while name < mould.names:
            h = mould.hashes[mould.parents[name - 1]]
            i = mould.firsts[name - 1]
            while i < mould.firsts[name]:
                h = step(h, mould.labels[i])
                i += 1
            mould.hashes[name] = h
            name += 1

    def hash_of(self, mould: Mould, record: int) -> int:
        """Return the hash of a record's name, as it was noted last."""
        h: int = mould.hashes[mould.places[record]]
        return h

    def hang(self, mould: Mould, start: int, record: int) -> int:
        """Hang records into the index, from a number on; return the first one that it takes more for than a slot."""
        while record < mould.count:
            ref = start + mould.records[record]
            if not self.insert(self.spread(mould.hashes[mould.places[record]]), ref):
                break
            self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] += 1
            record += 1
        return record

    def has_names_of(self, mould: Mould, start: int, old: array[int]) -> int:
        """Return whether the written records have the names of others of the same zone, in the same order."""
        record = 0
        while record < mould.count:
            one = heap_offset(start + mould.records[record])
            other = heap_offset(old[record])
            cut = self.heap[one + layout.NODE_FLAGS_AT] & layout.NODE_CUT
            if self.heap[one] != self.heap[other] or cut != self.heap[other + layout.NODE_FLAGS_AT] & layout.NODE_CUT:
                return False
            at = layout.NODE_WILDCARD_AT if cut else layout.NODE_SIZE
            end = at + self.heap[one]
            while at < end:
                if self.heap[one + at] != self.heap[other + at]:
                    return False
                at += 1
            record += 1
        return True

    def exchange(self, mould: Mould, start: int, old: array[int], record: int) -> int:
        """Hang records in front of those of the version before, from a number on; return the first that is not alone.

        Both are found until part() is called, as after an insert.
        """
        while record < mould.count:
            ref = start + mould.records[record]
            was = old[record]
            f = self.spread(mould.hashes[mould.places[record]])
            slot = self.slot_with(f, was)
            if not slot or self.words[heap_word(was) + layout.NODE_NEXT_WORD]:
                break
            self.words[heap_word(ref) + layout.NODE_NEXT_WORD] = was
            self.index[slot] = (f & _M32) << 32 | ref
            self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] += 1
            record += 1
        return record

    def slot_with(self, f: int, ref: int) -> int:
        """Return where the index leads to a record, 0 where it is not the first of its name."""
        tag = f & _M32
        first = f >> (64 - self.bits)
        slot = self.slot_in(first, tag)
        if not slot or self.index[slot] & _M32 != ref:
            slot = self.slot_in(self.other_bucket(first, tag), tag)
        return slot if slot and self.index[slot] & _M32 == ref else 0

    def expire(self, old: array[int], version: int) -> None:
        """Let records end before a version of their zone."""
        i = 0
        while i < len(old):
            self.words[heap_word(old[i]) + layout.NODE_UNTIL_WORD] = version
            i += 1

    def part(self, mould: Mould, start: int, old: array[int]) -> None:
        """Take out of the index what exchange() has hung new records in front of."""
        record = 0
        while record < mould.count:
            ref = start + mould.records[record]
            if self.words[heap_word(ref) + layout.NODE_NEXT_WORD] == old[record]:
                self.words[heap_word(ref) + layout.NODE_NEXT_WORD] = 0
                self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] -= 1
            record += 1


def step(h: int, word: int) -> int:
    """Return a hash with one more word of a label."""
    h = ((h ^ word) * layout.HASH_MULTIPLIER) & _M64
    return h ^ h >> 32
