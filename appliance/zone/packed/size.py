# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""How much the answers of a packed zone will take; compiled by Cython, with the types in size.pxd."""

from __future__ import annotations

from functools import partial
from math import log

import cython

from appliance.zone import types
from appliance.zone.packed.flags import CUT, DATA, OCCLUDED
from appliance.zone.packed.names import Packed
from appliance.zone.threads import divided, side_by_side

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import cursor_offset
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.places import cursor_offset

_RRSIG = types.RRSIG
_NSEC3 = types.NSEC3
_NS = types.NS
_DS = types.DS
_MAP = 1 << 17
_M32 = 0xFFFFFFFF


def weigh(packed: Packed, signed: int, proving: int, denials: int) -> int:
    """Return about how many octets of heap the answers of a settled zone take.

    Cuts with the same servers share a referral: how many differ is told from how full a map of hash bits gets.
    denials is 0, or how many answers there can be that insecure cuts have in place of a referral with proofs; then
    referrals are composed, and DS stands in the store once.
    """
    parts = divided(packed.count)
    scales = [Scale(packed, signed, proving, denials) for _ in parts]
    side_by_side([partial(one.weigh, *part) for one, part in zip(scales, parts, strict=True)])
    whole = scales[0]
    for one in scales[1:]:
        whole.add(one)
    total = whole.total
    if whole.cuts:
        different = min(whole.cuts, distinct(whole.used()))
        total += whole.bodies * different // whole.cuts
        if denials:
            total += 32 * min(whole.cuts - whole.secure, denials)
        elif proving:
            total += whole.bodies * different // whole.cuts
    return total


class Scale:
    """Weighs names; each thread has its own, and other threads run meanwhile."""

    def __init__(self, packed: Packed, signed: int, proving: int, denials: int) -> None:
        """Begin with nothing."""
        self.packed = packed
        self.signed = signed
        self.proving = proving
        self.denials = denials
        self.bits = bytearray(_MAP)
        self.total = self.bodies = self.cuts = self.secure = 0
        self.cut_octets = self.ds_octets = self.sum = 0

    def weigh(self, low: int, high: int) -> None:
        """Add what the names from one number up to another take, apart from the referrals that cuts share."""
        with cython.nogil:
            self.weigh_names(low, high)

    def weigh_names(self, i: int, high: int) -> None:
        """Do that."""
        while i < high:
            flags = self.packed.flags[i]
            own = self.weigh_records(i)
            size = (
                48 + self.packed.octets[self.packed.first_record(i) + header.OWNER_LENGTH_AT] - self.packed.apex_length
            ) & ~7
            if not flags & DATA or flags & OCCLUDED:
                self.total += own
            elif flags & CUT:
                self.weigh_cut(size)
            else:
                self.total += ((size + 32) & ~15) + own + (32 if self.proving else 0)
            i += 1

    def weigh_cut(self, size: int) -> None:
        """Add the cut at hand, whose node takes `size` octets."""
        self.total += (size + (24 if self.ds_octets or not self.denials else 8)) & ~15
        self.cuts += 1
        self.bodies += self.cut_octets + 48
        if self.ds_octets:
            self.total += self.ds_octets + 144 if self.denials else 3 * self.ds_octets + self.cut_octets + 160
            self.secure += 1
        elif self.proving and not self.denials:
            self.total += 72
        place = (self.sum ^ self.sum >> 15) & 0xFFFFF
        self.bits[place >> 3] |= 1 << (place & 7)

    def weigh_records(self, i: int) -> int:
        """Return what the records of a name take where it is no cut; for cuts, fill .cut_octets and .ds_octets."""
        flags = self.packed.flags[i]
        total = 0
        self.cut_octets = self.ds_octets = 0
        self.sum = self.packed.octets[self.packed.first_record(i) + header.OWNER_LENGTH_AT]
        cursor = self.packed.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
            rtype = self.packed.rtype(at)
            size = self.packed.rdlength(at)
            if rtype == _NSEC3 or (rtype == _RRSIG and self.packed.big16(self.packed.rdata(at)) == _NSEC3):
                total += size + 60
            elif rtype == _RRSIG:
                total += size + 12
                if self.packed.big16(self.packed.rdata(at)) == _DS:
                    self.ds_octets += size + 12
            elif flags & OCCLUDED:
                total += 4 * (size + 12)
            else:
                total += (size + 12) * (2 if self.signed else 1) + 64
            if rtype == _DS:
                self.ds_octets += size + 12
            elif rtype == _NS:
                self.cut_octets += size + 12
                self.add_sum(self.packed.rdata(at), size)
            cursor = self.packed.next_of(i, cursor)
        return total

    def add_sum(self, at: int, size: int) -> None:
        """Take octets into .sum."""
        i = 0
        while i < size:
            self.sum = ((self.sum ^ self.packed.octets[at + i]) * 0x01000193) & _M32
            i += 1

    def add(self, other: Scale) -> None:
        """Take over what another one has weighed."""
        self.total += other.total
        self.bodies += other.bodies
        self.cuts += other.cuts
        self.secure += other.secure
        i = 0
        while i < _MAP:
            self.bits[i] |= other.bits[i]
            i += 1

    def used(self) -> int:
        """Return how many bits of the map are set."""
        found = 0
        i = 0
        while i < _MAP:
            octet = self.bits[i]
            while octet:
                found += 1
                octet &= octet - 1
            i += 1
        return found


def distinct(used: int) -> int:
    """Return how many different hashes set `used` of 2^20 bits."""
    return int(-log(max(1 - used / (1 << 20), 1e-6)) * (1 << 20)) + 1
