# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Checks of all names of a packed zone that only clear what is beyond doubt; compiled, with the types in screen.pxd.

What is not cleared goes to the checks that know the words for it; of findings that would not be told any more, being
far from the first of their class, only the number is kept.
"""

from __future__ import annotations

from array import array

import cython

from appliance.zone import types
from appliance.zone.packed.flags import CUT, DATA, HASHED, MATCH, OCCLUDED, SIGNED
from appliance.zone.packed.names import Packed
from appliance.zone.packed.nsec3 import Chain
from appliance.zone.threads import APART

if cython.compiled:
    from cython.cimports.appliance.zone.packed import fields, header
    from cython.cimports.appliance.zone.packed.places import cursor_offset, is_wildcard, lower, record_offset
else:
    from appliance.zone.packed import fields, header
    from appliance.zone.packed.places import cursor_offset, is_wildcard, lower, record_offset

_ROWS = 64
_RRSIG = types.RRSIG
_NSEC = types.NSEC
_NSEC3 = types.NSEC3
_NS = types.NS
_DS = types.DS
_DNSKEY = types.DNSKEY
_OPT_OUT = 1
_NEVER = 1 << 62
_HALF = 0x80000000
_M32 = 0xFFFFFFFF
_UNSIGNED, _EXPIRED, _NOT_YET = 4, 5, 6
"""Places of further counts behind those of the classes."""

MISSING, MISMATCH, KEY, TIME = 0, 1, 2, 3
"""Classes of findings: rrsig-missing, rrsig-mismatch, dnskey-match, rrsig-expired."""
OWN, HASH, REST = 0, 1, 2
"""What is gone through: RRsets of names, NSEC3s, RRSIGs of nothing."""


class Screen:
    """Goes through names in their order and stops at each one that somebody must look at; each thread has its own."""

    def __init__(self, packed: Packed, keys: list[tuple[int, int]], now: int) -> None:
        """Take the keys (tag, algorithm) that may sign, none if any may, and the time in seconds since 1970."""
        self.packed = packed
        self.tags = array("I", [tag for tag, _ in keys] or [0])
        self.algorithms = array("I", [algorithm for _, algorithm in keys] or [0])
        self.keys = len(keys)
        self.now = now
        self.at = array("Q", bytes(APART + 8 * _ROWS))
        self.key = array("I", bytes(APART + 4 * _ROWS))
        self.rows = 0
        self.bits = bytearray(APART + 32)
        self.silent = array("B", bytes(4))
        self.unsaid = array("Q", bytes(APART + 8 * 4))
        self.new = array("Q", bytes(APART + 8 * 8))
        self.count = self.missing = self.expired = self.not_yet_valid = 0
        self.earliest = _NEVER

    def silence(self, kind: int) -> None:
        """Only count findings of a class from now on."""
        self.silent[kind] = 1

    def counted(self, kind: int) -> int:
        """Return how many findings of a class were only counted."""
        return self.unsaid[kind]

    def gather(self, i: int) -> int:
        """Find the records of a name; tell whether there is room for all of them."""
        self.rows = 0
        cursor = self.packed.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
            if not self.packed.dropped(at):
                if self.rows == _ROWS:
                    return False
                rtype = self.packed.rtype(at)
                self.at[self.rows] = at
                self.key[self.rows] = rtype << 16 | (self.packed.big16(self.packed.rdata(at)) if rtype == _RRSIG else 0)
                self.rows += 1
            cursor = self.packed.next_of(i, cursor)
        return True

    def seek(self, kind: int, i: int, high: int) -> int:
        """Return the first name from number i on that may not be as it should be, high if there is none before that.

        Other threads run meanwhile.
        """
        found = 0
        with cython.nogil:
            found += self.find(kind, i, high)
        return found

    def find(self, kind: int, i: int, high: int) -> int:
        """Do the same, and count the others' RRSIGs."""
        while i < high:
            flags = self.packed.flags[i]
            if kind == OWN:
                if flags & DATA and not flags & OCCLUDED and not self.is_signed(i, flags & CUT, False):
                    return i
            elif kind == HASH:
                if flags & HASHED and not self.is_signed(i, 0, True):
                    return i
            elif flags & SIGNED and not self.is_needed(i):
                return i
            i += 1
        return i

    def is_needed(self, i: int) -> int:
        """Return whether each RRSIG of a name is of data that are there, and signed there."""
        if not self.gather(i):
            return False
        found = 0
        row = 0
        while row < self.rows:
            if self.key[row] >> 16 == _RRSIG:
                covered = self.key[row] & 0xFFFF
                if self.packed.flags[i] & CUT and covered != _DS and covered != _NSEC and covered != _NSEC3:
                    return False
                other = 0
                while other < self.rows and self.key[other] != covered << 16:
                    other += 1
                if other == self.rows:
                    return False
                found += 1
            row += 1
        self.count += found
        return True

    def is_signed(self, i: int, cut: int, hashed: int) -> int:
        """Return whether nothing is to be said about the signatures of a name; then they are counted."""
        if not self.gather(i):
            return False
        j = 0
        while j < 8:
            self.new[j] = 0
            j += 1
        earliest = self.earliest
        labels = self.label_count(i)
        row = 0
        while row < self.rows:
            rtype = self.key[row] >> 16
            wanted = rtype == _NSEC3 if hashed else rtype != _RRSIG and rtype != _NSEC3
            if cut and rtype != _DS and rtype != _NSEC:
                wanted = False
            if wanted and self.is_first(row):
                end = self.look(row, rtype, labels)
                earliest = min(earliest, end)
            row += 1
        kind = 0
        while kind < 4:
            if self.new[kind] and not self.silent[kind]:
                return False
            kind += 1
        kind = 0
        while kind < 4:
            self.unsaid[kind] += self.new[kind]
            kind += 1
        self.missing += self.new[_UNSIGNED]
        self.expired += self.new[_EXPIRED]
        self.not_yet_valid += self.new[_NOT_YET]
        self.earliest = earliest
        return True

    def is_first(self, row: int) -> int:
        """Return whether a row is the first of its RRset."""
        i = 0
        while i < row:
            if self.key[i] == self.key[row]:
                return False
            i += 1
        return True

    def label_count(self, i: int) -> int:
        """Return the number of labels of a name as RRSIGs count them."""
        at = self.packed.first_record(i) + header.SIZE
        labels = 0
        if is_wildcard(self.packed.octets, at):
            labels = -1
        while self.packed.octets[at]:
            labels += 1
            at += 1 + self.packed.octets[at]
        return labels

    def look(self, row: int, rtype: int, labels: int) -> int:
        """Count in .new what is to be said about one RRset; return when its last RRSIG expires."""
        wanted = _RRSIG << 16 | rtype
        best = -_NEVER
        good_best = best
        valid = started = good_valid = good_started = good = signatures = uneven = 0
        i = 0
        while i < self.rows:
            if self.key[i] == wanted:
                at = self.packed.rdata(self.at[i])
                begun = distance(self.packed.rdata32(at + fields.RRSIG_INCEPTION_AT), self.now) <= 0
                after = distance(self.packed.rdata32(at + fields.RRSIG_EXPIRATION_AT), self.now)
                in_force = begun and after >= 0
                signatures += 1
                uneven = self.packed.ttl(self.at[i]) != self.packed.ttl(self.at[row])
                best = max(best, after)
                started += begun
                valid += in_force
                if self.is_usable(at, labels):
                    good += 1
                    good_best = max(good_best, after)
                    good_started += begun
                    good_valid += in_force
            i += 1
        if not signatures:
            self.new[MISSING] += 1
            self.new[_UNSIGNED] += 1
            return _NEVER
        self.new[MISMATCH] += uneven
        if good:
            best, valid, started = good_best, good_valid, good_started
        else:
            self.new[KEY if rtype == _DNSKEY else MISMATCH] += 1
        if not valid:
            self.new[TIME] += 1
            self.new[_EXPIRED if started else _NOT_YET] += 1
        return self.now + best

    def is_usable(self, at: int, labels: int) -> int:
        """Return whether signer, labels and key of an RRSIG are as they should be."""
        if self.packed.octets[at + fields.RRSIG_LABELS_AT] != labels:
            return False
        i = 0
        while i < self.packed.apex_length:
            if lower(self.packed.octets[at + fields.RRSIG_SIGNER_AT + i]) != self.packed.apex[i]:
                return False
            i += 1
        tag = self.packed.big16(at + fields.RRSIG_KEY_TAG_AT)
        algorithm = self.packed.octets[at + fields.RRSIG_ALGORITHM_AT]
        i = 0
        while i < self.keys:
            if self.tags[i] == tag and self.algorithms[i] == algorithm:
                return True
            i += 1
        return self.keys == 0

    # the NSEC3 chain

    def matches(self, chain: Chain, low: int, high: int) -> int:
        """Return how many names from one number up to another a regular chain has, -1 where not as it should.

        The places of all names must be known. Other threads run meanwhile.
        """
        found = 0
        with cython.nogil:
            found += self.count_matches(chain, low, high)
        return found

    def count_matches(self, chain: Chain, i: int, high: int) -> int:
        """Do the same from number i on: names have their NSEC3s with the right types, or opted out."""
        found = 0
        while i < high:
            flags = self.packed.flags[i]
            if flags & DATA and not flags & OCCLUDED:
                place = chain.places[i]
                if not self.gather(i):
                    return -1
                if place & MATCH:
                    found += 1
                    if not self.has_bitmap(chain, place & ~MATCH, flags & CUT):
                        return -1
                elif not flags & CUT or self.has_type(_DS) or not chain.flags[place] & _OPT_OUT:
                    return -1
            i += 1
        return found

    def has_type(self, rtype: int) -> int:
        """Return whether the name at hand has records of a type."""
        i = 0
        while i < self.rows:
            if self.key[i] == rtype << 16:
                return True
            i += 1
        return False

    def has_bitmap(self, chain: Chain, k: int, cut: int) -> int:
        """Return whether an NSEC3 lists just the types of the name at hand; only types below 256 are known here."""
        at = self.packed.rdata(record_offset(chain.records[k]))
        end = at + self.packed.rdlength(record_offset(chain.records[k]))
        at += fields.NSEC3_SALT_AT + self.packed.octets[at + fields.NSEC3_SALT_LENGTH_AT]
        at += 1 + self.packed.octets[at]
        signed = False
        i = 0
        while i < 32:
            self.bits[i] = 0
            i += 1
        i = 0
        while i < self.rows:
            rtype = self.key[i] >> 16
            if rtype != _RRSIG and rtype != _NSEC3 and (not cut or rtype in (_DS, _NSEC)):
                if rtype > 255:
                    return False
                self.bits[rtype >> 3] |= 0x80 >> (rtype & 7)
                signed = True
            i += 1
        if signed:
            self.bits[_RRSIG >> 3] |= 0x80 >> (_RRSIG & 7)
        if cut:
            self.bits[0] |= 0x80 >> _NS
        length = 32
        while length and not self.bits[length - 1]:
            length -= 1
        if end - at != (length + fields.BITMAP_BITS_AT if length else 0):
            return False
        if length and (self.packed.octets[at] or self.packed.octets[at + fields.BITMAP_LENGTH_AT] != length):
            return False
        i = 0
        while i < length:
            if self.packed.octets[at + fields.BITMAP_BITS_AT + i] != self.bits[i]:
                return False
            i += 1
        return True


def distance(moment: int, now: int) -> int:
    """Return how many seconds a 32-bit time lies after now (RFC 4034 §3.1.5)."""
    return ((moment - now + _HALF) & _M32) - _HALF
