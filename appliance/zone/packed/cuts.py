# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What each name of a packed zone has, its highest cuts and its ENTs; compiled by Cython, types in cuts.pxd."""

from __future__ import annotations

from array import array
from functools import partial

import cython

from appliance.zone import types
from appliance.zone.packed.flags import ADDRESSES, ALIAS, CUT, DATA, DNAME, HASHED, OCCLUDED, SIGNED
from appliance.zone.packed.names import Packed
from appliance.zone.threads import APART, divided, side_by_side

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import cursor_offset, is_wildcard
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.places import cursor_offset, is_wildcard

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

_FLAGGED, _WILDCARD, _BELOW_ENTS = 1, 2, 4
"""Marks of names that go into lists."""


def settle(packed: Packed) -> None:
    """Note what each name has, and in .flagged those whose records ask for a closer look; then find the cuts."""
    marks = bytearray(packed.count + 1)
    parts = divided(packed.count)
    settlings = [Settling(packed, marks) for _ in parts]
    side_by_side([partial(one.look_through, *part) for one, part in zip(settlings, parts, strict=True)])
    edges = [0, *[settlings[0].border_between(low) for low, _ in parts[1:]], packed.count]
    borders = zip(settlings, edges, edges[1:], strict=False)
    side_by_side([partial(one.find_borders, low, high) for one, low, high in borders])
    for one in settlings:
        one.hand_over()
    settlings[0].fill_lists()
    packed.settled = True


class Settling:
    """Sets the flags of names; each thread has its own, and other threads run meanwhile."""

    def __init__(self, packed: Packed, marks: bytearray) -> None:
        """Look at sorted records; marks has an octet for each name."""
        self.packed = packed
        self.marks = marks
        self.seen = bytearray(APART + 256)
        self.rows_at = array("Q", bytes(APART + 8 * _ROWS))
        self.rows_key = array("I", bytes(APART + 4 * _ROWS))

    def look_through(self, i: int, high: int) -> None:
        """Set the flags of the names from number i up to another one."""
        with cython.nogil:
            while i < high:
                if self.look(i):
                    self.marks[i] |= _FLAGGED
                if is_wildcard(self.packed.octets, self.packed.first_record(i) + header.SIZE):
                    self.marks[i] |= _WILDCARD
                i += 1

    def look(self, i: int) -> int:
        """Set the flags of a name; tell whether its records may break a rule of records beside each other."""
        rows = 0
        flags = 0
        others = 0
        odd = False
        cursor = self.packed.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
            rtype = self.packed.rtype(at)
            key = rtype << 16
            if rtype == RRSIG:
                flags |= SIGNED
                key |= self.packed.big16(self.packed.rdata(at))
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
            odd = odd or (rtype == SOA and not self.packed.is_apex(i))
            cursor = self.packed.next_of(i, cursor)
        if (flags & ALIAS and others > 1) or (flags & DNAME and flags & CUT):
            odd = True
        if self.packed.is_apex(i):
            flags &= ~CUT
        self.packed.flags[i] = flags
        return odd

    def clashes(self, at: int, key: int, rows: int) -> int:
        """Return whether a record may be the same as one of the rows, or has another TTL than its RRset."""
        ttl = self.packed.ttl(at)
        length = self.packed.rdlength(at)
        start = self.packed.rdata(at)
        row = 0
        while row < rows:
            if self.rows_key[row] == key:
                other = self.rows_at[row]
                if key >> 16 == DNAME_TYPE or key >> 16 == CNAME or self.packed.ttl(other) != ttl:
                    return True
                if self.packed.rdlength(other) == length and self.packed.is_same_text(
                    start, self.packed.rdata(other), length
                ):
                    return True
            row += 1
        return False

    def border_between(self, i: int) -> int:
        """Return the first name from number i on before which no cut and no owner matters to those behind it.

        It lies right below the apex, where no DNAME hides it, and has data. The end if there is none.
        """
        packed = self.packed
        if packed.is_apex(0) and packed.flags[0] & DNAME:
            return packed.count
        while i < packed.count:
            at = packed.first_record(i) + header.SIZE
            if (
                packed.flags[i] & DATA
                and packed.octets[at - header.LENGTH_BEFORE] == packed.apex_length + 1 + packed.octets[at]
            ):
                break
            i += 1
        return i

    def find_borders(self, low: int, high: int) -> None:
        """Keep the flags of the highest cuts and DNAMEs, mark what lies below, and what lies below ENTs."""
        with cython.nogil:
            self.find_highest(low, high)

    def find_highest(self, i: int, high: int) -> None:
        """Do that."""
        border = -1
        before = -1
        while i < high:
            flags = self.packed.flags[i]
            if border >= 0 and self.packed.is_below(i, border):
                flags = (flags | OCCLUDED) & ~(CUT | DNAME)
            else:
                border = -1
                if flags & CUT:
                    flags &= ~DNAME
                if flags & (CUT | DNAME):
                    border = i
                if flags & DATA:
                    if before >= 0 and self.ent_above(i, before, 0):
                        self.marks[i] |= _BELOW_ENTS
                    before = i
            self.packed.flags[i] = flags
            i += 1

    def ent_above(self, i: int, before: int, place: int) -> int:
        """Return where the next name above begins, behind a place of one, that is an ENT; 0 if there is none.

        ENTs are neither owners nor above the owner before.
        """
        at = self.packed.first_record(i) + header.SIZE
        length = self.packed.octets[at - header.LENGTH_BEFORE]
        place += 1 + self.packed.octets[at + place]
        if length - place <= self.packed.apex_length:
            return 0
        other = self.packed.first_record(before) + header.SIZE
        above = self.packed.ends_with(
            other, self.packed.octets[other - header.LENGTH_BEFORE], at + place, length - place
        )
        return 0 if above else place

    def hand_over(self) -> None:
        """Note in the packed records which types were seen."""
        i = 0
        while i < 256:
            self.packed.seen[i] |= self.seen[i]
            i += 1

    def fill_lists(self) -> None:
        """Fill the lists of names to be looked at, of wildcards and of ENTs."""
        packed = self.packed
        before = -1
        i = 0
        while i < packed.count:
            if self.marks[i] & _FLAGGED:
                packed.flagged.append(i)
            if self.marks[i] & _WILDCARD:
                packed.wildcards.append(i)
            if self.marks[i] & _BELOW_ENTS:
                at = packed.first_record(i) + header.SIZE
                place = self.ent_above(i, before, 0)
                while place:
                    packed.ent_names.append(
                        bytes(packed.memory[at + place : at + packed.octets[at - header.LENGTH_BEFORE]]).lower()
                    )
                    place = self.ent_above(i, before, place)
            if packed.flags[i] & DATA and not packed.flags[i] & OCCLUDED:
                before = i
            i += 1
