# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Cuts that get other servers and stay what they are otherwise; compiled, types in recut.pxd.

Such a cut keeps the answers for DS that its served node has, and the proofs or the DS that they list, so nothing is
searched. Cuts with servers in the zone are left to Python, and so is all that cannot be told from the served node.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from appliance.answers import layout
from appliance.answers.bulk_writer import BulkWriter
from appliance.answers.layout import KIND
from appliance.zone import types
from appliance.zone.packed import Packed

if TYPE_CHECKING:
    from appliance.answers.writer import Writer
    from appliance.zone.model import RRset, RRsets

_NS = types.NS
_DS = types.DS
_REFERRAL = KIND["referral"]
_NODATA = KIND["nodata"]
_POSITIVE = KIND["positive"]
_CUT = layout.NODE_CUT
_CHAIN = layout.CHAIN_MAX
_FINAL = layout.HASH_FINAL
_M64 = 0xFFFFFFFFFFFFFFFF
_M32 = 0xFFFFFFFF
_HEAD = 16
_ANSWER = 20
_NODE = layout.name_offset(layout.NODE_CUT)
_OTHER_NODE = layout.name_offset(0)
_FROM = 2
_UNTIL = 3
_NEXT = 4
_LINE = 14
_SCRATCH = 16384
_ROWS = 64
_SERVERS = frozenset((types.NS,))


