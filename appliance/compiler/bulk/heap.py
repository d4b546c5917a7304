# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Octets into the heap of a store and nodes into its index, as arena and index do; compiled, types in heap.pxd."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.bulk.index import BulkIndex

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.store.places import heap_offset
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import lower, octet64
    from cython.cimports.appliance.zone.packed.sums import hash_octets
    from cython.cimports.libc.string import memcmp, memcpy
else:
    from appliance.store import layout
    from appliance.store.places import heap_offset
    from appliance.zone.packed import header
    from appliance.zone.packed.places import lower, octet64
    from appliance.zone.packed.sums import hash_octets

if TYPE_CHECKING:
    from appliance.compiler.writer import Writer
    from appliance.zone.packed.names import Packed

_M64 = 0xFFFFFFFFFFFFFFFF
_M32 = 0xFFFFFFFF
_BLOB = 130000
_SLAB = 1 << 12
"""Granules in which shared objects lie together."""
_MANY = 1 << 14
"""Names from which on a zone is worth such room."""
_WAITING = 64
"""Nodes that are hung into the index together, whose lines have been asked for before."""


class BulkHeap(BulkIndex):
    """Places objects for a Writer, sharing its arena, its zone's row and its list of nodes."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Take over from a writer; give back with leave."""
        store = writer.store
        super().__init__(store)
        self.writer = writer
        self.arena = writer.arena
        self.packed = packed
        self.heap = store.octets
        self.heap_words = store.words
        self.number = writer.number
        self.version = writer.version
        self.suffix = len(store.suffix(writer.number))
        self.apex_hash = writer.hash(packed.origin) if len(packed.origin) > 1 else store.seed
        self.blob = bytearray(_BLOB)
        self.starts = array("B", bytes(128))
        self.slots = 1 << 12
        self.table = array("I", bytes(4 * self.slots))
        self.sums = array("I", bytes(4 * self.slots))
        self.used = 0
        self.depths = array("I", bytes(4 * 128))
        self.refs = array("I", bytes(4 * 4096))
        self.ref_count = 0
        self.waiting = array("Q", bytes(8 * _WAITING))
        self.waiting_ref = array("I", bytes(4 * _WAITING))
        self.wait_count = 0
        self.touched = 0
        self.at = self.end = 0
        self.slab = _SLAB if packed.count >= _MANY else 0
        self.slab_at = self.slab_end = 0
        self.nodes = self.node_octets = self.answer_octets = 0
        self.objects = self.object_octets = self.references = 0

    def enter(self) -> None:
        """Go on behind what others placed in the arena."""
        self.at, self.end = self.arena.room()

    def leave(self) -> None:
        """Let others place, and see, what follows."""
        try:
            self.hang_waiting()
        finally:
            self.leave_nodes()

    def leave_nodes(self) -> None:
        """Note in the store and in the writer what was written."""
        self.arena.resume(self.at)
        self.writer.nodes.frombytes(memoryview(self.refs)[: self.ref_count].tobytes())
        self.ref_count = 0
        for depth in range(128):
            self.store.depths[depth] += self.depths[depth]
            self.depths[depth] = 0
        self.writer.count(
            self.nodes, self.node_octets, self.answer_octets, self.objects, self.object_octets, self.references
        )
        self.nodes = self.node_octets = self.answer_octets = 0
        self.objects = self.object_octets = self.references = 0

    # the heap

    def take(self, size: int) -> int:
        """Return the reference of room for size octets."""
        granules = (size + 15) >> 4
        at = self.at
        if at + granules > self.end or at % layout.CHUNK_GRANULES + granules > layout.START_GRANULES:
            return self.take_slowly(size)
        self.at = at + granules
        return at

    def take_slowly(self, size: int) -> int:
        """Do the same through the arena, which may need another extent. Raises StoreFull."""
        self.arena.resume(self.at)
        ref: int = self.arena.take(size)
        self.at, self.end = self.arena.room()
        return ref

    def take_shared(self, size: int) -> int:
        """Return the reference of room for an object that many may refer to, beside others of this kind.

        What most names refer to then lies on few pages, since it is met first: a random delegation of 5,300,000 takes
        3 to 5 % less of the program's time (two turns each way).
        """
        granules = (size + 15) >> 4
        if granules * 8 > self.slab:
            return self.take(size)
        # A slab may reach to the end of its chunk, what starts in it may not: tests/unit/compiler/test_placing.py.
        if (
            self.slab_at + granules > self.slab_end
            or self.slab_at % layout.CHUNK_GRANULES + granules > layout.START_GRANULES
        ):
            self.slab_at = self.take(self.slab << 4)
            self.slab_end = self.slab_at + self.slab
        ref = self.slab_at
        self.slab_at += granules
        return ref

    def put(self, size: int) -> int:
        """Copy the first octets of .blob, an object that others refer to, into the heap; return its reference."""
        return self.copy_blob(self.take(size), size)

    def copy_blob(self, ref: int, size: int) -> int:
        """Copy the first octets of .blob to a reference and return it."""
        self.objects += 1
        self.object_octets += (size + 15) & ~15
        self.copy_out(heap_offset(ref), 0, size)
        return ref

    def copy_out(self, to: int, at: int, size: int) -> None:
        """Copy octets of .blob from an offset on to one of the heap."""
        if cython.compiled:
            memcpy(cython.address(self.heap[to]), cython.address(self.blob[at]), size)
        else:
            self.heap[to : to + size] = self.blob[at : at + size]

    def share(self, size: int) -> int:
        """Return the reference of an object that is equal to the first octets of .blob, placed beside its like."""
        return self.shared(size, False)

    def share_near(self, size: int) -> int:
        """Do the same with one that hardly anybody else refers to, and is read together with what is written next."""
        return self.shared(size, True)

    def shared(self, size: int, near: int) -> int:
        """Look for an object that is equal to the first octets of .blob; place it if there is none."""
        h = self.sum_blob(size)
        slot = h & (self.slots - 1)
        while self.table[slot]:
            if self.sums[slot] == h and self.is_blob(self.table[slot], size):
                return self.table[slot]
            slot = (slot + 1) & (self.slots - 1)
        ref = self.copy_blob(self.take(size) if near else self.take_shared(size), size)
        self.table[slot] = ref
        self.sums[slot] = h
        self.used += 1
        if self.used * 4 > self.slots * 3:
            self.grow()
        return ref

    def sum_blob(self, size: int) -> int:
        """Return a hash of the first octets of .blob."""
        h: int = hash_octets(self.blob, size, 0, size)
        return h & _M32

    def is_blob(self, ref: int, size: int) -> int:
        """Return whether the octets at a reference are the first ones of .blob."""
        start = heap_offset(ref)
        if cython.compiled:
            return not memcmp(cython.address(self.heap[start]), cython.address(self.blob[0]), size)
        return bytes(self.heap[start : start + size]) == self.blob[:size]

    def grow(self) -> None:
        """Double the table of shared objects."""
        old_table, old_sums, old = self.table, self.sums, self.slots
        self.slots = old * 2
        self.table = array("I", bytes(4 * self.slots))
        self.sums = array("I", bytes(4 * self.slots))
        i = 0
        while i < old:
            if old_table[i]:
                slot = old_sums[i] & (self.slots - 1)
                while self.table[slot]:
                    slot = (slot + 1) & (self.slots - 1)
                self.table[slot] = old_table[i]
                self.sums[slot] = old_sums[i]
            i += 1

    # bodies

    def store16(self, to: int, number: int) -> None:
        """Write a number of the store into .blob."""
        self.blob[to] = number & 255
        self.blob[to + 1] = number >> 8 & 255

    def store32(self, to: int, number: int) -> None:
        """Write a number of the store into .blob."""
        self.store16(to, number & 0xFFFF)
        self.store16(to + 2, number >> 16)

    def heap16(self, ref: int, offset: int) -> int:
        """Return a number in the heap."""
        start = heap_offset(ref) + offset
        return self.heap[start] | self.heap[start + 1] << 8

    def count_node(self, own: int, answers: int, references: int) -> None:
        """Count a node, its octets, those of the answers behind it, and how many objects it refers to."""
        self.nodes += 1
        self.node_octets += own
        self.answer_octets += answers
        self.references += references

    # the index

    def publish(self, ref: int, at: int) -> None:
        """Hang the node of a name into the index, after those that wait, by leave at the latest."""
        if self.ref_count == len(self.refs):
            self.leave()
        self.refs[self.ref_count] = ref
        self.ref_count += 1
        if self.wait_count == _WAITING:
            self.hang_waiting()
        self.waiting[self.wait_count] = self.hash(at, self.packed.octets[at - header.LENGTH_BEFORE])
        self.waiting_ref[self.wait_count] = ref
        self.wait_count += 1

    def hang_waiting(self) -> None:
        """Hang the nodes that wait into the index.

        First all of its lines are touched: a processor waits for all of them together then, not for one after the
        other.
        """
        count = self.wait_count
        self.wait_count = 0
        i = 0
        while i < count:
            self.touched ^= self.touch(self.spread(self.waiting[i]))
            i += 1
        i = 0
        while i < count:
            ref = self.waiting_ref[i]
            if self.insert(self.spread(self.waiting[i]), ref):
                self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] += 1
            else:
                self.store.insert(ref, self.waiting[i])
            i += 1

    def hash(self, at: int, length: int) -> int:
        """Return the index hash of a name of the zone."""
        packed = self.packed
        labels = 0
        place = 0
        while place < length - packed.apex_length:
            self.starts[labels] = place
            labels += 1
            place += 1 + packed.octets[at + place]
        h = self.apex_hash
        while labels:
            labels -= 1
            place = self.starts[labels]
            size = packed.octets[at + place] + 1
            i = 0
            while i < size:
                word = 0
                k = 0
                while k < 8 and i + k < size:
                    word |= octet64(lower(packed.octets[at + place + i + k]) if i + k else size - 1) << (8 * k)
                    k += 1
                h = ((h ^ word) * layout.HASH_MULTIPLIER) & _M64
                h ^= h >> 32
                i += 8
        return h
