# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The records of a listing, packed as those of a master file are; compiled by Cython, types in listing_records.pxd.

A kept version is served from its listing when its file cannot be read.
"""

from __future__ import annotations

from typing import Any

import cython

from appliance.errors import StateError
from appliance.zone.master.records import Records, reserve

if cython.compiled:
    from cython.cimports.appliance.zone.diff import layout
    from cython.cimports.appliance.zone.diff.listing import copy, put
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import u16, u32
else:
    from appliance.zone.diff import layout
    from appliance.zone.diff.listing import copy, put
    from appliance.zone.packed import header
    from appliance.zone.packed.places import u16, u32

_MOST = 3
"""Times its octets that a listing's packed records take at most: a record of one octet has 9 there and 20 here."""
_UNKNOWN = -1


def records_of(listing: memoryview, file: str) -> Records:
    """Return the records of a listing, as if they stood in a file. Raises StateError for a damaged one."""
    memory = reserve(_MOST * len(listing) + header.SIZE)
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
            if self.end - at < layout.NAME_SIZE:
                return _UNKNOWN
            stop = at + u32(self.listing, at)
            rows = u32(self.listing, at + layout.NAME_RECORDS_AT)
            length: int = self.listing[at + layout.NAME_OWNER_LENGTH_AT]
            owner = at + layout.NAME_SIZE
            at = owner + length
            if stop > self.end or at > stop or not length:
                return _UNKNOWN
            while rows > 0:
                if stop - at < layout.RECORD_SIZE:
                    return _UNKNOWN
                size = layout.RECORD_SIZE + u16(self.listing, at + layout.RECORD_RDLENGTH_AT)
                if stop - at < size:
                    return _UNKNOWN
                to = self.put_record(at, to, owner, length)
                at += size
                length = 0
                rows -= 1
            if at != stop:
                return _UNKNOWN
        return to

    def put_record(self, at: int, to: int, owner: int, length: int) -> int:
        """Pack one record, with its owner if that has a length; return where the next one goes."""
        size = u16(self.listing, at + layout.RECORD_RDLENGTH_AT)
        put(self.memory, to + header.TTL_AT, u32(self.listing, at + layout.RECORD_TTL_AT), 4)
        put(self.memory, to + header.TYPE_AT, u16(self.listing, at), 2)
        put(self.memory, to + header.RDLENGTH_AT, size, 2)
        self.memory[to + header.OWNER_LENGTH_AT] = length
        copy(self.memory, to + header.SIZE, self.listing, owner, length)
        copy(self.memory, to + header.SIZE + length, self.listing, at + layout.RECORD_SIZE, size)
        self.count += 1
        end: int = header.end_of(self.memory, to)
        return end
