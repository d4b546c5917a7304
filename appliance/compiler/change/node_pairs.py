# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Nodes in the places of served ones of the same names: found, shown, taken out; compiled, types in node_pairs.pxd."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.bulk.writer import BulkWriter
from appliance.zone.packed.names import Packed

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.store.places import heap_offset, heap_word
    from cython.cimports.appliance.zone.packed import header
else:
    from appliance.store import layout
    from appliance.store.places import heap_offset, heap_word
    from appliance.zone.packed import header

if TYPE_CHECKING:
    from appliance.compiler.writer import Writer

_M32 = 0xFFFFFFFF
_SCRATCH = 16384


class NodePairs(BulkWriter):
    """Pairs of nodes: number k is .new[k] instead of .old[k], with the name whose hash is .hashes[k].

    A pair without a new node, 0, is none. Names are looked for as packed records have them, in .packed.
    """

    def __init__(self, writer: Writer, origin: bytes) -> None:
        """Write into the arena of a writer."""
        super().__init__(writer, Packed(memoryview(b""), origin))
        self.packed.octets = bytearray(_SCRATCH)
        self.served = writer.version - 1
        self.count = 0
        self.begin_pairs(0)

    def begin_pairs(self, most: int) -> None:
        """Make room for `most` pairs."""
        self.hashes = array("Q", bytes(8 * most + 8))
        self.old, self.new = array("I", bytes(4 * most + 4)), array("I", bytes(4 * most + 4))

    def find_cut(self, h: int, length: int) -> int:
        """Return the served node of the name in the records, 0 unless it is a cut that nothing lies below."""
        slot = self.slot_of(h)
        ref = self.index[slot] & _M32 if slot else 0
        while ref:
            word = heap_word(ref)
            if (
                self.heap_words[word + layout.NODE_ZONE_WORD] == self.number
                and self.is_served(word)
                and self.is_named(ref, length)
            ):
                return ref if self.heap[heap_offset(ref) + layout.NODE_FLAGS_AT] == layout.NODE_CUT else 0
            ref = self.heap_words[word + layout.NODE_NEXT_WORD]
        return 0

    def is_served(self, word: int) -> int:
        """Return whether a node is visible."""
        return (
            self.heap_words[word + layout.NODE_FROM_WORD]
            <= self.served
            < self.heap_words[word + layout.NODE_UNTIL_WORD]
        )

    def is_named(self, ref: int, length: int) -> int:
        """Return whether a node of the zone has the name in the records."""
        start = heap_offset(ref)
        stored = length - self.suffix
        if self.heap[start + layout.NODE_NAME_LEN_AT] != stored:
            return False
        start += (
            layout.NODE_WILDCARD_AT if self.heap[start + layout.NODE_FLAGS_AT] & layout.NODE_CUT else layout.NODE_SIZE
        )
        i = 0
        while i < stored and self.heap[start + i] == self.packed.octets[header.SIZE + i]:
            i += 1
        return i == stored

    def first_bucket(self, h: int) -> int:
        """Return the bucket of first choice for a hash."""
        return self.spread(h) >> (64 - self.bits)

    def slot_of(self, h: int) -> int:
        """Return the slot of the index that has the nodes of a name with a hash, 0 where there is none."""
        f = self.spread(h)
        tag = f & _M32
        first = f >> (64 - self.bits)
        return self.slot_in(first, tag) or self.slot_in(self.other_bucket(first, tag), tag)

    # showing

    def link(self) -> None:
        """Hang the nodes into the index, each before the served one; those before a StoreFull are in .refs."""
        self.enter()
        try:
            k = 0
            while k < self.count:
                if self.new[k]:
                    self.hang(k)
                k += 1
        finally:
            self.leave()

    def hang(self, k: int) -> None:
        """Hang one node into the index."""
        ref, old = self.new[k], self.old[k]
        if self.ref_count == len(self.refs):
            self.leave()
        slot = self.slot_of(self.hashes[k])
        if slot and self.index[slot] & _M32 == old and self.chain_length(old) < layout.CHAIN_MAX:
            self.join(slot, self.hashes[k])
            self.index[slot] = self.index[slot] >> 32 << 32 | ref
            self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] += 1
        else:
            self.store.insert(ref, self.hashes[k])
        self.refs[self.ref_count] = ref
        self.ref_count += 1

    def chain_length(self, ref: int) -> int:
        """Return the number of nodes that are linked from a node on, itself included."""
        found = 0
        while ref:
            found += 1
            ref = self.heap_words[heap_word(ref) + layout.NODE_NEXT_WORD]
        return found

    def join(self, slot: int, h: int) -> None:
        """Count one more node under a slot."""
        f = self.spread(h)
        if slot >> 3 != f >> (64 - self.bits):
            self.store.index.join(f, slot)

    def expire(self) -> None:
        """End the served nodes with the version before."""
        k = 0
        while k < self.count:
            if self.new[k]:
                self.heap_words[heap_word(self.old[k]) + layout.NODE_UNTIL_WORD] = self.version
            k += 1

    def unlink(self) -> int:
        """Take the nodes that have ended out of the index; return the number of these nodes."""
        found = 0
        depths = self.store.depths
        k = 0
        while k < self.count:
            if self.new[k]:
                found += 1
                slot = self.slot_of(self.hashes[k])
                word, old = heap_word(self.new[k]), self.old[k]
                if slot and self.heap_words[word + layout.NODE_NEXT_WORD] == old:
                    self.heap_words[word + layout.NODE_NEXT_WORD] = self.heap_words[
                        heap_word(old) + layout.NODE_NEXT_WORD
                    ]
                    self.leave_chain(slot, self.hashes[k])
                    depths[self.heap[heap_offset(old) + layout.NODE_LABELS_AT]] -= 1
                else:
                    self.store.unlink(old)
            k += 1
        return found

    def leave_chain(self, slot: int, h: int) -> None:
        """Count one node less under a slot."""
        f = self.spread(h)
        if slot >> 3 != f >> (64 - self.bits):
            self.store.index.leave(f, slot, self.index[slot] & _M32)
