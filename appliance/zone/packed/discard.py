# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Packed records that nobody reads any more, let go of while the cuts of a large zone are written one after the other.

Else all records are there until the whole store is, and a load takes the memory of both; types in discard.pxd.
"""

from __future__ import annotations

import mmap
from array import array
from typing import TYPE_CHECKING

import cython

from appliance.zone.packed.flags import ADDRESSES, CUT, DATA

if cython.compiled:
    from cython.cimports.appliance.zone.packed import header
    from cython.cimports.appliance.zone.packed.places import record_offset
else:
    from appliance.zone.packed import header
    from appliance.zone.packed.places import record_offset

if TYPE_CHECKING:
    from appliance.zone.packed.names import Packed

_STEPS = 64
_SHARE = 4
"""Where more than one part in _SHARE would have to be copied first, nothing is let go of."""
_NONE = 0xFFFFFFFF
_PAGE = mmap.PAGESIZE


class SpentRecords:
    """The records of one zone of which only cuts are still to be written, in the order of their numbers.

    Names that have anything but a cut without addresses are copied behind the records first, since servers of later
    cuts may be among them. Only these names are found from then on.
    """

    def __init__(self, packed: Packed, parents: bool) -> None:
        """Look at a settled zone; nothing happens to it before begin.

        parents tells whether cuts need the name above them to be an owner, or cannot be written one after the other.
        """
        self.packed = packed
        self.parents = parents
        self.step = self.packed.count // _STEPS + 1
        self.lowest = array("I", b"\xff" * (4 * (_STEPS + 1)))
        self.end = self.packed.length
        self.gone = 0
        self.memory: mmap.mmap | None = None

    def begin(self) -> bool:
        """Copy what others need and let go of what lies behind the last cut; tell whether that could be done."""
        packed = self.packed
        memory = packed.memory.obj
        names, octets = self.measure()
        if self.parents and self.is_orphan():
            return False
        if not isinstance(memory, mmap.mmap) or octets * _SHARE > packed.length or packed.length + octets > len(memory):
            return False
        self.memory = memory
        packed.memory = memoryview(memory)[: packed.length + octets]
        packed.octets = packed.memory
        kept = array("I", bytes(4 * (names + 1)))
        self.copy(kept)
        packed.kept = kept
        packed.kept_count = names
        # The header behind the last cut is still read: its run ends there.
        self.let_go(self.look_ahead() + header.SIZE + _PAGE - 1, self.end)
        return True

    def end_of_step(self, i: int) -> int:
        """Return the number behind the last name that is written before letting go again."""
        return min(i - i % self.step + self.step, self.packed.count)

    def written(self, i: int) -> None:
        """Let go of what only the names before a number needed, the first one of a step."""
        end = min(record_offset(self.lowest[i // self.step]), self.end)
        if end > self.gone:
            self.let_go(self.gone, end)
            self.gone = end & -_PAGE

    def let_go(self, start: int, end: int) -> None:
        """Give the whole pages of a stretch back."""
        start &= -_PAGE
        end &= -_PAGE
        if start < end and self.memory is not None:
            self.memory.madvise(mmap.MADV_DONTNEED, start, end - start)

    def is_kept(self, i: int) -> int:
        """Return whether a name is more than a cut without addresses."""
        flags = self.packed.flags[i]
        return flags & DATA and (not flags & CUT or flags & ADDRESSES)

    def measure(self) -> tuple[int, int]:
        """Return how many names are kept, and how many octets their records take."""
        packed = self.packed
        names = octets = 0
        i = 0
        while i < packed.count:
            if self.is_kept(i):
                names += 1
                run = packed.first[i]
                while run < packed.first[i + 1]:
                    at = record_offset(packed.heads[run])
                    octets += self.end_of_run(at) - at
                    run += 1
            i += 1
        return names, octets

    def is_orphan(self) -> int:
        """Return whether the name above any cut owns nothing."""
        packed = self.packed
        i = 0
        while i < packed.count:
            if packed.flags[i] & CUT:
                at = packed.first_record(i) + header.SIZE
                length = packed.octets[at - header.LENGTH_BEFORE]
                above = packed.octets[at] + 1
                if length - above != packed.apex_length and packed.find_at(at + above, length - above) < 0:
                    return True
            i += 1
        return False

    def end_of_run(self, at: int) -> int:
        """Return where the records with the same owner end."""
        packed = self.packed
        more = at
        while more:
            at = more
            more = packed.after(at)
        return header.end_of(packed.octets, at)

    def copy(self, kept: array[int]) -> None:
        """Copy the records of kept names behind all others, and note their numbers."""
        packed = self.packed
        to = packed.length
        k = i = 0
        while i < packed.count:
            if self.is_kept(i):
                kept[k] = i
                k += 1
                run = packed.first[i]
                while run < packed.first[i + 1]:
                    at = record_offset(packed.heads[run])
                    end = self.end_of_run(at)
                    packed.heads[run] = to >> 2
                    while at < end:
                        packed.octets[to] = packed.octets[at]
                        at += 1
                        to += 1
                    run += 1
            i += 1
        packed.length = to

    def look_ahead(self) -> int:
        """Note for each step the lowest place that it or a later one reads; return where the last cut ends."""
        packed = self.packed
        low = _NONE
        high = 0
        i = packed.count
        while i > 0:
            i -= 1
            if packed.flags[i] & CUT and not self.is_kept(i):
                run = packed.first[i]
                while run < packed.first[i + 1]:
                    low = min(low, packed.heads[run])
                    high = max(high, packed.heads[run])
                    run += 1
            if i % self.step == 0:
                self.lowest[i // self.step] = low
        return self.end_of_run(record_offset(high)) if low != _NONE else 0
