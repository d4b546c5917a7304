# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The names of a zone over its packed records, in canonical order; compiled by Cython, with the types in packed.pxd.

No record and no name is a Python object here: a name is a number, its records are found through arrays of offsets. The
same source runs uncompiled.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from math import log

from appliance.zone import types
from appliance.zone.canonical import CanonicalOrder
from appliance.zone.name_flags import ADDRESSES, ALIAS, CUT, DATA, DNAME, HASHED, MAX_ODD, OCCLUDED, SIGNED
from appliance.zone.packed_octets import PackedOctets
from appliance.zone.records import HEADER

_ROWS = 24
"""Records of a name that are compared with each other here; where there are more, Python does it with a set."""

A = types.A
AAAA = types.AAAA
NS = types.NS
CNAME = types.CNAME
SOA = types.SOA
RRSIG = types.RRSIG
NSEC = types.NSEC
DS = types.DS
NSEC3 = types.NSEC3
DNAME_TYPE = types.DNAME

_HEAD = HEADER.size
_M32 = 0xFFFFFFFF


class Packed(PackedOctets):
    """The names of one zone, sorted; number i has the records of heads[first[i]] up to heads[first[i + 1]]."""

    def __init__(self, octets: memoryview, origin: bytes) -> None:
        """Find the owners in packed records; .odd_at then has the places of records that may not be acceptable."""
        super().__init__(octets, origin)
        self.order = CanonicalOrder()
        self.probe = bytearray(600)
        self.seen = bytearray(256)
        self.wanted = bytearray(600)
        self.rows_at = array("Q", bytes(8 * _ROWS))
        self.rows_key = array("I", bytes(4 * _ROWS))
        self.odd_at: list[tuple[int, int]] = []
        self.odd = 0
        self.flagged: list[int] = []
        self.ent_names: list[bytes] = []
        self.wildcards: list[int] = []
        self.count = 0
        self.kept = array("I", bytes(4))
        self.kept_count = -1
        runs = self.runs()
        heads = array("I", bytes(4 * runs))
        found = self.find_heads(heads)
        self.sort(heads, found)

    def runs(self) -> int:
        """Return how many runs of records with the same owner there are."""
        at = 0
        found = 0
        while at < self.length:
            found += self.octets[at + 14] != 0
            at += (_HEAD + self.octets[at + 14] + self.u16(at + 12) + 3) & ~3
        return found

    def find_heads(self, heads: array[int]) -> int:
        """Note the start of each run whose owner is in the zone, in units of four octets; return how many."""
        at = 0
        run = 0
        found = 0
        inside = False
        while at < self.length:
            if self.octets[at + 14]:
                run = at
                inside = self.in_zone(at + _HEAD, self.octets[at + 14]) != 0
                if inside:
                    heads[found] = at >> 2
                    found += 1
            if not inside or not self.is_sound(at):
                self.odd += 1
                if self.odd <= MAX_ODD:
                    self.odd_at.append((at, run))
            at += (_HEAD + self.octets[at + 14] + self.u16(at + 12) + 3) & ~3
        return found

    def sort(self, heads: array[int], found: int) -> None:
        """Bring the runs into the canonical order of their owners, those of one owner into that of the file."""
        places = array("I", bytes(4 * (found + 1)))
        size = self.key_octets(heads, found)
        keys = bytearray(size + 1)
        self.write_keys(heads, found, keys, places)
        order = array("I", bytes(4 * found))
        self.order.merge_sort(keys, places, order, array("I", bytes(4 * found)), found)
        self.heads = array("I", bytes(4 * found))
        first = array("I", bytes(4 * (found + 1)))
        self.count = self.take_over(heads, found, keys, places, order, first)
        del first[self.count + 1 :]
        self.first = first
        self.flags = bytearray(self.count + 1)
        self.settled = False

    def key_octets(self, heads: array[int], found: int) -> int:
        """Return how much room the keys of all runs take at most."""
        total = 0
        i = 0
        while i < found:
            total += 2 * self.octets[scaled(heads[i]) + 14]
            i += 1
        return total

    def write_keys(self, heads: array[int], found: int, keys: bytearray, places: array[int]) -> None:
        """Write the key of each run."""
        i = 0
        k = 0
        while i < found:
            at = scaled(heads[i])
            k = self.order.write_key(self.octets, at + _HEAD, self.octets[at + 14] - self.apex_length, keys, k)
            i += 1
            places[i] = k

    def take_over(
        self, heads: array[int], found: int, keys: bytearray, places: array[int], order: array[int], first: array[int]
    ) -> int:
        """Fill .heads and first in the order found; return how many different names there are."""
        i = 0
        count = 0
        while i < found:
            self.heads[i] = heads[order[i]]
            b = order[i]
            if i:
                a = order[i - 1]
            if i == 0 or self.order.compare(keys, places[a], places[a + 1], places[b], places[b + 1]):
                first[count] = i
                count += 1
            i += 1
        first[count] = found
        return count

    # what the records of a name say

    def settle(self) -> None:
        """Note what each name has, and in .flagged those whose records ask for a closer look; then find the cuts."""
        i = 0
        while i < self.count:
            if self.look(i):
                self.flagged.append(i)
            at = scaled(self.heads[self.first[i]]) + _HEAD
            if self.octets[at] == 1 and self.octets[at + 1] == 42:
                self.wildcards.append(i)
            i += 1
        self.find_borders()
        self.settled = True

    def first_record(self, i: int) -> int:
        """Return the first record of a name; owner_at tells where its name stands."""
        return scaled(self.heads[self.first[i]])

    def look(self, i: int) -> int:
        """Set the flags of a name; tell whether its records may break a rule of records beside each other."""
        rows = 0
        flags = 0
        others = 0
        odd = False
        run = self.first[i]
        while run < self.first[i + 1]:
            at = scaled(self.heads[run])
            run += 1
            more = True
            while more:
                rtype = self.rtype(at)
                key = rtype << 16
                if rtype == RRSIG:
                    flags |= SIGNED
                    key |= self.big16(self.rdata(at))
                elif rtype == NSEC3:
                    flags |= HASHED
                else:
                    flags |= DATA
                    if rtype < 256:
                        self.seen[rtype] = 1
                    if rtype == NS:
                        flags |= CUT
                    elif rtype == DNAME_TYPE:
                        flags |= DNAME
                    elif rtype == CNAME:
                        flags |= ALIAS
                    elif rtype in (A, AAAA):
                        flags |= ADDRESSES
                    others += rtype != NSEC
                odd = odd or rows == _ROWS or self.clashes(at, key, rows) != 0
                if rows < _ROWS:
                    self.rows_at[rows] = at
                    self.rows_key[rows] = key
                    rows += 1
                odd = odd or (rtype == SOA and self.octets[scaled(self.heads[self.first[i]]) + 14] != self.apex_length)
                at = self.after(at)
                more = at != 0
        if flags & ALIAS and others > 1:
            odd = True
        if flags & DNAME and flags & CUT:
            odd = True
        if self.is_apex(i):
            flags &= ~CUT
        self.flags[i] = flags
        return odd

    def is_apex(self, i: int) -> int:
        """Tell whether a name is the origin."""
        return self.octets[scaled(self.heads[self.first[i]]) + 14] == self.apex_length

    def clashes(self, at: int, key: int, rows: int) -> int:
        """Tell whether a record may be the same as one of the rows, or has another TTL than its RRset."""
        ttl = self.ttl(at)
        length = self.rdlength(at)
        start = self.rdata(at)
        row = 0
        while row < rows:
            if self.rows_key[row] == key:
                other = self.rows_at[row]
                if key >> 16 == DNAME_TYPE or key >> 16 == CNAME or self.ttl(other) != ttl:
                    return True
                if self.rdlength(other) == length and self.is_same_text(start, self.rdata(other), length):
                    return True
            row += 1
        return False

    def find_borders(self) -> None:
        """Keep the flags of the highest cuts and DNAMEs, mark what lies below, and collect the ENTs."""
        border = -1
        before = -1
        i = 0
        while i < self.count:
            flags = self.flags[i]
            if border >= 0 and self.is_below(i, border):
                flags = (flags | OCCLUDED) & ~(CUT | DNAME)
            else:
                border = -1
                if flags & CUT:
                    flags &= ~DNAME
                if flags & (CUT | DNAME):
                    border = i
                if flags & DATA:
                    self.find_ents(i, before)
                    before = i
            self.flags[i] = flags
            i += 1

    def is_below(self, i: int, above: int) -> int:
        """Tell whether a name lies strictly below another one."""
        at = scaled(self.heads[self.first[i]])
        top = scaled(self.heads[self.first[above]])
        return self.octets[at + 14] > self.octets[top + 14] and self.ends_with(
            at + _HEAD, self.octets[at + 14], top + _HEAD, self.octets[top + 14]
        )

    def find_ents(self, i: int, before: int) -> None:
        """Collect the names above one that are neither owners nor above the owner before it."""
        at = scaled(self.heads[self.first[i]]) + _HEAD
        length = self.octets[at - 2]
        if before < 0:
            return
        place = 1 + self.octets[at]
        if length <= self.apex_length or length - place <= self.apex_length:
            return
        other = scaled(self.heads[self.first[before]]) + _HEAD
        size = self.octets[other - 2]
        while length - place > self.apex_length:
            if self.ends_with(other, size, at + place, length - place):
                return
            self.ent_names.append(bytes(self.memory[at + place : at + length]).lower())
            place += 1 + self.octets[at + place]

    def find_name(self, name: bytes) -> int:
        """Return the number of a folded name, -1 if it owns nothing."""
        length = len(name) - self.apex_length
        if length < 0 or name[length:] != self.origin or name != name.lower():
            return -1
        size = self.order.write_key(name, 0, length, self.wanted, 0)
        return self.search(size)

    def number_of_apex(self) -> int:
        """Return the number of the origin, -1 if it owns nothing."""
        return self.find_name(self.origin)

    def position(self, name: bytes) -> int:
        """Return the number of the first name that sorts like or behind a folded name of the zone."""
        found = self.find_name(name)
        return self.low if found < 0 else found

    def find_at(self, at: int, length: int) -> int:
        """Return the number of a name that stands in the octets, -1 if it is not in the zone or owns nothing."""
        if not self.in_zone(at, length):
            return -1
        return self.search(self.order.write_key(self.octets, at, length - self.apex_length, self.wanted, 0))

    def search(self, size: int) -> int:
        """Return the number of the name whose key is .wanted; where records have gone, only kept names are found."""
        low = 0
        high = self.count if self.kept_count < 0 else self.kept_count
        while low < high:
            middle = (low + high) >> 1
            number = middle if self.kept_count < 0 else self.kept[middle]
            at = scaled(self.heads[self.first[number]])
            length = self.octets[at + 14] - self.apex_length
            end = self.order.write_key(self.octets, at + _HEAD, length, self.probe, 0)
            order = self.order.compare_two(self.probe, end, self.wanted, size)
            if order == 0:
                return number
            if order < 0:
                low = middle + 1
            else:
                high = middle
        self.low = low
        return -1

    # how much the answers will take

    def weigh(self, signed: int, proving: int, denials: int) -> int:
        """Return about how many octets of heap the answers of a settled zone take.

        Cuts with the same servers share a referral: how many differ is told from how full a map of hash bits gets.
        denials is 0, or how many answers there can be that insecure cuts have in place of a referral with proofs; then
        referrals are composed, and DS stands in the store once.
        """
        bits = bytearray(1 << 17)
        total = bodies = cuts = used = secure = 0
        i = 0
        while i < self.count:
            flags = self.flags[i]
            own = self.weigh_records(i, signed)
            at = scaled(self.heads[self.first[i]])
            size = (48 + self.octets[at + 14] - self.apex_length) & ~7
            if not flags & DATA or flags & OCCLUDED:
                total += own
            elif flags & CUT:
                total += (size + (24 if self.ds_octets or not denials else 8)) & ~15
                cuts += 1
                bodies += self.cut_octets + 48
                if self.ds_octets:
                    total += self.ds_octets + 144 if denials else 3 * self.ds_octets + self.cut_octets + 160
                    secure += 1
                elif proving and not denials:
                    total += 72
                place = (self.sum ^ self.sum >> 15) & 0xFFFFF
                used += not bits[place >> 3] >> (place & 7) & 1
                bits[place >> 3] |= 1 << (place & 7)
            else:
                total += ((size + 32) & ~15) + own + (32 if proving else 0)
            i += 1
        if cuts:
            different = min(cuts, distinct(used))
            total += bodies * different // cuts
            if denials:
                total += 32 * min(cuts - secure, denials)
            elif proving:
                total += bodies * different // cuts
        return total

    def weigh_records(self, i: int, signed: int) -> int:
        """Return what the records of a name take where it is no cut; for cuts, fill .cut_octets and .ds_octets."""
        flags = self.flags[i]
        total = 0
        self.cut_octets = self.ds_octets = 0
        self.sum = self.octets[scaled(self.heads[self.first[i]]) + 14]
        run = self.first[i]
        while run < self.first[i + 1]:
            at = scaled(self.heads[run])
            run += 1
            more = True
            while more:
                rtype = self.rtype(at)
                size = self.rdlength(at)
                if rtype == NSEC3 or (rtype == RRSIG and self.big16(self.rdata(at)) == NSEC3):
                    total += size + 60
                elif rtype == RRSIG:
                    total += size + 12
                    if self.big16(self.rdata(at)) == DS:
                        self.ds_octets += size + 12
                elif flags & OCCLUDED:
                    total += 4 * (size + 12)
                else:
                    total += (size + 12) * (2 if signed else 1) + 64
                if rtype == DS:
                    self.ds_octets += size + 12
                elif rtype == NS:
                    self.cut_octets += size + 12
                    self.add_sum(self.rdata(at), size)
                at = self.after(at)
                more = at != 0
        return total

    def add_sum(self, at: int, size: int) -> None:
        """Take octets into .sum."""
        i = 0
        while i < size:
            self.sum = ((self.sum ^ self.octets[at + i]) * 0x01000193) & _M32
            i += 1

    # for the rest of the program, in Python

    def name(self, i: int) -> bytes:
        """Return a name, folded."""
        at = scaled(self.heads[self.first[i]])
        return bytes(self.memory[at + _HEAD : at + _HEAD + self.octets[at + 14]]).lower()

    def places(self, i: int) -> Iterator[tuple[int, int]]:
        """Yield where the records of a name stand and where its owner does, in file order, also of dropped ones.

        One by one: a bad file may have millions under one name.
        """
        run = self.first[i]
        while run < self.first[i + 1]:
            at = scaled(self.heads[run])
            head = at
            run += 1
            more = True
            while more:
                yield at, head
                at = self.after(at)
                more = at != 0

    def has_type(self, rtype: int) -> int:
        """Tell whether any name has records of a type below 256, RRSIG and NSEC3 aside."""
        return self.seen[rtype]

    def flags_of(self, i: int) -> int:
        """Return the flags of a name."""
        return self.flags[i]

    def numbers(self, wanted: int, unwanted: int) -> array[int]:
        """Return the names that have one of some flags and none of others."""
        found = array("I", bytes(4 * self.how_many(wanted, unwanted)))
        i = 0
        k = 0
        while i < self.count:
            if self.flags[i] & wanted and not self.flags[i] & unwanted:
                found[k] = i
                k += 1
            i += 1
        return found

    def how_many(self, wanted: int, unwanted: int) -> int:
        """Return how many names have one of some flags and none of others."""
        total = 0
        i = 0
        while i < self.count:
            total += (self.flags[i] & wanted) != 0 and not self.flags[i] & unwanted
            i += 1
        return total


def distinct(used: int) -> int:
    """Return how many different hashes set so many of 2^20 bits."""
    return int(-log(max(1 - used / (1 << 20), 1e-6)) * (1 << 20)) + 1


def scaled(unit: int) -> int:
    """Return the offset of a record from its place in units of four octets."""
    return unit << 2
