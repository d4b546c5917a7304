# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The names that a large zone is made of, straight from packed records into the store; compiled, types in cuts.pxd.

The octets of every answer are those that referrals, proofs and nodes write; what is out of the ordinary is theirs.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cython

from appliance.compiler.answers.positive import MOST_ADDED
from appliance.compiler.bulk.classes import CutClasses
from appliance.store.layout import NODE_CUT, NODE_WILDCARD
from appliance.store.verdict_names import KIND
from appliance.zone import types
from appliance.zone.packed.flags import ADDRESSES, CUT, DATA, MATCH, OCCLUDED

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import cursor_offset, is_wildcard
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.places import cursor_offset, is_wildcard

if TYPE_CHECKING:
    from appliance.compiler.writer import Writer
    from appliance.zone.packed.names import Packed
    from appliance.zone.packed.nsec3 import Chain

_ROWS = 64
_TARGETS = 24
_RUN = 2048
_OWN = 32
_RR_HEAD = 12
_LEAST = 8
_AA = 0x0400
_NS = types.NS
_DS = types.DS
_A = types.A
_AAAA = types.AAAA
_RRSIG = types.RRSIG
_REFERRAL = KIND["referral"]
_NODATA = KIND["nodata"]
_POSITIVE = KIND["positive"]
_NODE_CUT = NODE_CUT
_NODE_WILDCARD = NODE_WILDCARD
_OPT_OUT = 1
_M32 = 0xFFFFFFFF
_CACHE = 1 << 16
_MOST_ADDED = MOST_ADDED


