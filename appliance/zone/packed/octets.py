# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Packed records as octets: their headers, the names in them, and whether RDATA is well formed; compiled by Cython.

The C types are in octets.pxd. The same source runs uncompiled.
"""

from __future__ import annotations

from array import array

import cython

from appliance.zone import rdata as layouts
from appliance.zone.packed.flags import MAX_TTL

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import lower, u16, u32
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.places import lower, u16, u32

_NAME, _TEXT, _TEXTS, _BITMAP, _REST, _END = 250, 251, 252, 253, 254, 255
_CODES = {"name": _NAME, "text": _TEXT, "texts": _TEXTS, "bitmap": _BITMAP, "rest": _REST}


def _programs() -> tuple[array[int], array[int]]:
    """Return where the layout of each type starts, and the layouts: what rdata.py says, as octets."""
    starts = array("H", [0] * 1024)
    program = bytearray((_REST, _END))
    for rtype, layout in layouts.LAYOUTS.items():
        starts[rtype] = len(program)
        program += bytes([_CODES[field] if isinstance(field, str) else field for field in layout]) + bytes((_END,))
    return starts, array("B", program)


_STARTS, _PROGRAM = _programs()


class PackedOctets:
    """The records of one zone, each named by the place of its header."""

    def __init__(self, octets: memoryview, origin: bytes) -> None:
        """Look at packed records of the zone at an origin."""
        self.memory = octets
        self.octets: memoryview | bytearray = octets if len(octets) else bytearray(4)
        self.length = len(octets)
        self.origin = origin
        self.apex = array("B", origin)
        self.apex_length = len(origin)
        self.layout_starts = _STARTS
        self.layouts = _PROGRAM

    def big16(self, at: int) -> int:
        """Return a number of RDATA."""
        return self.octets[at] << 8 | self.octets[at + 1]

    def rdata32(self, at: int) -> int:
        """Return a number of RDATA."""
        high = self.octets[at]
        return high << 24 | self.octets[at + 1] << 16 | self.octets[at + 2] << 8 | self.octets[at + 3]

    def ttl(self, at: int) -> int:
        """Return the TTL of a record."""
        return u32(self.octets, at + header.TTL_AT)

    def rtype(self, at: int) -> int:
        """Return the type of a record."""
        return u16(self.octets, at + header.TYPE_AT)

    def rdlength(self, at: int) -> int:
        """Return the length of a record's RDATA."""
        return u16(self.octets, at + header.RDLENGTH_AT)

    def rdata(self, at: int) -> int:
        """Return where the RDATA of a record starts."""
        return header.rdata_of(self.octets, at)

    def dropped(self, at: int) -> int:
        """Return whether a record is not part of the zone."""
        return self.octets[at + header.FLAGS_AT] & header.DROPPED

    def after(self, at: int) -> int:
        """Return the next record of the same run, 0 at its end."""
        return header.next_in_run(self.octets, self.length, at)

    # building

    def in_zone(self, at: int, length: int) -> int:
        """Return whether a name is the origin or below it."""
        border = length - self.apex_length
        if border < 0:
            return False
        place = 0
        while place < border:
            place += 1 + self.octets[at + place]
        if place != border:
            return False
        i = 0
        while i < self.apex_length:
            if lower(self.octets[at + border + i]) != self.apex[i]:
                return False
            i += 1
        return True

    def ends_with(self, at: int, length: int, suffix: int, size: int) -> int:
        """Return whether a name is another one or lies below it."""
        if length < size:
            return False
        border = length - size
        place = 0
        while place < border:
            place += 1 + self.octets[at + place]
        if place != border:
            return False
        i = 0
        while i < size:
            if lower(self.octets[at + border + i]) != lower(self.octets[suffix + i]):
                return False
            i += 1
        return True

    def is_sound(self, at: int) -> int:
        """Return whether class, type, TTL and RDATA of a record are acceptable beyond doubt."""
        rtype = self.rtype(at)
        if u16(self.octets, at + header.CLASS_AT) >> 10 or rtype == 0 or rtype == 41 or 128 <= rtype <= 255:
            return False
        if self.ttl(at) > MAX_TTL:
            return False
        if rtype >= 1024 or not self.layout_starts[rtype]:
            return True
        start = self.rdata(at)
        return self.fits(self.layout_starts[rtype], start, start + self.rdlength(at))

    def fits(self, program: int, at: int, end: int) -> int:
        """Return whether RDATA has a layout of rdata.py."""
        while self.layouts[program] != _END:
            field = self.layouts[program]
            program += 1
            if field < _NAME:
                at += field
            elif field == _NAME:
                at = self.name_end(at, end)
            elif field == _REST:
                at = max(at, end)
            elif field == _BITMAP:
                at = self.bitmap_end(at, end)
            else:
                again = True
                while again:
                    if at >= end:
                        return False
                    at += 1 + self.octets[at]
                    again = field == _TEXTS and at < end
            if at > end or at < 0:
                return False
        return at == end

    def name_end(self, at: int, end: int) -> int:
        """Return where an uncompressed name ends, -1 where it is none."""
        start = at
        while at < end and self.octets[at]:
            if self.octets[at] > 63:
                return -1
            at += 1 + self.octets[at]
        return at + 1 if at < end and at + 1 - start <= 255 else -1

    def bitmap_end(self, at: int, end: int) -> int:
        """Return where a type bitmap ends, -1 where it is damaged."""
        before = -1
        while at < end:
            size = self.octets[at + 1] if at + 1 < end else 0
            if self.octets[at] <= before or size < 1 or size > 32:
                return -1
            before = self.octets[at]
            at += 2 + size
        return at

    def is_same_text(self, at: int, other: int, length: int) -> int:
        """Return whether two stretches are the same but for the case of letters."""
        i = 0
        while i < length and lower(self.octets[at + i]) == lower(self.octets[other + i]):
            i += 1
        return i == length

    # for the rest of the program, in Python: what runs without the interpreter cannot be called from there

    def ttl_at(self, at: int) -> int:
        """Return the TTL of a record."""
        return self.ttl(at)

    def type_at(self, at: int) -> int:
        """Return the type of a record."""
        return self.rtype(at)

    def is_dropped(self, at: int) -> int:
        """Return whether a record is not part of the zone."""
        return self.dropped(at)

    def value(self, at: int) -> bytes:
        """Return the RDATA of a record."""
        start = self.rdata(at)
        return bytes(self.memory[start : start + self.rdlength(at)])

    def drop(self, at: int) -> None:
        """Leave a record out."""
        self.octets[at + header.FLAGS_AT] |= header.DROPPED

    def set_ttl(self, at: int, ttl: int) -> None:
        """Give a record another TTL."""
        i = 0
        while i < 4:
            self.octets[at + header.TTL_AT + i] = ttl >> (8 * i) & 255
            i += 1
