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


class Template:
    """What all zones of one text have in common, as words, and the words in which they differ."""

    def __init__(self, words: array[int], own: array[int], numbers: array[int]) -> None:
        """Take the octets of a zone; to the words `own` its granule is added, to the words `numbers` its number."""
        self.words = words
        self.size = len(words)
        self.own = own
        self.own_count = len(own)
        self.numbers = numbers
        self.number_count = len(numbers)

    def put_row(self, row: array[int], own: array[int]) -> None:
        """Take the row of the zone table, without version, state, suffix; the granule is added to the words `own`."""
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

    def put_nodes(self, nodes: array[int], places: array[int]) -> None:
        """Take the granule of each node, and the number of its name."""
        self.nodes = nodes
        self.places = places
        self.count = len(nodes)

    def node_at(self, node: int) -> int:
        """Return the granule of a node."""
        return self.nodes[node]


class Copier(BulkIndex):
    """Writes copies into one store; what only Python can do is left to Python."""

    def __init__(self, store: Store) -> None:
        """Write into the arrays of a store; leave() gives the counts to the store."""
        super().__init__(store)
        self.heap = store.octets
        self.words = store.words
        self.rows = store.zones
        self.row_octets = store.zone_octets
        self.depths = array("I", bytes(4 * 128))

    def leave(self) -> None:
        """Count the nodes that were hung into the index."""
        for depth in range(128):
            self.store.depths[depth] += self.depths[depth]
            self.depths[depth] = 0

    def write(self, template: Template, start: int, number: int, above: int, origin: bytes) -> None:
        """Write octets and row of a zone, which nobody sees yet, and hash its names from that of the name above."""
        first = start * 4
        i = 0
        while i < template.size:
            self.words[first + i] = template.words[i]
            i += 1
        i = 0
        while i < template.own_count:
            self.words[first + template.own[i]] += start
            i += 1
        i = 0
        while i < template.number_count:
            self.words[first + template.numbers[i]] += number
            i += 1
        self.write_row(template, start, number, origin)
        self.hash_names(template, above, origin)

    def write_row(self, template: Template, start: int, number: int, origin: bytes) -> None:
        """Write the row of a zone."""
        first = number * _ROW
        i = 0
        while i < _ROW:
            self.rows[first + i] = template.row[i]
            i += 1
        i = 0
        while i < template.row_own_count:
            self.rows[first + template.row_own[i]] += start
            i += 1
        size = len(origin)
        first = first * 4 + layout.ZONE_SUFFIX_AT
        i = 0
        while i < size and size <= layout.SUFFIX_MAX:
            self.row_octets[first + i] = origin[i]
            i += 1

    def hash_names(self, template: Template, above: int, origin: bytes) -> None:
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
        template.hashes[0] = h
        name = 1
        while name < template.names:
            h = template.hashes[template.parents[name - 1]]
            i = template.firsts[name - 1]
            while i < template.firsts[name]:
                h = step(h, template.labels[i])
                i += 1
            template.hashes[name] = h
            name += 1

    def hash_of(self, template: Template, node: int) -> int:
        """Return the hash of a node's name that hash_names() noted last."""
        h: int = template.hashes[template.places[node]]
        return h

    def hang(self, template: Template, start: int, node: int) -> int:
        """Hang nodes into the index, from number `node` on; return the first one that needs more than a free slot."""
        while node < template.count:
            ref = start + template.nodes[node]
            if not self.insert(self.spread(template.hashes[template.places[node]]), ref):
                break
            self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] += 1
            node += 1
        return node

    def has_names_of(self, template: Template, start: int, old: array[int]) -> int:
        """Return whether the written nodes have the names of others of the same zone, in the same order."""
        node = 0
        while node < template.count:
            one = heap_offset(start + template.nodes[node])
            other = heap_offset(old[node])
            cut = self.heap[one + layout.NODE_FLAGS_AT] & layout.NODE_CUT
            if self.heap[one] != self.heap[other] or cut != self.heap[other + layout.NODE_FLAGS_AT] & layout.NODE_CUT:
                return False
            at = layout.NODE_WILDCARD_AT if cut else layout.NODE_SIZE
            end = at + self.heap[one]
            while at < end:
                if self.heap[one + at] != self.heap[other + at]:
                    return False
                at += 1
            node += 1
        return True

    def exchange(self, template: Template, start: int, old: array[int], node: int) -> int:
        """Hang nodes in front of `old` ones, from number `node` on; return the first whose name has other nodes too.

        Both are found until part() is called, as after an insert.
        """
        while node < template.count:
            ref = start + template.nodes[node]
            was = old[node]
            f = self.spread(template.hashes[template.places[node]])
            slot = self.slot_with(f, was)
            if not slot or self.words[heap_word(was) + layout.NODE_NEXT_WORD]:
                break
            self.words[heap_word(ref) + layout.NODE_NEXT_WORD] = was
            self.index[slot] = (f & _M32) << 32 | ref
            self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] += 1
            node += 1
        return node

    def slot_with(self, f: int, ref: int) -> int:
        """Return the slot of the index that leads to a node, 0 where the node is not the first of its name."""
        tag = f & _M32
        first = f >> (64 - self.bits)
        slot = self.slot_in(first, tag)
        if not slot or self.index[slot] & _M32 != ref:
            slot = self.slot_in(self.other_bucket(first, tag), tag)
        return slot if slot and self.index[slot] & _M32 == ref else 0

    def expire(self, old: array[int], version: int) -> None:
        """End nodes before a version of their zone."""
        i = 0
        while i < len(old):
            self.words[heap_word(old[i]) + layout.NODE_UNTIL_WORD] = version
            i += 1

    def part(self, template: Template, start: int, old: array[int]) -> None:
        """Take the old nodes out of the index in front of which exchange() has hung new ones."""
        node = 0
        while node < template.count:
            ref = start + template.nodes[node]
            if self.words[heap_word(ref) + layout.NODE_NEXT_WORD] == old[node]:
                self.words[heap_word(ref) + layout.NODE_NEXT_WORD] = 0
                self.depths[self.heap[heap_offset(ref) + layout.NODE_LABELS_AT]] -= 1
            node += 1


def step(h: int, word: int) -> int:
    """Return a hash with one more word of a label."""
    h = ((h ^ word) * layout.HASH_MULTIPLIER) & _M64
    return h ^ h >> 32
