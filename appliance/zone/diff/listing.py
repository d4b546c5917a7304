# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""All records of a zone in canonical order, as octets that stay comparable; compiled by Cython, types in listing.pxd.

docs/state.md has the format. It is written without the interpreter's lock, so that a zone can be compiled meanwhile.
"""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cython

if cython.compiled:
    from cython.cimports.appliance.zone.diff import layout
    from cython.cimports.appliance.zone.libz import crc32
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import cursor_offset, record_offset, u16
    from cython.cimports.libc.errno import EINTR, errno
    from cython.cimports.libc.string import memcmp, memcpy
    from cython.cimports.posix.unistd import write
else:
    from appliance.zone.diff import layout
    from appliance.zone.packed import header
    from appliance.zone.packed.places import cursor_offset, record_offset, u16

if TYPE_CHECKING:
    from appliance.zone.packed.names import Packed

Octets = memoryview | bytearray

_PIECE = 1 << 20
_ROWS = 64


class Listing:
    """The listing of one zone, in pieces."""

    def __init__(self, packed: Packed) -> None:
        """Look at a settled zone, whose records must stay until the last piece."""
        self.packed = packed
        self.source = self.packed.octets
        self.buffer = bytearray(_PIECE)
        self.rows = array("I", bytes(4 * _ROWS))
        self.used = 0
        self.count = 0
        self.size = 0
        self.octets = 0
        self.sum = 0
        self.failure = 0

    def whole(self, most: int) -> bytes | None:
        """Return all of it, None where that is more than most octets, or than a piece."""
        if self.fill(0) < self.packed.count or self.used > most:
            return None
        return bytes(self.buffer[: self.used])

    def write_to(self, fd: int) -> tuple[int, int]:
        """Write all of it to a file, and return how many octets that are and their CRC-32. Raises OSError.

        The interpreter is not needed meanwhile: who compiles a zone holds it for a tenth of a second at a time.
        """
        self.octets = self.sum = 0
        number = 0
        while number < self.packed.count:
            number = self.pour(number, fd)
            if self.failure:
                raise OSError(self.failure, os.strerror(self.failure))
            if number < self.packed.count:
                self.widen()
        return self.octets, self.sum

    def pour(self, number: int, fd: int) -> int:
        """Write the names from a number on, up to one that there is no room for; return the number of that one."""
        with cython.nogil:
            going = True
            while going and number < self.packed.count:
                number = self.fill_on(number)
                going = self.put_out(fd) != 0
        return number

    def put_out(self, fd: int) -> int:
        """Write what is in the buffer; tell whether there was anything, and it could be written."""
        if not cython.compiled:
            return self.put_out_plainly(fd)
        done = 0
        while done < self.used:
            count = write(fd, cython.address(self.buffer[done]), self.used - done)
            if count < 0 and errno != EINTR:
                self.failure = errno
                return False
            done += max(count, 0)
        self.sum = crc32(self.sum, cython.address(self.buffer[0]), self.used)
        self.octets += self.used
        return self.used != 0

    def put_out_plainly(self, fd: int) -> int:
        """Do the same where nothing is compiled."""
        view = memoryview(self.buffer)[: self.used]
        self.sum = zlib.crc32(view, self.sum)
        self.octets += self.used
        while view:
            view = view[os.write(fd, view) :]
        return self.used != 0

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the pieces; each is gone when the next one is asked for."""
        number = 0
        while number < self.packed.count:
            number = self.fill(number)
            if self.used:
                yield memoryview(self.buffer)[: self.used]
            else:
                self.widen()

    def widen(self) -> None:
        """Make room for the name that had none."""
        self.rows = array("I", bytes(4 * max(self.count, _ROWS)))
        self.buffer = bytearray(max(self.size, _PIECE))

    def fill(self, number: int) -> int:
        """Lay the names from a number on out as far as there is room, and return the number of the next one."""
        with cython.nogil:
            return self.fill_on(number)

    def fill_on(self, number: int) -> int:
        """Do what fill() does."""
        self.used = 0
        room = True
        while room and number < self.packed.count:
            self.collect(number)
            room = self.count <= len(self.rows) and self.used + self.size <= len(self.buffer)
            if room:
                self.sort_rows()
                self.lay_out(number)
                number += 1
        return number

    def collect(self, number: int) -> None:
        """Find the records of a name; note how many there are and how many octets its block takes."""
        self.count = 0
        self.size = layout.NAME_SIZE + self.source[self.packed.first_record(number) + header.OWNER_LENGTH_AT]
        cursor = self.packed.first_of(number)
        while cursor:
            at = cursor_offset(cursor)
            if not self.source[at + header.FLAGS_AT] & header.DROPPED:
                if self.count < len(self.rows):
                    self.rows[self.count] = at >> 2
                self.count += 1
                self.size += layout.RECORD_SIZE + u16(self.source, at + header.RDLENGTH_AT)
            cursor = self.packed.next_of(number, cursor)

    def sort_rows(self) -> None:
        """Bring the records of a name into the order of their types and RDATA (Shell, 1959)."""
        gap = self.count
        while gap > 1:
            gap = 1 if gap < 5 else (gap * 5 - 1) // 11
            i = gap
            while i < self.count:
                row = self.rows[i]
                k = i
                while k >= gap and self.is_before(row, self.rows[k - gap]):
                    self.rows[k] = self.rows[k - gap]
                    k -= gap
                self.rows[k] = row
                i += 1

    def is_before(self, row: int, other: int) -> int:
        """Return whether a record sorts before another one."""
        a = record_offset(row)
        b = record_offset(other)
        if u16(self.source, a + header.TYPE_AT) != u16(self.source, b + header.TYPE_AT):
            return u16(self.source, a + header.TYPE_AT) < u16(self.source, b + header.TYPE_AT)
        size = u16(self.source, a + header.RDLENGTH_AT)
        end = u16(self.source, b + header.RDLENGTH_AT)
        found = differs(
            self.source,
            header.rdata_of(self.source, a),
            self.source,
            header.rdata_of(self.source, b),
            min(size, end),
        )
        return found < 0 or (found == 0 and size < end)

    def lay_out(self, number: int) -> None:
        """Lay out the block of the name whose records were collected; none where it has none left."""
        if not self.count:
            return
        to = self.used
        head = self.packed.first_record(number)
        length = self.source[head + header.OWNER_LENGTH_AT]
        put(self.buffer, to, self.size, 4)
        put(self.buffer, to + layout.NAME_RECORDS_AT, self.count, 4)
        put(self.buffer, to + layout.NAME_OWNER_LENGTH_AT, length, 1)
        copy(self.buffer, to + layout.NAME_SIZE, self.source, head + header.SIZE, length)
        to += layout.NAME_SIZE + length
        i = 0
        while i < self.count:
            at = record_offset(self.rows[i])
            size = u16(self.source, at + header.RDLENGTH_AT)
            copy(self.buffer, to, self.source, at + header.TYPE_AT, 2)
            copy(self.buffer, to + layout.RECORD_TTL_AT, self.source, at + header.TTL_AT, 4)
            put(self.buffer, to + layout.RECORD_RDLENGTH_AT, size, 2)
            copy(self.buffer, to + layout.RECORD_SIZE, self.source, header.rdata_of(self.source, at), size)
            to += layout.RECORD_SIZE + size
            i += 1
        self.used = to


def differs(one: Octets, at: int, other: Octets, place: int, size: int) -> int:
    """Return 0 where two stretches are the same, else less or more as the first one sorts before or behind."""
    if not size:
        return 0
    if not cython.compiled:
        return _differs(bytes(one[at : at + size]), bytes(other[place : place + size]))
    found: int = memcmp(cython.address(one[at]), cython.address(other[place]), size)
    return found


def _differs(one: bytes, other: bytes) -> int:
    return (one > other) - (one < other)


def copy(to: bytearray, start: int, octets: Octets, at: int, size: int) -> None:
    """Copy a stretch."""
    if not size:
        return
    if cython.compiled:
        memcpy(cython.address(to[start]), cython.address(octets[at]), size)
    else:
        to[start : start + size] = octets[at : at + size]


def put(to: bytearray, at: int, number: int, octets: int) -> None:
    """Write a number, the lowest octet first."""
    i = 0
    while i < octets:
        to[at + i] = number >> 8 * i & 255
        i += 1