class Recut(BulkWriter):
    """Writes, shows and takes out: one node for each cut that is taken up, in the place of the served one."""

    def __init__(self, writer: Writer, origin: bytes, proving: bool, signed: bool) -> None:
        """Write into the arena of a writer; proving and signed tell what the zone is."""
        super().__init__(writer, Packed(memoryview(b""), origin))
        self.packed.octets = bytearray(_SCRATCH)
        self.proving = proving
        self.signed = signed
        self.served = writer.version - 1
        self.row_at = array("I", bytes(4 * _ROWS))
        self.rows = self.count = 0
        self.touched = 0
        self.names: list[bytes] = []
        self.servers: list[RRset] = []
        self.hashes = array("Q", bytes(8))
        self.secure = array("B", bytes(1))
        self.old = self.new = array("I", bytes(4))

    # which cuts

    def take_up(self, changed: Mapping[bytes, AbstractSet[int]], nodes: Mapping[bytes, RRsets]) -> set[bytes]:
        """Find the cuts that can be done here among changed names; return the names that are left."""
        self.hashes = array("Q", bytes(8 * len(changed) + 8))
        self.secure = array("B", bytes(len(changed) + 1))
        self.old, self.new = array("I", bytes(4 * len(changed) + 4)), array("I", bytes(4 * len(changed) + 4))
        for name, kinds in changed.items():
            rrsets = nodes.get(name) if kinds == _SERVERS else None
            if rrsets is not None and self.is_plain(name, rrsets.get(_NS)):
                self.secure[self.count] = _DS in rrsets
                self.names.append(name)
                self.servers.append(rrsets[_NS])
                self.count += 1
        self.fetch()
        return changed.keys() - self.kept()

    def is_plain(self, name: bytes, servers: RRset | None) -> int:
        """Tell whether the servers of a name are not in the zone, and note its hash."""
        if servers is None or not self.fill(name, servers):
            return False
        packed = self.packed
        length = packed.octets[_HEAD - 2]
        if length <= packed.apex_length or not packed.in_zone(_HEAD, length):
            return False
        if packed.octets[_HEAD] == 1 and packed.octets[_HEAD + 1] == 42:
            return False  # the name above a wildcard knows its node
        row = 0
        while row < self.rows:
            at = self.row_at[row]
            if packed.in_zone(packed.rdata(at), packed.rdlength(at)):
                return False
            row += 1
        self.hashes[self.count] = self.hash(_HEAD, length)
        return True

    def fetch(self) -> None:
        """Touch what .kept reads, step by step, so that cuts do not wait for the memory of the ones before."""
        k = 0
        while k < self.count:
            self.touched += self.index[bucket_of(self.hashes[k], self.bits) * 8]
            k += 1
        k = 0
        while k < self.count:
            slot = self.slot_of(self.hashes[k])
            self.old[k] = self.index[slot] & _M32 if slot else 0
            k += 1
        k = 0
        while k < self.count:
            word = wide(self.old[k]) >> 2
            self.touched += self.heap_words[word] + self.heap_words[word + _LINE]
            k += 1
        k = 0
        while k < self.count:
            if self.heap[wide(self.old[k]) + 2] == _CUT:
                row = self.entry(self.old[k])
                self.touched += self.heap_words[wide(self.heap_words[row + 2]) >> 2] if row else 0
            k += 1

    def kept(self) -> set[bytes]:
        """Keep those whose served nodes tell all that is needed, and return their names."""
        names, servers = self.names, self.servers
        kept = k = 0
        while k < self.count:
            h, secure = self.hashes[k], self.secure[k]
            self.place_name(names[k])
            old = self.find_cut(h, self.packed.octets[_HEAD - 2])
            if old and self.is_told(old, secure):
                self.hashes[kept], self.old[kept] = h, old
                names[kept], servers[kept] = names[k], servers[k]
                kept += 1
            k += 1
        self.count = kept
        del names[kept:], servers[kept:]
        return set(names)

    def place_name(self, name: bytes) -> None:
        """Lay a name out where that of packed records stands."""
        packed = self.packed
        octets = name
        size = len(name)
        packed.octets[_HEAD - 2] = size
        i = 0
        while i < size:
            packed.octets[_HEAD + i] = octets[i]
            i += 1

    def fill(self, name: bytes, servers: RRset) -> int:
        """Lay the records of a cut out as packed ones; return how many they are, 0 where there is no room."""
        packed = self.packed
        size = len(name)
        if size > 255:
            return 0
        self.place_name(name)
        at = 0
        self.rows = 0
        for rdata in servers.rdatas:
            length = len(rdata)
            if self.rows == _ROWS or at + _HEAD + size + length + 4 > _SCRATCH:
                return 0
            self.row_at[self.rows] = at
            self.rows += 1
            packed.octets[at + 14] = size
            packed.octets[at + 8], packed.octets[at + 9] = _NS, 0
            packed.octets[at + 12], packed.octets[at + 13] = length & 255, length >> 8
            packed.set_ttl(at, servers.ttl)
            at += _HEAD + size
            octets = rdata
            i = 0
            while i < length:
                packed.octets[at + i] = octets[i]
                i += 1
            at = (at + length + 3) & ~3
            size = 0
        return self.rows

    def find_cut(self, h: int, length: int) -> int:
        """Return the served node of the name in the records, 0 unless it is a cut that nothing lies below."""
        slot = self.slot_of(h)
        ref = self.index[slot] & _M32 if slot else 0
        while ref:
            word = wide(ref) >> 2
            if self.heap_words[word + 1] == self.number and self.is_served(word) and self.is_named(ref, length):
                return ref if self.heap[wide(ref) + 2] == _CUT else 0
            ref = self.heap_words[word + _NEXT]
        return 0

    def is_served(self, word: int) -> int:
        """Tell whether a node is visible."""
        return self.heap_words[word + _FROM] <= self.served < self.heap_words[word + _UNTIL]

    def is_named(self, ref: int, length: int) -> int:
        """Tell whether a node of the zone has the name in the records."""
        start = wide(ref)
        stored = length - self.suffix
        if self.heap[start] != stored:
            return False
        start += _NODE if self.heap[start + 2] & _CUT else _OTHER_NODE
        i = 0
        while i < stored and self.heap[start + i] == self.packed.octets[_HEAD + i]:
            i += 1
        return i == stored

    def slot_of(self, h: int) -> int:
        """Return where the index has the chain of a name with a hash, 0 where it has none."""
        f = (h * _FINAL) & _M64
        f ^= f >> 32
        tag = f & _M32
        bucket = bucket_of(h, self.bits)
        turn = 0
        while turn < 2:
            i = bucket * 8 + 1
            while i < bucket * 8 + 8:
                if self.index[i] >> 32 == tag and self.index[i]:
                    return i
                i += 1
            bucket ^= tag & ((octet64(1) << self.bits) - 1)
            turn += 1
        return 0

    # what stays of a cut

    def entry(self, old: int) -> int:
        """Return the first word of a node's entry for DS, 0 where it has none."""
        start = wide(old)
        return (start + _NODE + ((self.heap[start] + 7) & ~7)) >> 2 if self.heap[start + 3] else 0

    def is_told(self, old: int, secure: int) -> int:
        """Tell whether the served node of a cut tells what its referral with DNSSEC says behind the servers."""
        row = self.entry(old)
        if not row:
            return not self.proving and not secure
        if self.heap[wide(old) + 3] > 1 or self.heap_words[row] & 0xFFFF != _DS or not (self.proving or secure):
            return False
        if not self.signed:
            return True
        proved = wide(self.heap_words[row + 2])
        if not proved:
            return False
        pieces, kind = self.heap[proved + 10], self.heap[proved + 11]
        if secure:
            return pieces == 3 and kind == _POSITIVE
        return (pieces == 2 or pieces == 3) and kind == _NODATA

    def add_kept(self, row: int, secure: int) -> None:
        """Collect the fragments that the answer for DS has, its SOA aside."""
        self.clear_inner()
        proved = wide(self.heap_words[row + 2])
        i = 0 if secure else 1
        while i < self.heap[proved + 10]:
            self.add_inner(self.heap_words[(proved + _ANSWER >> 2) + i])
            i += 1

    # writing

    def write(self) -> set[bytes]:
        """Write the nodes, which nobody finds yet; return the names of cuts that Python must do after all."""
        self.enter()
        left = set()
        try:
            k = 0
            while k < self.count:
                self.new[k] = self.write_one(k)
                if not self.new[k]:
                    left.add(self.names[k])
                k += 1
        finally:
            self.leave()
        return left

    def write_one(self, k: int) -> int:
        """Write one cut and return the reference of its node; 0 where Python must do it."""
        old = self.old[k]
        self.fill(self.names[k], self.servers[k])
        plain = self.plain_referral()
        if not plain:
            return 0
        signed = plain
        answer = proved = 0
        row = self.entry(old)
        if row:
            answer, proved = self.heap_words[row + 1], self.heap_words[row + 2]
            if self.signed:
                self.add_kept(row, self.heap[wide(proved) + 11] == _POSITIVE)
                signed = self.signed_referral()
        ref = self.cut_node(_HEAD, _CUT, plain, signed, 1 if row else 0, answer, proved, 0, 0)
        self.heap_words[(wide(ref) >> 2) + _NEXT] = old
        return ref

    def plain_referral(self) -> int:
        """Write the referral without DNSSEC and return its reference; 0 where Python must do it."""
        self.clear_inner()
        self.begin(_HEAD, self.packed.octets[_HEAD - 2], False)
        row = 0
        while row < self.rows:
            self.rr(_HEAD, self.packed.octets[_HEAD - 2], self.row_at[row])
            row += 1
        self.base = self.base_moves = self.base_records = 0
        self.cuts = self.least = 0
        self.mark()
        return self.referral(_REFERRAL, self.rows)

    def signed_referral(self) -> int:
        """Write the referral with the same servers and the kept fragments behind them; return its reference."""
        first = self.share(self.fragment(0, 0, self.size, 0, self.moves, self.records_in))
        self.cut_octets[0] = self.cut_records[0] = 0
        return self.pieces(_REFERRAL, self.rows + self.inner_records, self.size + self.inner_octets, 0, first, 0)

    # showing

    def link(self) -> None:
        """Hang the nodes into the index, each before the served one; those before a StoreFull are in .records."""
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
        if self.record_count == len(self.records):
            self.leave()
        slot = self.slot_of(self.hashes[k])
        if slot and self.index[slot] & _M32 == old and self.chain_length(old) < _CHAIN:
            self.join(slot, self.hashes[k])
            self.index[slot] = self.index[slot] >> 32 << 32 | ref
            self.depths[self.heap[wide(ref) + 1]] += 1
        else:
            self.store.insert(ref, self.hashes[k])
        self.records[self.record_count] = ref
        self.record_count += 1

    def chain_length(self, ref: int) -> int:
        """Count the records in a chain."""
        found = 0
        while ref:
            found += 1
            ref = self.heap_words[(wide(ref) >> 2) + _NEXT]
        return found

    def join(self, slot: int, h: int) -> None:
        """Count one more record in the chain of a slot."""
        f = (h * _FINAL) & _M64
        f ^= f >> 32
        if slot >> 3 != f >> (64 - self.bits):
            self.store.index.join(f, slot)

    def expire(self) -> None:
        """Let the served nodes end with the version before."""
        k = 0
        while k < self.count:
            if self.new[k]:
                self.heap_words[(wide(self.old[k]) >> 2) + _UNTIL] = self.version
            k += 1

    def unlink(self) -> int:
        """Take the nodes that have ended out of the index; return how many."""
        found = 0
        depths = self.store.depths
        k = 0
        while k < self.count:
            if self.new[k]:
                found += 1
                slot = self.slot_of(self.hashes[k])
                word, old = wide(self.new[k]) >> 2, self.old[k]
                if slot and self.heap_words[word + _NEXT] == old:
                    self.heap_words[word + _NEXT] = self.heap_words[(wide(old) >> 2) + _NEXT]
                    self.leave_chain(slot, self.hashes[k])
                    depths[self.heap[wide(old) + 1]] -= 1
                else:
                    self.store.unlink(old)
            k += 1
        return found

    def leave_chain(self, slot: int, h: int) -> None:
        """Count one record less in the chain of a slot."""
        f = (h * _FINAL) & _M64
        f ^= f >> 32
        if slot >> 3 != f >> (64 - self.bits):
            self.store.index.leave(f, slot, self.index[slot] & _M32)


def bucket_of(h: int, bits: int) -> int:
    """Return the bucket of first choice for a hash."""
    f = (h * _FINAL) & _M64
    return (f ^ f >> 32) >> (64 - bits)


def wide(ref: int) -> int:
    """Return the offset of a reference."""
    return ref << 4


def octet64(octet: int) -> int:
    """Return a number, wide enough to be shifted."""
    return octet
