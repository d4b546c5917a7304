# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Answers and nodes as assemble and writer make them, from packed records; compiled, types in writer.pxd."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.bulk.body import BulkBody
from appliance.store.message_sizes import EDNS_SIZE, PLAIN_SIZE
from appliance.zone import types

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.store.places import heap_offset
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import lower, octet64
else:
    from appliance.store import layout
    from appliance.store.places import heap_offset
    from appliance.zone.packed import header
    from appliance.zone.packed.places import lower, octet64

if TYPE_CHECKING:
    from appliance.compiler.writer import Writer
    from appliance.zone.packed.names import Packed

_DS = types.DS
_EDNS_SIZE = EDNS_SIZE
_PLAIN_SIZE = PLAIN_SIZE
_INNER = 4
_MAX_BODY = 60000
_AROUND = 27
_MARGIN = 32


class BulkWriter(BulkBody):
    """Writes the answers that the body is, and the nodes of cuts."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Start with no fragments that go between the body's records."""
        super().__init__(writer, packed)
        self.inner = array("I", bytes(4 * _INNER))
        self.inners = self.inner_octets = self.inner_records = 0

    def clear_inner(self) -> None:
        """Forget the fragments that end the authority section."""
        self.inners = self.inner_octets = self.inner_records = 0

    def add_inner(self, ref: int) -> None:
        """Add a fragment to those that end the authority section."""
        self.add_weighed(
            ref,
            self.heap16(ref, layout.FRAGMENT_LEN_AT) << 8 | self.heap[heap_offset(ref) + layout.FRAGMENT_RECORDS_AT],
        )

    def add_weighed(self, ref: int, weight: int) -> None:
        """Add one of which is known how many octets and, in the lowest eight bits, how many records it has."""
        self.inner[self.inners] = ref
        self.inners += 1
        self.inner_octets += weight >> 8
        self.inner_records += weight & 255

    def drop_inner(self) -> None:
        """Take the last inner fragment away again."""
        self.inners -= 1
        self.inner_octets -= self.heap16(self.inner[self.inners], layout.FRAGMENT_LEN_AT)
        self.inner_records -= self.heap[heap_offset(self.inner[self.inners]) + layout.FRAGMENT_RECORDS_AT]

    def head(self, to: int, flags: int, answer: int, authority: int, additional: int, size: int) -> None:
        """Write an answer's head into .blob; pieces, kind, and smaller are added by those who know them."""
        i = 0
        while i < layout.ANSWER_SIZE:
            self.blob[to + i] = 0
            i += 1
        self.store16(to + layout.ANSWER_FLAGS_AT, flags)
        self.store16(to + layout.ANSWER_AN_AT, answer)
        self.store16(to + layout.ANSWER_NS_AT, authority)
        self.store16(to + layout.ANSWER_AR_AT, additional)
        self.store16(to + layout.ANSWER_LEN_AT, size)

    def whole(self, to: int, flags: int, kind: int, answer: int) -> int:
        """Write the answer that the body is into .blob, without variants; return where it ends."""
        records = self.records_in
        self.head(to, flags, records if answer else 0, 0 if answer else records, 0, self.size)
        self.blob[to + layout.ANSWER_NFRAG_AT] = 1
        self.blob[to + layout.ANSWER_KIND_AT] = kind
        return self.fragment(to + layout.ANSWER_SIZE, 0, self.size, 0, self.moves, records)

    def end_authority(self) -> None:
        """Let additional records follow, behind the inner fragments if there are any; the first group is none."""
        if self.inners:
            self.split()
        else:
            self.base = self.base_moves = self.base_records = 0
        self.cuts = self.least = 0
        self.mark()

    def variants(self, before: int) -> int:
        """Return as bits which numbers of groups the variants of an answer have; before counts octets ahead of them."""
        last = self.cuts - 1
        found = one(self.least) | one(last)
        if self.least == last:
            return found
        size = _EDNS_SIZE
        while size:
            room = size - _AROUND - min(self.base_length + _MARGIN, 255) - before
            k = last
            while k > self.least and self.cut_octets[k] > room:
                k -= 1
            if self.cut_octets[k] <= room:
                found |= one(k)
            size = _PLAIN_SIZE if size == _EDNS_SIZE else 0
        return found

    def referral(self, kind: int, authority: int) -> int:
        """Write the answer of the body: authority records, inner fragments by reference, groups; return its reference.

        The variants with fewer groups are written first. 0 means that Python must do it.
        """
        if self.full or self.size > _MAX_BODY:
            return 0
        before = self.base + self.inner_octets
        chosen = self.variants(before)
        first = 0
        if self.inners:
            first = self.share(self.fragment(0, 0, self.base, 0, self.base_moves, self.base_records))
        ref = 0
        k = 0
        while k < self.cuts:
            if chosen & one(k):
                if self.inners:
                    ref = self.pieces(kind, authority + self.inner_records, before, k, first, ref)
                else:
                    size = self.cut_octets[k]
                    self.head(0, 0, 0, authority, self.cut_records[k] - authority, size)
                    self.blob[layout.ANSWER_NFRAG_AT] = 1
                    self.blob[layout.ANSWER_KIND_AT] = kind
                    self.store32(layout.ANSWER_SMALLER_AT, ref)
                    ref = self.share(
                        self.fragment(layout.ANSWER_SIZE, 0, size, 0, self.cut_moves[k], self.cut_records[k])
                    )
            k += 1
        return ref

    def pieces(self, kind: int, authority: int, before: int, k: int, first: int, smaller: int) -> int:
        """Write a referral of several fragments that ends with the first k groups."""
        size = self.cut_octets[k]
        tail = 0
        if size:
            end = self.fragment(0, self.base, size, self.base_moves, self.cut_moves[k], self.cut_records[k])
            tail = self.share(end)
        self.head(0, 0, 0, authority, self.cut_records[k], before + size)
        to = layout.ANSWER_SIZE
        self.store32(to, first)
        to = self.list_inner(to + 4)
        if tail:
            self.store32(to, tail)
            to += 4
        self.references += (to - layout.ANSWER_SIZE) >> 2
        self.blob[layout.ANSWER_NFRAG_AT] = (to - layout.ANSWER_SIZE) >> 2
        self.blob[layout.ANSWER_KIND_AT] = kind
        self.store32(layout.ANSWER_SMALLER_AT, smaller)
        return self.share_near(to)

    def list_inner(self, to: int) -> int:
        """Write the references of the inner fragments into .blob; return where they end."""
        i = 0
        while i < self.inners:
            self.store32(to, self.inner[i])
            to += 4
            i += 1
        return to

    def inner_answer(self, to: int, flags: int, kind: int) -> int:
        """Write into .blob the answer that the inner fragments are, two or more; return where it ends."""
        self.head(to, flags, self.inner_records, 0, 0, self.inner_octets)
        self.blob[to + layout.ANSWER_NFRAG_AT] = self.inners
        self.blob[to + layout.ANSWER_KIND_AT] = kind
        self.references += self.inners
        return self.list_inner(to + layout.ANSWER_SIZE)

    def nodata(self, to: int, kind: int, soa: int, proof: int, second: int) -> int:
        """Write the answer that there is no such type (the zone's SOA, proofs by reference); return where it ends."""
        size = self.heap16(soa, layout.FRAGMENT_LEN_AT) + self.heap16(proof, layout.FRAGMENT_LEN_AT)
        records = self.heap[heap_offset(soa) + layout.FRAGMENT_RECORDS_AT]
        records += self.heap[heap_offset(proof) + layout.FRAGMENT_RECORDS_AT]
        pieces = 2
        if second:
            size += self.heap16(second, layout.FRAGMENT_LEN_AT)
            records += self.heap[heap_offset(second) + layout.FRAGMENT_RECORDS_AT]
            pieces = 3
        self.head(to, 0x0400, 0, records, 0, size)
        self.blob[to + layout.ANSWER_NFRAG_AT] = pieces
        self.blob[to + layout.ANSWER_KIND_AT] = kind
        to += layout.ANSWER_SIZE
        self.store32(to, 0)
        self.store32(to + 4, proof)
        to += 8
        if second:
            self.store32(to, second)
            to += 4
        self.references += pieces
        return to

    def cut_node(
        self, at: int, flags: int, plain: int, signed: int, entries: int, answer: int, proved: int, own: int, more: int
    ) -> int:
        """Write the node of a cut whose name stands at an offset, and return its reference.

        entries is 0, or 1 for a table with DS. answer and proved are the references of its answers without and with
        DNSSEC, or 0 where one goes with the node: the first are own octets of .blob (none: the zone's NODATA), the
        second more octets behind them on a multiple of 16 (none if more is 0). These are signed where that is 0.
        """
        packed = self.packed
        length = packed.octets[at - header.LENGTH_BEFORE]
        stored = length - self.suffix
        table = layout.NODE_WILDCARD_AT + ((stored + 7) & ~7)
        size = (table + entries * layout.TYPE_ENTRY_SIZE + 15) & ~15
        behind = size + (0 if answer else (own + 15) & ~15)
        total = size + ((own + 15) & ~15) + ((more + 15) & ~15)
        ref = self.take(total)
        self.count_node(size, total - size, 2 + (answer != 0) + (proved != 0))
        start = heap_offset(ref)
        i = 0
        while i < size:
            self.heap[start + i] = 0
            i += 1
        self.heap[start + layout.NODE_NAME_LEN_AT] = stored
        self.heap[start + layout.NODE_LABELS_AT] = self.labels(at)
        self.heap[start + layout.NODE_FLAGS_AT] = flags
        self.heap[start + layout.NODE_NTYPES_AT] = entries
        word = start >> 2
        self.heap_words[word + layout.NODE_ZONE_WORD] = self.number
        self.heap_words[word + layout.NODE_FROM_WORD] = self.version
        self.heap_words[word + layout.NODE_UNTIL_WORD] = layout.FOREVER
        self.heap_words[word + layout.NODE_OTHER_WORD] = plain
        self.heap_words[word + layout.NODE_OTHER_WORD + 1] = signed or ref + (behind >> 4)
        i = 0
        while i < stored:
            self.heap[start + layout.NODE_WILDCARD_AT + i] = lower(packed.octets[at + i])
            i += 1
        if entries:
            row = (start + table) >> 2
            self.heap_words[row] = _DS
            self.heap_words[row + layout.TYPE_ENTRY_ANSWER_WORD] = ref + (size >> 4) if own and not answer else answer
            self.heap_words[row + layout.TYPE_ENTRY_ANSWER_WORD + 1] = ref + (behind >> 4) if more else proved
        self.copy_out(start + size, 0, total - size)
        return ref

    def labels(self, at: int) -> int:
        """Return the number of labels of a name."""
        found = 0
        while self.packed.octets[at]:
            found += 1
            at += 1 + self.packed.octets[at]
        return found


def one(bit: int) -> int:
    """Return a number with one bit set."""
    return octet64(1) << bit
