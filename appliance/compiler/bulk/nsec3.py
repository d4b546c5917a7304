# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The NSEC3s of a large zone and the table of their hashes into the store; compiled, types in nsec3.pxd."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.bulk.writer import BulkWriter
from appliance.zone import types
from appliance.zone.packed.nsec3 import Chain

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import cursor_offset, octet64, record_offset
else:
    from appliance.store import layout
    from appliance.zone.packed import header
    from appliance.zone.packed.places import cursor_offset, octet64, record_offset

if TYPE_CHECKING:
    from appliance.compiler.writer import Writer
    from appliance.zone.packed.names import Packed

_RRSIG = types.RRSIG
_NSEC3 = types.NSEC3


class BulkChain:
    """Writes the proofs of one zone version."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Write into the arena of a writer."""
        self.packed = packed
        self.writer = BulkWriter(writer, packed)
        self.fragments = array("I", bytes(4))
        self.weights = array("I", bytes(4))
        self.chain: Chain | None = None
        self.proving = False

    def write_chain(self, chain: Chain) -> array[int]:
        """Write the fragments of all NSEC3s and return their references in the order of the chain.

        .weights then has their octets and, in the lowest eight bits, their records: what is written later need not look
        at the fragments, which lie all over the heap for somebody who goes through the names.
        """
        writer = self.writer
        writer.enter()
        self.chain = chain
        self.proving = True
        self.fragments = array("I", bytes(4 * (chain.count + 1)))
        self.weights = array("I", bytes(4 * (chain.count + 1)))
        apex = self.packed.number_of_apex()
        base = self.packed.first_record(apex) + header.SIZE
        k = 0
        while k < chain.count:
            number = chain.numbers[k]
            at = self.packed.first_record(number)
            writer.begin(base, self.packed.apex_length, False)
            writer.first = False
            owner = at + header.SIZE
            length = self.packed.octets[at + header.OWNER_LENGTH_AT]
            writer.rr(owner, length, record_offset(chain.records[k]))
            self.signatures(number, _NSEC3, owner, length)
            size = writer.fragment(0, 0, writer.size, 0, writer.moves, writer.records_in)
            self.weights[k] = writer.size << 8 | writer.records_in
            self.fragments[k] = writer.put(size)
            writer.references += 1
            k += 1
        writer.leave()
        return self.fragments

    def signatures(self, i: int, covered: int, owner: int, length: int) -> int:
        """Append the RRSIGs of a name's RRset; return how many there are."""
        packed = self.packed
        found = 0
        cursor = packed.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
            if packed.rtype(at) == _RRSIG and packed.big16(packed.rdata(at)) == covered and not packed.dropped(at):
                self.writer.rr(owner, length, at)
                found += 1
            cursor = packed.next_of(i, cursor)
        return found

    def slots(self, chain: Chain) -> bytearray:
        """Return the table of hashes as the store has it (docs/store-format.md, "Denial material")."""
        scale = chain.count * 3 // 2
        table = bytearray(layout.NSEC3_HASH_SIZE * (scale + 1 + chain.count))
        used = 0
        k = 0
        self.slot(table, 0, chain, chain.count, self.fragments[chain.count - 1])
        used = 1
        while k < chain.count:
            place = 20 * k
            high = chain.hashes[place] << 16 | chain.hashes[place + 1] << 8 | chain.hashes[place + 2]
            wanted = (octet64(high << 8 | chain.hashes[place + 3]) * scale >> 32) + 1
            while used < wanted:
                self.slot(
                    table, used, chain, k - 1 if k else chain.count, self.fragments[k - 1 if k else chain.count - 1]
                )
                used += 1
            self.slot(table, used, chain, k, self.fragments[k])
            used += 1
            k += 1
        while used < scale + 1:
            self.slot(table, used, chain, chain.count - 1, self.fragments[chain.count - 1])
            used += 1
        del table[layout.NSEC3_HASH_SIZE * used :]
        return table

    def slot(self, table: bytearray, at: int, chain: Chain, k: int, ref: int) -> None:
        """Write one slot of the table: hash k of the chain, or hash 0 where k is their number."""
        at *= layout.NSEC3_HASH_SIZE
        i = 0
        while i < layout.NSEC3_HASH_FRAGMENT_AT:
            octet = 0 if k == chain.count else chain.hashes[20 * k + (7 - i if i < 8 else 19 - i)]
            table[at + i] = octet
            i += 1
        while i < layout.NSEC3_HASH_SIZE:
            table[at + i] = ref >> (8 * (i - layout.NSEC3_HASH_FRAGMENT_AT)) & 255
            i += 1
