# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What writer, fragments, assemble and index do, on octets instead of objects; compiled, types in bulk_writer.pxd.

Names and RDATA come from packed records. What does not fit the room here is refused, and the Python code does it.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from appliance.answers import layout
from appliance.answers.layout import CHUNK_GRANULES, HASH_FINAL, HASH_MULTIPLIER, MAX_MOVES, START_GRANULES

if TYPE_CHECKING:
    from appliance.answers.writer import Writer
    from appliance.zone.packed import Packed

_M64 = 0xFFFFFFFFFFFFFFFF
_M32 = 0xFFFFFFFF
_ANSWER = 20
_FRAGMENT = 12
_MAX_PLACES = 96
_MAX_GROUPS = 64
_MAX_BODY = 60000
_RUN = 2048
_AROUND = 27
_MARGIN = 32
_TURN = layout.RELOCATIONS_A_TURN
_NODE_CUT = layout.NODE_CUT
_FOREVER = layout.FOREVER
_GRANULES = CHUNK_GRANULES
_START = START_GRANULES
_MOVES = MAX_MOVES
_MULTIPLIER = HASH_MULTIPLIER
_FINAL = HASH_FINAL


class BulkWriter:
    """Writes for a Writer, sharing its arena, its zone's row and its list of records."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Take over from a writer; give back with leave."""
        store = writer.store
        self.writer = writer
        self.store = store
        self.arena = writer.arena
        self.packed = packed
        self.heap = store.octets
        self.heap_words = store.words
        self.index = store.index.words
        self.bits = store.bucket_bits
        self.number = writer.number
        self.version = writer.version
        self.suffix = len(store.suffix(writer.number))
        self.apex_hash = writer.hash(packed.origin) if len(packed.origin) > 1 else store.seed
        self.body = bytearray(_MAX_BODY + 70000)
        self.move_at = array("H", bytes(2 * (_MOVES + 1)))
        self.move_to = array("H", bytes(2 * (_MOVES + 1)))
        self.place_at = array("Q", bytes(8 * _MAX_PLACES))
        self.place_length = array("H", bytes(2 * _MAX_PLACES))
        self.place_to = array("H", bytes(2 * _MAX_PLACES))
        self.blob = bytearray(_MAX_BODY + 70000)
        self.starts = array("B", bytes(128))
        self.cut_octets = array("I", bytes(4 * _MAX_GROUPS))
        self.cut_moves = array("I", bytes(4 * _MAX_GROUPS))
        self.cut_records = array("I", bytes(4 * _MAX_GROUPS))
        self.cuts = self.least = 0
        self.slots = 1 << 12
        self.table = array("I", bytes(4 * self.slots))
        self.sums = array("I", bytes(4 * self.slots))
        self.used = 0
        self.depths = array("I", bytes(4 * 128))
        self.records = array("I", bytes(4 * 4096))
        self.record_count = 0
        self.at = self.end = 0

    def enter(self) -> None:
        """Go on behind what others placed in the arena."""
        self.at, self.end = self.arena.room()

    def leave(self) -> None:
        """Let others place, and see, what follows."""
        self.arena.resume(self.at)
        self.writer.records.frombytes(memoryview(self.records)[: self.record_count].tobytes())
        self.record_count = 0
        for depth in range(128):
            self.store.depths[depth] += self.depths[depth]
            self.depths[depth] = 0

    # the heap

    def take(self, size: int) -> int:
        """Return the reference of room for size octets."""
        granules = (size + 15) >> 4
        at = self.at
        if at + granules > self.end or at % _GRANULES + granules > _START:
            return self.take_slowly(size)
        self.at = at + granules
        return at

    def take_slowly(self, size: int) -> int:
        """Do the same through the arena, which may need another extent. Raises StoreFull."""
        self.arena.resume(self.at)
        ref: int = self.arena.take(size)
        self.at, self.end = self.arena.room()
        return ref

    def put(self, size: int) -> int:
        """Copy the first octets of .blob into the heap and return their reference."""
        ref = self.take(size)
        start = wide(ref)
        i = 0
        while i < size:
            self.heap[start + i] = self.blob[i]
            i += 1
        return ref

    def share(self, size: int) -> int:
        """Return the reference of an object that is equal to the first octets of .blob."""
        h = self.sum_blob(size)
        slot = h & (self.slots - 1)
        while self.table[slot]:
            if self.sums[slot] == h and self.is_blob(self.table[slot], size):
                return self.table[slot]
            slot = (slot + 1) & (self.slots - 1)
        ref = self.put(size)
        self.table[slot] = ref
        self.sums[slot] = h
        self.used += 1
        if self.used * 4 > self.slots * 3:
            self.grow()
        return ref

    def sum_blob(self, size: int) -> int:
        """Return a hash of the first octets of .blob."""
        h = size
        i = 0
        while i < size:
            h = ((h ^ self.blob[i]) * 0x01000193) & _M32
            h = h ^ h >> 15
            i += 1
        return h

    def is_blob(self, ref: int, size: int) -> int:
        """Tell whether the octets at a reference are the first ones of .blob."""
        start = wide(ref)
        i = 0
        while i < size:
            if self.heap[start + i] != self.blob[i]:
                return False
            i += 1
        return True

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

    def begin(self, at: int, length: int, fixed: int) -> None:
        """Start an empty body whose base name stands at an offset of the packed records."""
        self.size = self.moves = self.records_in = self.places = 0
        self.base = self.base_moves = self.base_records = 0
        self.base_length = length
        self.fixed = fixed
        self.first = True
        self.full = False
        self.start = 12 + length + 4
        self.limit = 0x4000 - (255 - length)
        place = 0
        while self.packed.octets[at + place]:
            self.add_place(at + place, length - place, 12 + place)
            place += 1 + self.packed.octets[at + place]

    def add_place(self, at: int, length: int, to: int) -> None:
        """Remember where a name stands in the message."""
        if self.places == _MAX_PLACES:
            self.full = True
            return
        self.place_at[self.places] = at
        self.place_length[self.places] = length
        self.place_to[self.places] = to
        self.places += 1

    def find_place(self, at: int, length: int) -> int:
        """Return where a name stands in the message, 0 where it does not."""
        packed = self.packed
        k = 0
        while k < self.places:
            if self.place_length[k] == length:
                other = self.place_at[k]
                i = length
                while i and lower(packed.octets[at + i - 1]) == lower(packed.octets[other + i - 1]):
                    i -= 1
                if i == 0:
                    return self.place_to[k]
            k += 1
        return 0

    def name(self, at: int, length: int, folded: int) -> None:
        """Append a name, compressed against what stands there already; its case is kept unless folded is set."""
        packed = self.packed
        while packed.octets[at]:
            place = self.find_place(at, length)
            if place and (self.fixed or self.moves - self.base_moves < _MOVES):
                if not self.fixed:
                    if self.moves == _MOVES:
                        self.full = True
                        return
                    self.move_at[self.moves] = self.size - self.base
                    self.move_to[self.moves] = 0xC000 | place
                    self.moves += 1
                self.put16(0xC000 | place)
                return
            if self.first and not place:
                here = self.start + self.size
                if here < self.limit:
                    self.add_place(at, length, here)
            label = packed.octets[at] + 1
            i = 0
            while i < label:
                octet = packed.octets[at + i]
                self.body[self.size + i] = lower(octet) if folded else octet
                i += 1
            self.size += label
            at += label
            length -= label
        self.body[self.size] = 0
        self.size += 1

    def put16(self, number: int) -> None:
        """Append a big-endian number."""
        self.body[self.size] = number >> 8 & 255
        self.body[self.size + 1] = number & 255
        self.size += 2

    def rr(self, owner: int, length: int, at: int) -> None:
        """Append the record at an offset with an owner, which is shown folded."""
        packed = self.packed
        if self.size > _MAX_BODY:
            self.full = True
            return
        self.name(owner, length, True)
        rtype = packed.rtype(at)
        ttl = packed.ttl(at)
        self.put16(rtype)
        self.put16(1)
        self.put16(ttl >> 16)
        self.put16(ttl & 0xFFFF)
        start = packed.rdata(at)
        size = packed.rdlength(at)
        self.records_in += 1
        begin = self.size
        self.put16(size)
        if rtype == 2:
            self.name(start, size, False)
            size = self.size - begin - 2
            self.body[begin] = size >> 8
            self.body[begin + 1] = size & 255
            return
        i = 0
        while i < size:
            self.body[begin + 2 + i] = packed.octets[start + i]
            i += 1
        self.size += size

    def split(self) -> None:
        """Begin the fragment that follows the proofs: it points only to names before them."""
        self.base = self.size
        self.base_moves = self.moves
        self.base_records = self.records_in
        self.first = False

    def mark(self) -> None:
        """Remember the end of a group of additional records."""
        if self.cuts == _MAX_GROUPS:
            self.full = True
            return
        self.cut_octets[self.cuts] = self.size - self.base
        self.cut_moves[self.cuts] = self.moves - self.base_moves
        self.cut_records[self.cuts] = self.records_in - self.base_records
        self.cuts += 1

    def fragment(self, to: int, start: int, size: int, move: int, moves: int, records: int) -> int:
        """Write a fragment of part of the body into .blob and return where it ends."""
        self.store16(to, size)
        total = 0
        i = 0
        while i + 1 < size:
            total += self.body[start + i] << 8 | self.body[start + i + 1]
            i += 2
        if i < size:
            total += self.body[start + i] << 8
        self.store16(to + 2, total % 65535)
        weight = 0
        i = 0
        while i < moves:
            weight += 256 if self.move_at[move + i] & 1 else 1
            i += 1
        self.store16(to + 4, weight % 65535)
        filled = moves + (_TURN - 1 - (moves + _TURN - 1) % _TURN)
        self.store16(to + 6, filled)
        self.blob[to + 8] = self.base_length
        self.blob[to + 9] = min(records, 255)
        self.blob[to + 10] = 0
        self.blob[to + 11] = 0
        to += _FRAGMENT
        i = 0
        while i < filled:
            last = min(i, moves - 1)
            self.store16(to, self.move_at[move + last])
            self.store16(to + 2, self.move_to[move + last])
            to += 4
            i += 1
        i = 0
        while i < size:
            self.blob[to + i] = self.body[start + i]
            i += 1
        return to + size

    def store16(self, to: int, number: int) -> None:
        """Write a number of the store into .blob."""
        self.blob[to] = number & 255
        self.blob[to + 1] = number >> 8 & 255

    def store32(self, to: int, number: int) -> None:
        """Write a number of the store into .blob."""
        self.store16(to, number & 0xFFFF)
        self.store16(to + 2, number >> 16)

    def head(self, to: int, flags: int, answer: int, authority: int, additional: int, size: int) -> None:
        """Write an answer's head into .blob; pieces, kind, and smaller are added by those who know them."""
        i = 0
        while i < _ANSWER:
            self.blob[to + i] = 0
            i += 1
        self.store16(to, flags)
        self.store16(to + 2, answer)
        self.store16(to + 4, authority)
        self.store16(to + 6, additional)
        self.store16(to + 8, size)

    def whole(self, to: int, flags: int, kind: int, answer: int) -> int:
        """Write the answer that the body is into .blob, without variants; return where it ends."""
        records = self.records_in
        self.head(to, flags, records if answer else 0, 0 if answer else records, 0, self.size)
        self.blob[to + 10] = 1
        self.blob[to + 11] = kind
        return self.fragment(to + _ANSWER, 0, self.size, 0, self.moves, records)

    def variants(self, before: int) -> int:
        """Return as bits which numbers of groups the variants of an answer have; before counts octets ahead of them."""
        last = self.cuts - 1
        found = one(self.least) | one(last)
        if self.least == last:
            return found
        size = 1232
        while size:
            room = size - _AROUND - min(self.base_length + _MARGIN, 255) - before
            k = last
            while k > self.least and self.cut_octets[k] > room:
                k -= 1
            if self.cut_octets[k] <= room:
                found |= one(k)
            size = 512 if size == 1232 else 0
        return found

    def referral(self, kind: int, authority: int, proof: int, second: int) -> int:
        """Write the answer of the body: authority records, proofs by reference, groups; return its reference.

        The variants with fewer groups are written first. 0 means that Python must do it.
        """
        if self.full or self.size > _MAX_BODY:
            return 0
        octets = self.base
        proof_records = 0
        proof_octets = 0
        if proof:
            proof_octets = self.heap16(proof, 0)
            proof_records = self.heap[wide(proof) + 9]
            if second:
                proof_octets += self.heap16(second, 0)
                proof_records += self.heap[wide(second) + 9]
        chosen = self.variants(octets + proof_octets)
        first = 0
        if proof:
            first = self.share(self.fragment(0, 0, self.base, 0, self.base_moves, self.base_records))
        ref = 0
        k = 0
        while k < self.cuts:
            if chosen & one(k):
                if proof:
                    ref = self.pieces(
                        kind, authority + proof_records, octets + proof_octets, k, first, proof, second, ref
                    )
                else:
                    size = self.cut_octets[k]
                    self.head(0, 0, 0, authority, self.cut_records[k] - authority, size)
                    self.blob[10] = 1
                    self.blob[11] = kind
                    self.store32(16, ref)
                    ref = self.share(self.fragment(_ANSWER, 0, size, 0, self.cut_moves[k], self.cut_records[k]))
            k += 1
        return ref

    def pieces(
        self, kind: int, authority: int, before: int, k: int, first: int, proof: int, second: int, smaller: int
    ) -> int:
        """Write a referral of several fragments that ends with the first k groups."""
        size = self.cut_octets[k]
        tail = 0
        if size:
            end = self.fragment(0, self.base, size, self.base_moves, self.cut_moves[k], self.cut_records[k])
            tail = self.share(end)
        self.head(0, 0, 0, authority, self.cut_records[k], before + size)
        to = _ANSWER
        self.store32(to, first)
        self.store32(to + 4, proof)
        to += 8
        if second:
            self.store32(to, second)
            to += 4
        if tail:
            self.store32(to, tail)
            to += 4
        self.blob[10] = (to - _ANSWER) >> 2
        self.blob[11] = kind
        self.store32(16, smaller)
        return self.share(to)

    def heap16(self, ref: int, offset: int) -> int:
        """Return a number in the heap."""
        start = wide(ref) + offset
        return self.heap[start] | self.heap[start + 1] << 8

    def nodata(self, to: int, kind: int, soa: int, proof: int, second: int) -> int:
        """Write the answer that there is no such type (the zone's SOA, proofs by reference); return where it ends."""
        size = self.heap16(soa, 0) + self.heap16(proof, 0)
        records = self.heap[wide(soa) + 9] + self.heap[wide(proof) + 9]
        pieces = 2
        if second:
            size += self.heap16(second, 0)
            records += self.heap[wide(second) + 9]
            pieces = 3
        self.head(to, 0x0400, 0, records, 0, size)
        self.blob[to + 10] = pieces
        self.blob[to + 11] = kind
        to += _ANSWER
        self.store32(to, 0)
        self.store32(to + 4, proof)
        to += 8
        if second:
            self.store32(to, second)
            to += 4
        return to

    # nodes

    def cut_node(
        self, at: int, flags: int, plain: int, signed: int, entries: int, answer: int, own: int, more: int
    ) -> int:
        """Write the node of a cut whose name stands at an offset, and return its reference.

        entries is 0, or 1 for a table with DS. Its answers without and with DNSSEC: answer is the reference of the
        first, or 0 where that, in the first own octets of .blob, goes with the node (none: the zone's NODATA); so does
        the second, which is more octets behind it on a multiple of 16 (none if more is 0).
        """
        packed = self.packed
        length = packed.octets[at - 2]
        stored = length - self.suffix
        table = 32 + ((stored + 7) & ~7)
        size = (table + entries * 12 + 15) & ~15
        own_at = size
        total = size + ((own + 15) & ~15) + ((more + 15) & ~15)
        ref = self.take(total)
        start = wide(ref)
        i = 0
        while i < size:
            self.heap[start + i] = 0
            i += 1
        self.heap[start] = stored
        self.heap[start + 1] = self.labels(at)
        self.heap[start + 2] = flags
        self.heap[start + 3] = entries
        word = start >> 2
        self.heap_words[word + 1] = self.number
        self.heap_words[word + 2] = self.version
        self.heap_words[word + 3] = _FOREVER
        self.heap_words[word + 5] = plain
        self.heap_words[word + 6] = signed
        i = 0
        while i < stored:
            self.heap[start + 32 + i] = lower(packed.octets[at + i])
            i += 1
        if entries:
            row = (start + table) >> 2
            self.heap_words[row] = 43
            self.heap_words[row + 1] = ref + (own_at >> 4) if own and not answer else answer
            second = own_at + ((own + 15) & ~15 if own and not answer else 0)
            self.heap_words[row + 2] = ref + (second >> 4) if more else 0
            i = 0
            while i < total - size:
                self.heap[start + size + i] = self.blob[i]
                i += 1
        return ref

    def labels(self, at: int) -> int:
        """Return the number of labels of a name."""
        found = 0
        while self.packed.octets[at]:
            found += 1
            at += 1 + self.packed.octets[at]
        return found

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
                h = ((h ^ word) * _MULTIPLIER) & _M64
                h ^= h >> 32
                i += 8
        return h

    def publish(self, ref: int, at: int) -> None:
        """Hang the node of a name into the index."""
        length = self.packed.octets[at - 2]
        h = self.hash(at, length)
        f = (h * _FINAL) & _M64
        f ^= f >> 32
        if self.record_count == len(self.records):
            self.leave()
        self.records[self.record_count] = ref
        self.record_count += 1
        tag = f & _M32
        first = f >> (64 - self.bits)
        second = first ^ (tag & ((octet64(1) << self.bits) - 1))
        if not self.has_tag(first, tag) and not self.has_tag(second, tag):
            slot = self.free_slot(first)
            if not slot:
                bit = octet64(1) << (tag >> 26)
                slot = self.free_slot(second)
                if slot and self.index[first * 8] & bit:
                    self.store.index.count_displaced(first, tag)
                elif slot:
                    self.index[first * 8] |= bit
            if slot:
                self.index[slot] = tag << 32 | ref
                self.depths[self.heap[wide(ref) + 1]] += 1
                return
        self.store.insert(ref, h)

    def has_tag(self, bucket: int, tag: int) -> int:
        """Tell whether a bucket has a slot with a tag."""
        i = 1
        while i < 8:
            if self.index[bucket * 8 + i] >> 32 == tag and self.index[bucket * 8 + i]:
                return True
            i += 1
        return False

    def free_slot(self, bucket: int) -> int:
        """Return a free slot of a bucket, 0 where there is none."""
        i = 1
        while i < 8:
            if not self.index[bucket * 8 + i]:
                return bucket * 8 + i
            i += 1
        return 0


def wide(ref: int) -> int:
    """Return the offset of a reference or of a packed record."""
    return ref << 4


def one(bit: int) -> int:
    """Return a number with one bit set."""
    return octet64(1) << bit


def octet64(octet: int) -> int:
    """Return a number, wide enough to be shifted."""
    return octet


def lower(octet: int) -> int:
    """Return an octet of a name in lower case."""
    return octet + 32 if 65 <= octet <= 90 else octet
