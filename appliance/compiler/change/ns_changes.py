# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Cuts that get other servers and stay what they are otherwise; compiled, types in ns_changes.pxd.

Such a cut keeps the answers for DS that its served node has, and the proofs or the DS that they list, so nothing is
searched. What cannot be told from the served node, or finds no room here, is left to Python.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

import cython

from appliance.compiler.change.node_pairs import NodePairs
from appliance.store.verdict_names import KIND
from appliance.zone import types

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.store.places import heap_offset, heap_word
    from cython.cimports.appliance.zone.packed import header
else:
    from appliance.store import layout
    from appliance.store.places import heap_offset, heap_word
    from appliance.zone.packed import header

if TYPE_CHECKING:
    from appliance.compiler.answers.assemble import Group
    from appliance.compiler.writer import Writer
    from appliance.zone.model import RRset, RRsets

_NS = types.NS
_DS = types.DS
_REFERRAL = KIND["referral"]
_NODATA = KIND["nodata"]
_POSITIVE = KIND["positive"]
_M32 = 0xFFFFFFFF
_LINE = 14
"""Word of a node in its second cache line."""
_SCRATCH = 16384
_ROWS = 64
_GROUPS = 48
_SERVERS = frozenset((types.NS,))


class NsChanges(NodePairs):
    """Writes one node for each cut that take_up() has found, in the place of the served node."""

    def __init__(
        self,
        writer: Writer,
        origin: bytes,
        proving: bool,
        signed: bool,
        composing: bool,
        glue: Callable[[bytes, bool], list[Group]],
    ) -> None:
        """Write into the arena of a writer; `glue` returns the addresses of a cut.

        `proving`: the zone has NSEC or NSEC3; `signed`: it has signatures; `composing`: its referrals are composed.
        """
        super().__init__(writer, origin)
        self.proving = proving
        self.signed = signed
        self.composing = composing
        self.glue = glue
        self.row_at = array("I", bytes(4 * _ROWS))
        self.rows = 0
        self.free = 0
        self.touched = 0
        self.names: list[bytes] = []
        self.servers: list[RRset] = []
        self.secure = array("B", bytes(1))
        self.inside = array("B", bytes(1))

    # which cuts

    def take_up(self, changed: Mapping[bytes, AbstractSet[int]], nodes: Mapping[bytes, RRsets]) -> set[bytes]:
        """Find the cuts that can be done here among changed names; return the names that are left."""
        self.begin_pairs(len(changed))
        self.secure = array("B", bytes(len(changed) + 1))
        self.inside = array("B", bytes(len(changed) + 1))
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
        """Return whether a name may be a cut to be done here; note its hash, and whether it has servers in the zone."""
        if servers is None or not self.fill(name, servers):
            return False
        packed = self.packed
        length = packed.octets[header.OWNER_LENGTH_AT]
        if length <= packed.apex_length or not packed.in_zone(header.SIZE, length):
            return False
        if packed.octets[header.SIZE] == 1 and packed.octets[header.SIZE + 1] == 42:
            return False  # the name above a wildcard knows its node
        self.inside[self.count] = False
        row = 0
        while row < self.rows:
            at = self.row_at[row]
            if packed.in_zone(packed.rdata(at), packed.rdlength(at)):
                self.inside[self.count] = True
            row += 1
        self.hashes[self.count] = self.hash(header.SIZE, length)
        return True

    def fetch(self) -> None:
        """Touch the memory that kept() reads, step by step, so that no cut waits for the memory of the cut before."""
        k = 0
        while k < self.count:
            self.touched += self.index[self.first_bucket(self.hashes[k]) * (layout.BUCKET_SIZE >> 3)]
            k += 1
        k = 0
        while k < self.count:
            slot = self.slot_of(self.hashes[k])
            self.old[k] = self.index[slot] & _M32 if slot else 0
            k += 1
        k = 0
        while k < self.count:
            word = heap_word(self.old[k])
            self.touched += self.heap_words[word] + self.heap_words[word + _LINE]
            k += 1
        k = 0
        while k < self.count:
            if self.heap[heap_offset(self.old[k]) + layout.NODE_FLAGS_AT] == layout.NODE_CUT:
                self.touched += self.heap_words[heap_word(self.proved(self.old[k]))]
            k += 1

    def kept(self) -> set[bytes]:
        """Keep the cuts whose served nodes tell all that is needed, and return the names of these cuts."""
        names, servers = self.names, self.servers
        kept = k = 0
        while k < self.count:
            h, secure = self.hashes[k], self.secure[k]
            self.place_name(names[k])
            old = self.find_cut(h, self.packed.octets[header.OWNER_LENGTH_AT])
            if old and self.is_told(old, secure):
                self.hashes[kept], self.old[kept], self.inside[kept] = h, old, self.inside[k]
                names[kept], servers[kept] = names[k], servers[k]
                kept += 1
            k += 1
        self.count = kept
        del names[kept:], servers[kept:]
        return set(names)

    # what stays of a cut

    def entry(self, old: int) -> int:
        """Return the first word of a node's entry for DS, 0 where it has none."""
        start = heap_offset(old)
        if not self.heap[start + layout.NODE_NTYPES_AT]:
            return 0
        stored = (self.heap[start + layout.NODE_NAME_LEN_AT] + 7) & ~7
        return (start + layout.NODE_WILDCARD_AT + stored) >> 2

    def proved(self, old: int) -> int:
        """Return a node's answer for DS with DO: without an entry for DS `node.other`, which may be a referral."""
        row = self.entry(old)
        return (
            self.heap_words[row + layout.TYPE_ENTRY_ANSWER_WORD + 1]
            if row
            else self.heap_words[heap_word(old) + layout.NODE_OTHER_WORD + 1]
        )

    def is_told(self, old: int, secure: int) -> int:
        """Return whether the served node of a cut tells what its referral with DNSSEC says behind the servers."""
        row = self.entry(old)
        if not row and not self.proving:
            return not secure
        if row and (self.heap[heap_offset(old) + layout.NODE_NTYPES_AT] > 1 or self.heap_words[row] & 0xFFFF != _DS):
            return False
        if not self.proving and not secure:
            return False
        if not self.signed:
            return row != 0
        proved = heap_offset(self.proved(old))
        if not proved or (secure and not row):
            return False
        pieces, kind = self.heap[proved + layout.ANSWER_NFRAG_AT], self.heap[proved + layout.ANSWER_KIND_AT]
        if secure:
            return pieces == layout.DS_PIECES and kind == _POSITIVE
        return (pieces == 2 or pieces == 3) and kind == _NODATA

    def add_kept(self, answer: int) -> None:
        """Collect the fragments that an answer for DS has, its SOA aside."""
        self.clear_inner()
        proved = heap_offset(answer)
        i = 0 if self.heap[proved + layout.ANSWER_KIND_AT] == _POSITIVE else 1
        while i < self.heap[proved + layout.ANSWER_NFRAG_AT]:
            self.add_inner(self.heap_words[(proved + layout.ANSWER_SIZE >> 2) + i])
            i += 1

    # records as packed ones

    def place_name(self, name: bytes) -> None:
        """Lay out the name of a cut."""
        self.copy(name, header.SIZE)
        self.packed.octets[header.OWNER_LENGTH_AT] = len(name)

    def copy(self, octets: bytes, to: int) -> None:
        """Copy octets to a place."""
        found = octets
        size = len(octets)
        i = 0
        while i < size:
            self.packed.octets[to + i] = found[i]
            i += 1

    def place(self, owner: bytes, rtype: int, ttl: int, rdata: bytes) -> int:
        """Lay out a record; return where it ends, 0 where there is no room for it."""
        packed = self.packed
        at = self.free
        size, length = len(owner), len(rdata)
        if size > 255 or at + header.SIZE + size + length + 4 > _SCRATCH:
            return 0
        packed.octets[at + header.OWNER_LENGTH_AT] = size
        packed.octets[at + header.TYPE_AT] = rtype & 255
        packed.octets[at + header.TYPE_AT + 1] = rtype >> 8
        packed.octets[at + header.RDLENGTH_AT] = length & 255
        packed.octets[at + header.RDLENGTH_AT + 1] = length >> 8
        packed.set_ttl(at, ttl)
        self.copy(owner, at + header.SIZE)
        self.copy(rdata, at + header.SIZE + size)
        self.free = (at + header.SIZE + size + length + 3) & ~3
        return self.free

    def fill(self, name: bytes, servers: RRset) -> int:
        """Lay the servers of a cut out; return how many they are, 0 where there is no room."""
        self.rows = 0
        self.free = 0
        owner = name
        for rdata in servers.rdatas:
            if self.rows == _ROWS:
                return 0
            self.row_at[self.rows] = self.free
            self.rows += 1
            if not self.place(owner, _NS, servers.ttl, rdata):
                return 0
            owner = b""
        return self.rows

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
        if not self.fill(self.names[k], self.servers[k]):
            return 0
        self.clear_inner()
        plain = self.build(self.glue(self.names[k], False) if self.inside[k] else None)
        if not plain:
            return 0
        row = self.entry(old)
        if not row and not self.proving:
            ref = self.cut_node(header.SIZE, layout.NODE_CUT, plain, plain, 0, 0, 0, 0, 0)
        else:
            ref = self.write_told(
                k, plain, self.heap_words[row + layout.TYPE_ENTRY_ANSWER_WORD] if row else 0, self.proved(old)
            )
        if ref:
            self.heap_words[heap_word(ref) + layout.NODE_NEXT_WORD] = old
        return ref

    def write_told(self, k: int, plain: int, answer: int, proved: int) -> int:
        """Write a cut that keeps its answers for DS and return the reference of its node; 0 where Python must do it."""
        signed = plain
        if self.signed:
            groups = self.glue(self.names[k], True) if self.inside[k] else None
            if self.composing and not groups:
                if self.heap[heap_offset(proved) + layout.ANSWER_KIND_AT] == _NODATA:
                    return self.cut_node(header.SIZE, layout.NODE_CUT, plain, proved, 0, 0, 0, 0, 0)
                return self.cut_node(header.SIZE, layout.NODE_CUT, plain, proved, 1, answer, proved, 0, 0)
            self.add_kept(proved)
            signed = self.build(groups) if self.inside[k] else self.again()
        return self.cut_node(header.SIZE, layout.NODE_CUT, plain, signed, 1, answer, proved, 0, 0) if signed else 0

    def build(self, groups: list[Group] | None) -> int:
        """Write a referral with what it says behind the servers; return its reference, 0 where Python must do it."""
        length = self.packed.octets[header.OWNER_LENGTH_AT]
        self.begin(header.SIZE, length, False)
        row = 0
        while row < self.rows:
            self.rr(header.SIZE, length, self.row_at[row])
            row += 1
        self.end_authority()
        if groups and not self.add_groups(groups):
            return 0
        return self.referral(_REFERRAL, self.rows)

    def add_groups(self, groups: list[Group]) -> int:
        """Append additional records, the required ones first; return whether there is room for them."""
        start = self.free
        for wanted in (True, False):
            for group in groups:
                if group.required is not wanted:
                    continue
                if self.cuts == _GROUPS:
                    return False
                for owner, rtype, ttl, rdata in group.rrs:
                    at = self.free
                    if owner is None or not self.place(owner, rtype, ttl, rdata):
                        return False
                    self.rr(at + header.SIZE, len(owner), at)
                self.mark()
                if wanted:
                    self.least = self.cuts - 1
        self.free = start
        return True

    def again(self) -> int:
        """Write the referral of the servers laid out last with the kept fragments behind; return its reference."""
        first = self.share(self.fragment(0, 0, self.size, 0, self.moves, self.records_in))
        self.cut_octets[0] = self.cut_records[0] = 0
        return self.pieces(_REFERRAL, self.rows + self.inner_records, self.size + self.inner_octets, 0, first, 0)
