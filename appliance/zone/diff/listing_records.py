# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The records of a listing, packed as those of a master file are; compiled by Cython, types in listing_records.pxd.

A kept version is served from its listing when its file cannot be read.
"""

from __future__ import annotations

from typing import Any

import cython

from appliance.errors import StateError
from appliance.zone.diff.listing import NAME, RECORD
from appliance.zone.master.records import HEADER, Records, reserve

if cython.compiled:
    from cython.cimports.appliance.zone.diff.listing import copy, put, u16
else:
    from appliance.zone.diff.listing import copy, put, u16

_NAME = NAME.size
_RECORD = RECORD.size
_HEAD = HEADER.size
_MOST = 3
"""Times its octets that a listing's packed records take at most: a record of one octet has 9 there and 20 here."""
_UNKNOWN = -1


def records_of(listing: memoryview, file: str) -> Records:
    """Return the records of a listing, as if they stood in a file. Raises StateError for a damaged one."""
    memory = reserve(_MOST * len(listing) + _HEAD)
    packing = Packing(listing, memory)
    size = packing.pack()
    if size < 0:
        raise StateError(f"{file}: the listing of a zone is damaged")
    return Records(memoryview(memory)[:size], packing.count, [file], [])


class Packing:
    """One walk through a listing."""

    def __init__(self, listing: memoryview, memory: Any) -> None:
        """Read one, write to the other, which has room for what it is."""
        self.listing = listing
        self.memory = memory
        self.count = 0
        self.end = len(listing)

    def pack(self) -> int:
        """Pack all records; return how many octets that are, less than none where the listing is damaged."""
        with cython.nogil:
            return self.walk()

    def walk(self) -> int:
        """Do what pack() does."""
        at = to = 0
        while at < self.end:
            if self.end - at < _NAME:
                return _UNKNOWN
            stop = at + u32(self.listing, at)
            rows = u32(self.listing, at + 4)
            length: int = self.listing[at + 8]
            owner = at + _NAME
            at = owner + length
            if stop > self.end or at > stop or not length:
                return _UNKNOWN
            while rows > 0:
                if stop - at < _RECORD or stop - at - _RECORD < u16(self.listing, at + 6):
                    return _UNKNOWN
                to = self.put_record(at, to, owner, length)
                at += _RECORD + u16(self.listing, at + 6)
                length = 0
                rows -= 1
            if at != stop:
                return _UNKNOWN
        return to

    def put_record(self, at: int, to: int, owner: int, length: int) -> int:
        """Pack one record, with its owner if that has a length; return where the next one goes."""
        size = u16(self.listing, at + 6)
        put(self.memory, to + 4, u32(self.listing, at + 2), 4)
        put(self.memory, to + 8, u16(self.listing, at), 2)
        put(self.memory, to + 12, size, 2)
        self.memory[to + 14] = length
        copy(self.memory, to + _HEAD, self.listing, owner, length)
        copy(self.memory, to + _HEAD + length, self.listing, at + _RECORD, size)
        self.count += 1
        end: int = to + (_HEAD + length + size + 3 & ~3)
        return end


def u32(octets: memoryview, at: int) -> int:
    """Return a number."""
    number: int = u16(octets, at) | u16(octets, at + 2) << 16
    return number