class Bulk(CutClasses):
    """Writes the cuts of one zone version."""

    def __init__(self, writer: Writer, packed: Packed) -> None:
        """Write into the arena of a writer."""
        super().__init__(writer, packed)
        self.ds = array("Q", bytes(8 * _ROWS))
        self.sg = array("Q", bytes(8 * _ROWS))
        self.target = array("q", bytes(8 * _TARGETS))
        self.required = array("B", bytes(_TARGETS))
        self.cached_at = array("Q", bytes(8 * _CACHE))
        self.cached_length = array("B", bytes(_CACHE))
        self.cached = array("q", bytes(8 * _CACHE))
        self.skip = bytearray(packed.count + 1)
        self.covers = array("I", bytes(4))
        self.second = self.weight = self.second_weight = 0
        self.by_name = self.shares_ds = False
        self.divided = writer.aside is not writer.arena
        self.soa = 0
        self.denied = self.denied_by = array("I", bytes(4))

    def prepare(self, signed: bool, soa: int, shares_ds: bool) -> None:
        """Take what holds for all answers: whether they are signed, the SOA fragment, whether DS is shared."""
        self.signed = signed
        self.soa = soa
        self.shares_ds = shares_ds

    def prove_by_chain(self, chain: Chain) -> array[int]:
        """Write the NSEC3s; insecure cuts with the same covering NSEC3 then share their answer for DS."""
        self.denied = array("I", bytes(4 * (chain.count + 1)))
        self.denied_by = array("I", bytes(4 * (chain.count + 1)))
        return self.write_chain(chain)

    def prove_by_name(self, covers: array[int]) -> None:
        """Take the fragments that show which types the names have, by number (NSEC)."""
        self.proving = self.by_name = True
        self.covers = covers

    def leave_out(self, low: int, high: int) -> None:
        """Leave the names from one number up to another to Python."""
        i = low
        while i < high:
            self.skip[i] = 1
            i += 1

    def next_other(self, i: int) -> int:
        """Return the first name from number i on that is not a cut to be written here."""
        packed = self.packed
        while i < packed.count:
            flags = packed.flags[i]
            if flags & DATA and not flags & OCCLUDED and (not flags & CUT or self.skip[i]):
                break
            i += 1
        return i

    def run(self, i: int, end: int) -> int:
        """Write the cuts from number i up to another one; stop at the first one that Python must do and return it."""
        packed = self.packed
        self.writer.enter()
        try:
            while i < end:
                flags = packed.flags[i]
                if flags & CUT and not flags & OCCLUDED and not self.skip[i] and not self.cut(i):
                    break
                i += 1
        finally:
            self.writer.leave()  # what was published before StoreFull is taken out again by these records
        return i

    def cut(self, i: int) -> int:
        """Write one cut; return False where Python must do it."""
        packed = self.packed
        writer = self.writer
        at = packed.first_record(i) + header.SIZE
        length = packed.octets[at - header.LENGTH_BEFORE]
        if not self.gather(i) or not self.takes_ds():
            return False
        proof = second = 0
        if self.proving and not self.ds_count:
            proof = self.proof(i, at, length)
            if not proof:
                return False
            second = self.second
        writer.clear_inner()
        slot = self.find_class(at, length)
        plain = self.plain[slot] if slot >= 0 else 0
        if not plain:
            plain = self.build(at, length, False)
            if not plain:
                return False
            if slot >= 0:
                self.add_class(slot, at, length, plain)
                slot = self.find_class(at, length)
        signed = 0 if self.signed else plain
        composed = self.signed and self.shares_ds and (proof or self.sg_count) and not self.targets
        if self.signed and (self.sg_count or not composed):
            self.add_inners(at, length, proof, second)
        if self.signed and not composed:
            if writer.inners and slot >= 0 and not self.targets:
                signed = self.refer(self.fragment_of(slot, at, length), self.fragment_octets[slot])
            else:
                signed = self.build(at, length, True)
        if not signed and not composed:
            return False
        node = self.node(i, at, length, plain, signed, proof, second)
        if not node:
            return False
        writer.publish(node, at)
        return True

    def add_inners(self, at: int, length: int, proof: int, second: int) -> None:
        """Collect what a referral with DNSSEC says behind the servers: proofs, or DS in the parts its answers share."""
        writer = self.writer
        if proof:
            self.add_proof(proof, self.weight)
            if second:
                self.add_proof(second, self.second_weight)
        elif self.sg_count and self.shares_ds:
            writer.begin(at, length, False)
            self.append(self.ds, self.ds_count, at, length)
            writer.add_inner(writer.share(writer.fragment(0, 0, _RR_HEAD, 0, 1, 0)))
            writer.add_inner(writer.put(writer.rest(_RR_HEAD, 1, writer.records_in)))
            writer.begin(at, length, False)
            self.append(self.sg, self.sg_count, at, length)
            writer.add_inner(writer.put(writer.fragment(0, 0, writer.size, 0, writer.moves, writer.records_in)))

    def add_proof(self, ref: int, weight: int) -> None:
        """Collect a proof; weight 0 means that nothing is known of it."""
        if weight:
            self.writer.add_weighed(ref, weight)
        else:
            self.writer.add_inner(ref)

    def takes_ds(self) -> int:
        """Return whether DS and its signature are what can be done here: parts to share, or whole in each answer.

        Where what DO asks for has an arena of its own, Python places it.
        """
        if not self.sg_count or not self.signed:
            return True
        if not self.shares_ds:
            return not self.divided
        packed = self.packed
        total = 0
        row = 0
        while row < self.ds_count:
            total += packed.rdlength(self.ds[row]) + _RR_HEAD
            row += 1
        row = 0
        while row < self.sg_count:
            total += packed.rdlength(self.sg[row]) + _RR_HEAD
            row += 1
        return self.ds_count > 0 and total <= _RUN and packed.rdlength(self.ds[0]) >= _LEAST

    def node(self, i: int, at: int, length: int, plain: int, signed: int, proof: int, second: int) -> int:
        """Write the node of a cut and its answers for DS; 0 means that Python must do it.

        signed is 0 where the referral with DNSSEC is composed: the answer for DS then stands in its place.
        """
        writer = self.writer
        flags = _NODE_CUT
        if is_wildcard(self.packed.octets, at):
            flags |= _NODE_WILDCARD
        if not self.ds_count:
            if not proof:
                return writer.cut_node(at, flags, plain, signed, 0, 0, 0, 0, 0)
            proved = size = 0
            if self.by_name or self.chain is None or self.chain.places[i] & MATCH:
                size = writer.nodata(0, _NODATA, self.soa, proof, second)
            else:
                place = self.chain.places[i]
                if self.denied_by[place] != proof:
                    self.denied_by[place] = proof
                    self.denied[place] = writer.put(writer.nodata(0, _NODATA, self.soa, proof, second))
                proved = self.denied[place]
            if not signed:
                return writer.cut_node(at, flags, plain, proved, 0, 0, 0, 0, size)
            return writer.cut_node(at, flags, plain, signed, 1, 0, proved, 0, size)
        if not self.sg_count or not self.shares_ds:
            own = self.ds_answer(0, at, length, False)
            more = self.ds_answer((own + 15) & ~15, at, length, True) if own and self.sg_count else 0
            if not own or (self.sg_count and not more):
                return 0
            return writer.cut_node(at, flags, plain, signed, 1, 0, 0, own, more)
        more = writer.inner_answer(_OWN, _AA, _POSITIVE) - _OWN
        writer.drop_inner()
        own = writer.inner_answer(0, _AA, _POSITIVE)
        return writer.cut_node(at, flags, plain, signed, 1, 0, 0, own, more)

    def ds_answer(self, to: int, at: int, length: int, dnssec: int) -> int:
        """Write an answer for DS into .blob, whole; return its length, 0 where it is too long."""
        writer = self.writer
        writer.begin(at, length, True)
        self.append(self.ds, self.ds_count, at, length)
        if dnssec:
            self.append(self.sg, self.sg_count, at, length)
        if writer.full or to + writer.size + _OWN > _RUN:
            return 0
        return writer.whole(to, _AA, _POSITIVE, True) - to

    def gather(self, i: int) -> int:
        """Find NS, DS and the RRSIGs of DS at a cut; tell whether there is room for them."""
        packed = self.packed
        self.ns_count = self.ds_count = self.sg_count = 0
        cursor = packed.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
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
            cursor = packed.next_of(i, cursor)
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
            below = packed.ends_with(at, length, cut + header.SIZE, packed.octets[cut + header.OWNER_LENGTH_AT])
            self.inside = self.inside or below != 0
            number = -1
            if length > 1 and not self.is_known(row, at, length):
                number = self.find(at, length)
            if number >= 0 and self.has_addresses(number):
                if self.targets == _TARGETS or self.is_crowded(number):
                    return False
                self.target[self.targets] = number
                self.required[self.targets] = below
                self.targets += 1
            row += 1
        return True

    def is_known(self, row: int, at: int, length: int) -> int:
        """Return whether the server of a row is that of an earlier one, in another case."""
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

    def is_crowded(self, i: int) -> int:
        """Return whether a name has more than _MOST_ADDED records: then Python decides which addresses are left out."""
        packed = self.packed
        left = _MOST_ADDED
        cursor = packed.first_of(i)
        while cursor:
            if not left:
                return True
            left -= 1
            cursor = packed.next_of(i, cursor)
        return False

    def has_addresses(self, i: int) -> int:
        """Return whether a name has address records."""
        return self.packed.flags[i] & ADDRESSES

    def proof(self, i: int, at: int, length: int) -> int:
        """Return the fragment that proves which types a cut has, another one in .second; 0 where Python must look."""
        packed = self.packed
        self.second = self.weight = self.second_weight = 0
        if self.by_name or self.chain is None:
            return self.covers[i]
        place = self.chain.places[i]
        if place & MATCH:
            self.weight = self.weights[place & ~MATCH]
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
            self.second_weight = self.weights[place]
        self.weight = self.weights[encloser]
        return self.fragments[encloser]

    def build(self, at: int, length: int, dnssec: int) -> int:
        """Write a referral and return its reference, 0 where Python must do it."""
        writer = self.writer
        writer.begin(at, length, False)
        self.append(self.ns, self.ns_count, at, length)
        if dnssec and not writer.inners:
            self.append(self.ds, self.ds_count, at, length)
            self.append(self.sg, self.sg_count, at, length)
        authority = writer.records_in
        writer.end_authority()
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
        return writer.referral(_REFERRAL, authority)

    def add_group(self, i: int, rtype: int, dnssec: int) -> None:
        """Append the addresses of a name, with their RRSIGs if they are authoritative and DNSSEC is asked for."""
        packed = self.packed
        owner = packed.first_record(i) + header.SIZE
        length = packed.octets[owner - header.LENGTH_BEFORE]
        found = 0
        cursor = packed.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
            if packed.rtype(at) == rtype and not packed.dropped(at):
                self.writer.rr(owner, length, at)
                found += 1
            cursor = packed.next_of(i, cursor)
        if found:
            if dnssec and not packed.flags[i] & (CUT | OCCLUDED):
                self.signatures(i, rtype, owner, length)
            self.writer.mark()

    def refer(self, fragment: int, octets: int) -> int:
        """Write the referral with DNSSEC whose first fragment, of `octets` octets, is there already, and no glue."""
        writer = self.writer
        writer.cut_octets[0] = writer.cut_records[0] = 0
        size = octets + writer.inner_octets
        return writer.pieces(_REFERRAL, self.ns_count + writer.inner_records, size, 0, fragment, 0)

    # cuts of the same class have the same referral: same length, same names above, same servers, none of them below
