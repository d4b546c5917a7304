# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The names that a large zone is made of, straight from packed records into the store; compiled, types in bulk.pxd.

The octets of every answer are those that referrals, proofs and nodes write; what is out of the ordinary is theirs.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from appliance.answers.bulk_writer import BulkWriter
from appliance.answers.layout import KIND, NODE_CUT, NODE_WILDCARD
from appliance.zone import types
from appliance.zone.name_flags import CUT, DATA, MATCH, OCCLUDED
from appliance.zone.packed_nsec3 import Chain

if TYPE_CHECKING:
    from appliance.answers.writer import Writer
    from appliance.zone.packed import Packed

_ROWS = 64
_TARGETS = 24
_RUN = 2048
_AA = 0x0400
_NS = types.NS
_DS = types.DS
_A = types.A
_AAAA = types.AAAA
_RRSIG = types.RRSIG
_NSEC3 = types.NSEC3
_REFERRAL = KIND["referral"]
_NODATA = KIND["nodata"]
_POSITIVE = KIND["positive"]
_NODE_CUT = NODE_CUT
_NODE_WILDCARD = NODE_WILDCARD
_HEAD = 16
_OPT_OUT = 1
_M32 = 0xFFFFFFFF
_CACHE = 1 << 16


class Bulk:
    """Writes cuts and NSEC3s of one zone version."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Write into the arena of a writer."""
        self.packed = packed
        self.writer = BulkWriter(writer, packed)
        self.ns = array("Q", bytes(8 * _ROWS))
        self.others = array("Q", bytes(8 * _ROWS))
        self.ds = array("Q", bytes(8 * _ROWS))
        self.sg = array("Q", bytes(8 * _ROWS))
        self.target = array("q", bytes(8 * _TARGETS))
        self.required = array("B", bytes(_TARGETS))
        self.cached_at = array("Q", bytes(8 * _CACHE))
        self.cached_length = array("B", bytes(_CACHE))
        self.cached = array("q", bytes(8 * _CACHE))
        self.class_slots = 1 << 12
        self.classes = 0
        self.model = array("I", b"\xff" * (4 * self.class_slots))
        self.sums = array("I", bytes(4 * self.class_slots))
        self.plain = array("I", bytes(4 * self.class_slots))
        self.fragment = array("I", bytes(4 * self.class_slots))
        self.skip = bytearray(packed.count + 1)
        self.covers = array("I", bytes(4))
        self.fragments = array("I", bytes(4))
        self.chain: Chain | None = None
        self.signed = self.proving = self.by_name = False
        self.soa = 0

    def prepare(self, signed: bool, soa: int) -> None:
        """Take what all answers of the zone share: whether it is signed, its SOA fragment."""
        self.signed = signed
        self.soa = soa

    def prove_by_name(self, covers: array[int]) -> None:
        """Take the fragments that show which types the names have, by number (NSEC)."""
        self.proving = self.by_name = True
        self.covers = covers

    def write_chain(self, chain: Chain) -> array[int]:
        """Write the fragments of all NSEC3s and return their references in the order of the chain."""
        writer = self.writer
        writer.enter()
        self.chain = chain
        self.proving = True
        self.fragments = array("I", bytes(4 * (chain.count + 1)))
        apex = self.packed.number_of_apex()
        base = self.packed.first_record(apex) + _HEAD
        k = 0
        while k < chain.count:
            number = chain.numbers[k]
            at = self.packed.first_record(number)
            writer.begin(base, self.packed.apex_length, False)
            writer.first = False
            owner = at + _HEAD
            length = self.packed.octets[at + 14]
            writer.rr(owner, length, wide(chain.records[k]))
            self.signatures(number, _NSEC3, owner, length)
            size = writer.fragment(0, 0, writer.size, 0, writer.moves, writer.records_in)
            self.fragments[k] = writer.put(size)
            k += 1
        writer.leave()
        return self.fragments

    def signatures(self, i: int, covered: int, owner: int, length: int) -> int:
        """Append the RRSIGs of a name's RRset; return how many there are."""
        packed = self.packed
        found = 0
        run = packed.first[i]
        while run < packed.first[i + 1]:
            at = wide(packed.heads[run])
            run += 1
            more = True
            while more:
                if packed.rtype(at) == _RRSIG and packed.big16(packed.rdata(at)) == covered and not packed.dropped(at):
                    self.writer.rr(owner, length, at)
                    found += 1
                at = packed.after(at)
                more = at != 0
        return found

    def slots(self, chain: Chain) -> bytearray:
        """Return the table of hashes as the store has it (docs/store-format.md, "Denial material")."""
        scale = chain.count * 3 // 2
        table = bytearray(16 * (scale + 1 + chain.count))
        used = 0
        k = 0
        self.slot(table, 0, chain, chain.count, self.fragments[chain.count - 1])
        used = 1
        while k < chain.count:
            place = 20 * k
            high = chain.hashes[place] << 16 | chain.hashes[place + 1] << 8 | chain.hashes[place + 2]
            wanted = (long64(high << 8 | chain.hashes[place + 3]) * scale >> 32) + 1
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
        del table[16 * used :]
        return table

    def slot(self, table: bytearray, at: int, chain: Chain, k: int, ref: int) -> None:
        """Write one slot of the table: hash k of the chain, or hash 0 where k is their number."""
        at *= 16
        i = 0
        while i < 12:
            octet = 0 if k == chain.count else chain.hashes[20 * k + (7 - i if i < 8 else 19 - i)]
            table[at + i] = octet
            i += 1
        while i < 16:
            table[at + i] = ref >> (8 * (i - 12)) & 255
            i += 1

    def leave_out(self, low: int, high: int) -> None:
        """Leave the names from one number up to another to Python."""
        i = low
        while i < high:
            self.skip[i] = 1
            i += 1

    def run(self, i: int) -> int:
        """Write the names from number i on; stop at the first one that Python must do and return it."""
        packed = self.packed
        self.writer.enter()
        while i < packed.count:
            flags = packed.flags[i]
            if flags & DATA and not flags & OCCLUDED and (not flags & CUT or self.skip[i] or not self.cut(i)):
                break
            i += 1
        self.writer.leave()
        return i

    def cut(self, i: int) -> int:
        """Write one cut; return False where Python must do it."""
        packed = self.packed
        writer = self.writer
        at = packed.first_record(i) + _HEAD
        length = packed.octets[at - 2]
        if not self.gather(i):
            return False
        proof = second = 0
        if self.proving and not self.ds_count:
            proof = self.proof(i, at, length)
            if not proof:
                return False
            second = self.second
        slot = self.find_class(i, at, length)
        plain = self.plain[slot] if slot >= 0 else 0
        if not plain:
            plain = self.build(at, length, False, 0, 0)
            if not plain:
                return False
            if slot >= 0:
                self.add_class(slot, i, at, length, plain)
                slot = self.find_class(i, at, length)
        signed = plain
        if self.signed:
            if proof and slot >= 0 and self.fragment[slot]:
                writer.cut_octets[0] = writer.cut_records[0] = 0
                signed = self.refer(self.fragment[slot], proof, second)
            else:
                signed = self.build(at, length, True, proof, second)
        if not signed:
            return False
        node = self.node(i, at, length, plain, signed, proof, second)
        if not node:
            return False
        writer.publish(node, at)
        return True

    def node(self, i: int, at: int, length: int, plain: int, signed: int, proof: int, second: int) -> int:
        """Write the node of a cut and its answers for DS; 0 means that Python must do it."""
        writer = self.writer
        flags = _NODE_CUT
        if self.packed.octets[at] == 1 and self.packed.octets[at + 1] == 42:
            flags |= _NODE_WILDCARD
        if not self.ds_count:
            if not proof:
                return writer.cut_node(at, flags, plain, signed, 0, 0, 0, 0)
            size = writer.nodata(0, _NODATA, self.soa, proof, second)
            return writer.cut_node(at, flags, plain, signed, 1, 0, 0, size)
        own = self.ds_answer(0, at, length, False)
        more = 0
        if own and self.sg_count:
            more = self.ds_answer((own + 15) & ~15, at, length, True)
        if not own or own + more > _RUN or (self.sg_count and not more):
            return 0
        return writer.cut_node(at, flags, plain, signed, 1, 0, own, more)

    def ds_answer(self, to: int, at: int, length: int, dnssec: int) -> int:
        """Write the answer for DS into .blob; return its length, 0 where it is too long."""
        writer = self.writer
        writer.begin(at, length, True)
        self.append(self.ds, self.ds_count, at, length)
        if dnssec:
            self.append(self.sg, self.sg_count, at, length)
        if writer.full or writer.size > _RUN:
            return 0
        return writer.whole(to, _AA, _POSITIVE, True) - to

    def append(self, rows: array[int], count: int, at: int, length: int) -> None:
        """Append records with an owner."""
        row = 0
        while row < count:
            self.writer.rr(at, length, rows[row])
            row += 1

    def gather(self, i: int) -> int:
        """Find NS, DS and the RRSIGs of DS at a cut; tell whether there is room for them."""
        packed = self.packed
        self.ns_count = self.ds_count = self.sg_count = 0
        run = packed.first[i]
        while run < packed.first[i + 1]:
            at = wide(packed.heads[run])
            run += 1
            more = True
            while more:
                if not packed.dropped(at):
                    rtype = packed.rtype(at)
                    if self.ns_count == _ROWS or self.ds_count == _ROWS or self.sg_count == _ROWS:
                        return False
                    if rtype == _NS:
                        self.ns[self.ns_count] = at
                        self.ns_count += 1
                    elif rtype == _DS:
                        self.ds[self.ds_count] = at
                        self.ds_count += 1
                    elif rtype == _RRSIG and packed.big16(packed.rdata(at)) == _DS:
                        self.sg[self.sg_count] = at
                        self.sg_count += 1
                at = packed.after(at)
                more = at != 0
        return self.find_targets(i)

    def find_targets(self, i: int) -> int:
        """Find the servers of the cut that have addresses in the zone; tell whether there is room for them."""
        packed = self.packed
        cut = packed.first_record(i)
        self.targets = 0
        self.inside = False
        row = 0
        while row < self.ns_count:
            at = packed.rdata(self.ns[row])
            length = packed.rdlength(self.ns[row])
            below = packed.ends_with(at, length, cut + _HEAD, packed.octets[cut + 14])
            self.inside = self.inside or below != 0
            number = -1
            if length > 1 and not self.is_known(row, at, length):
                number = self.find(at, length)
            if number >= 0 and self.has_addresses(number):
                if self.targets == _TARGETS:
                    return False
                self.target[self.targets] = number
                self.required[self.targets] = below
                self.targets += 1
            row += 1
        return True

    def is_known(self, row: int, at: int, length: int) -> int:
        """Tell whether the server of a row is that of an earlier one, in another case."""
        packed = self.packed
        other = 0
        while other < row:
            if packed.rdlength(self.ns[other]) == length and packed.ends_with(
                at, length, packed.rdata(self.ns[other]), length
            ):
                return True
            other += 1
        return False

    def find(self, at: int, length: int) -> int:
        """Return the number of a name, which is remembered: few servers have many zones."""
        packed = self.packed
        if not packed.in_zone(at, length):
            return -1
        h = length
        i = 0
        while i < length:
            h = ((h ^ packed.octets[at + i]) * 0x01000193) & _M32
            i += 1
        slot = (h ^ h >> 16) & (_CACHE - 1)
        if self.cached_length[slot] == length and packed.ends_with(at, length, self.cached_at[slot], length):
            return self.cached[slot]
        number = packed.find_at(at, length)
        self.cached_at[slot] = at
        self.cached_length[slot] = length
        self.cached[slot] = number
        return number

    def has_addresses(self, i: int) -> int:
        """Tell whether a name has address records."""
        packed = self.packed
        run = packed.first[i]
        while run < packed.first[i + 1]:
            at = wide(packed.heads[run])
            run += 1
            more = True
            while more:
                if packed.rtype(at) == _A or packed.rtype(at) == _AAAA:
                    return True
                at = packed.after(at)
                more = at != 0
        return False

    def proof(self, i: int, at: int, length: int) -> int:
        """Return the fragment that proves which types a cut has, another one in .second; 0 where Python must look."""
        packed = self.packed
        self.second = 0
        if self.by_name or self.chain is None:
            return self.covers[i]
        place = self.chain.places[i]
        if place & MATCH:
            return self.fragments[place & ~MATCH]
        above = packed.octets[at] + 1
        number = self.find(at + above, length - above)
        if number < 0 or not self.chain.places[number] & MATCH:
            return 0
        if not self.chain.flags_at(place) & _OPT_OUT:
            return 0
        encloser = self.chain.places[number] & ~MATCH
        if encloser != place:
            self.second = self.fragments[place]
        return self.fragments[encloser]

    def build(self, at: int, length: int, dnssec: int, proof: int, second: int) -> int:
        """Write a referral and return its reference, 0 where Python must do it."""
        writer = self.writer
        writer.begin(at, length, False)
        self.append(self.ns, self.ns_count, at, length)
        if dnssec and self.ds_count:
            self.append(self.ds, self.ds_count, at, length)
            self.append(self.sg, self.sg_count, at, length)
        authority = writer.records_in
        if proof:
            writer.split()
        else:
            writer.base = writer.base_moves = writer.base_records = 0
        writer.cuts = writer.least = 0
        writer.mark()
        wanted = 1
        while wanted >= 0:
            k = 0
            while k < self.targets:
                if self.required[k] == wanted:
                    self.add_group(self.target[k], _A, dnssec)
                    self.add_group(self.target[k], _AAAA, dnssec)
                    if wanted:
                        writer.least = writer.cuts - 1
                k += 1
            wanted -= 1
        return writer.referral(_REFERRAL, authority, proof, second)

    def add_group(self, i: int, rtype: int, dnssec: int) -> None:
        """Append the addresses of a name, with their RRSIGs if they are authoritative and DNSSEC is asked for."""
        packed = self.packed
        owner = packed.first_record(i) + _HEAD
        length = packed.octets[owner - 2]
        found = 0
        run = packed.first[i]
        while run < packed.first[i + 1]:
            at = wide(packed.heads[run])
            run += 1
            more = True
            while more:
                if packed.rtype(at) == rtype and not packed.dropped(at):
                    self.writer.rr(owner, length, at)
                    found += 1
                at = packed.after(at)
                more = at != 0
        if found:
            if dnssec and not packed.flags[i] & (CUT | OCCLUDED):
                self.signatures(i, rtype, owner, length)
            self.writer.mark()

    def refer(self, fragment: int, proof: int, second: int) -> int:
        """Write the referral with DNSSEC whose first fragment is there already, and no glue."""
        writer = self.writer
        size = writer.heap16(fragment, 0) + writer.heap16(proof, 0)
        records = self.ns_count + writer.heap[wide4(proof) + 9]
        if second:
            size += writer.heap16(second, 0)
            records += writer.heap[wide4(second) + 9]
        return writer.pieces(_REFERRAL, records, size, 0, fragment, proof, second, 0)

    # cuts of the same class have the same referral: same length, same names above, same servers, none of them below

    def sum_class(self, at: int, length: int) -> int:
        """Return a hash of what the referral of a cut depends on."""
        packed = self.packed
        h = length
        place = packed.octets[at] + 1
        while place < length:
            h = ((h ^ packed.octets[at + place]) * 0x01000193) & _M32
            place += 1
        row = 0
        while row < self.ns_count:
            start = packed.rdata(self.ns[row])
            size = packed.rdlength(self.ns[row])
            i = 0
            while i < size:
                h = ((h ^ packed.octets[start + i]) * 0x01000193) & _M32
                i += 1
            h ^= h >> 15
            row += 1
        return h

    def find_class(self, i: int, at: int, length: int) -> int:
        """Return the slot of a cut's class, or a free one for it; -1 where a cut is a class of its own."""
        if self.inside:
            return -1
        h = self.sum_class(at, length)
        self.sum = h
        slot = h & (self.class_slots - 1)
        while self.model[slot] != _M32:
            if self.sums[slot] == h and self.is_class(self.model[slot], at, length):
                return slot
            slot = (slot + 1) & (self.class_slots - 1)
        return slot

    def is_class(self, model: int, at: int, length: int) -> int:
        """Tell whether the cut at hand has the class of another one."""
        packed = self.packed
        other = packed.first_record(model) + _HEAD
        label = packed.octets[at] + 1
        if packed.octets[other - 2] != length or packed.octets[other] + 1 != label:
            return False
        if not packed.ends_with(at + label, length - label, other + label, length - label):
            return False
        found = 0
        run = packed.first[model]
        while run < packed.first[model + 1]:
            one = wide(packed.heads[run])
            run += 1
            more = True
            while more:
                if packed.rtype(one) == _NS and not packed.dropped(one):
                    if found == self.ns_count or not self.is_same(one, self.ns[found]):
                        return False
                    found += 1
                one = packed.after(one)
                more = one != 0
        return found == self.ns_count

    def is_same(self, one: int, other: int) -> int:
        """Tell whether two records have the same TTL and RDATA."""
        packed = self.packed
        size = packed.rdlength(one)
        if size != packed.rdlength(other) or packed.ttl(one) != packed.ttl(other):
            return False
        a = packed.rdata(one)
        b = packed.rdata(other)
        i = 0
        while i < size:
            if packed.octets[a + i] != packed.octets[b + i]:
                return False
            i += 1
        return True

    def add_class(self, slot: int, i: int, at: int, length: int, plain: int) -> None:
        """Remember the referral of a class, and the fragment of its servers where there is no glue."""
        writer = self.writer
        self.model[slot] = i
        self.sums[slot] = self.sum
        self.plain[slot] = plain
        self.fragment[slot] = 0
        if self.proving and not self.targets:
            writer.begin(at, length, False)
            self.append(self.ns, self.ns_count, at, length)
            self.fragment[slot] = writer.share(writer.fragment(0, 0, writer.size, 0, writer.moves, writer.records_in))
        self.classes += 1
        if self.classes * 4 > self.class_slots * 3:
            self.grow()

    def grow(self) -> None:
        """Double the table of classes."""
        model, sums, plain, fragment, old = self.model, self.sums, self.plain, self.fragment, self.class_slots
        self.class_slots = old * 2
        self.model = array("I", b"\xff" * (4 * self.class_slots))
        self.sums = array("I", bytes(4 * self.class_slots))
        self.plain = array("I", bytes(4 * self.class_slots))
        self.fragment = array("I", bytes(4 * self.class_slots))
        i = 0
        while i < old:
            if model[i] != _M32:
                slot = sums[i] & (self.class_slots - 1)
                while self.model[slot] != _M32:
                    slot = (slot + 1) & (self.class_slots - 1)
                self.model[slot] = model[i]
                self.sums[slot] = sums[i]
                self.plain[slot] = plain[i]
                self.fragment[slot] = fragment[i]
            i += 1


def wide(unit: int) -> int:
    """Return the offset of a packed record."""
    return unit << 2


def wide4(ref: int) -> int:
    """Return the offset of a reference in the heap."""
    return ref << 4


def long64(number: int) -> int:
    """Return a number, wide enough to be multiplied."""
    return number
