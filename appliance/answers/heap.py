# SPDX-License-Identifier: GPL-3.0-or-later
"""Room in the heap: extents that belong to one zone version, and objects placed one after the other inside them."""

from bisect import bisect_left

from appliance.answers.layout import CHUNK_GRANULES, START_GRANULES
from appliance.errors import ApplianceError

_SMALL = 256
"""Granules of the largest object that keeps out of a chunk's last 4,096 octets altogether."""

Extent = tuple[int, int]
"""First granule and the one behind the last."""


class StoreFull(ApplianceError):
    """An array of the store is too small: build a larger store and compile into that."""


class Heap:
    """The chunks as one run of octets, and the free extents in it; none of them crosses a chunk's border."""

    def __init__(self, octets: memoryview, free: list[Extent] | None = None) -> None:
        self.octets = octets
        self.words = octets.cast("I")
        self.chunks = len(octets) // (CHUNK_GRANULES * 16)
        if free is None:
            free = [(chunk * CHUNK_GRANULES or 1, (chunk + 1) * CHUNK_GRANULES) for chunk in range(self.chunks)]
        self.free = free
        self.highest = 1
        """First granule that was never part of an extent."""

    def take(self, least: int, wanted: int) -> Extent:
        """Return an extent of least to wanted granules where an object of least granules may start."""
        border = START_GRANULES if least <= _SMALL else CHUNK_GRANULES
        for at, (start, end) in enumerate(self.free):
            offset = start % CHUNK_GRANULES
            if end - start >= least and offset < START_GRANULES and offset + least <= border:
                taken = min(end, start + max(least, wanted))
                if taken == end:
                    del self.free[at]
                else:
                    self.free[at] = (taken, end)
                self.highest = max(self.highest, taken)
                return start, taken
        raise StoreFull(
            f"no room for {least * 16} octets in the heap of {self.chunks} MiB; create the store with more chunks"
        )

    def give_back(self, start: int, end: int) -> None:
        """Add an extent to the free ones and join it with its neighbours."""
        free = self.free
        at = bisect_left(free, (start, end))
        if at < len(free) and free[at][0] == end and end % CHUNK_GRANULES:
            end = free.pop(at)[1]
        if at and free[at - 1][1] == start and start % CHUNK_GRANULES:
            start = free[at - 1][0]
            free[at - 1] = (start, end)
        else:
            free.insert(at, (start, end))

    def free_octets(self) -> int:
        """Return how much room is left."""
        return sum(end - start for start, end in self.free) * 16


class Arena:
    """Places objects of one zone version next to each other; the extents are freed as a whole."""

    def __init__(self, heap: Heap, expected: int = 4096) -> None:
        """Expect about so many octets, so that a small zone takes a small extent."""
        self.heap = heap
        self.octets = heap.octets
        self.extents: list[Extent] = []
        self._wanted = max(64, min(expected // 16, CHUNK_GRANULES))
        self._at = self._end = 0

    def take(self, size: int) -> int:
        """Return the reference of room for size octets."""
        granules = (size + 15) >> 4
        at = self._at
        after = at + granules
        if after > self._end or (at % CHUNK_GRANULES) + granules > START_GRANULES:
            if granules > _SMALL:
                extent = self.heap.take(granules, granules)
                self.extents.append(extent)
                return extent[0]
            self._trim()
            at, self._end = self.heap.take(granules, self._wanted)
            self.extents.append((at, self._end))
            after = at + granules
        self._at = after
        return at

    def room(self) -> Extent:
        """Return what is left of the current extent, for somebody who places objects without asking for each."""
        return self._at, self._end

    def resume(self, at: int) -> None:
        """Go on at a granule, behind what was placed in room."""
        self._at = at

    def put(self, blob: bytes | memoryview) -> int:
        """Copy an object into the heap and return its reference."""
        ref = self.take(len(blob))
        self.octets[ref * 16 : ref * 16 + len(blob)] = blob
        return ref

    def _trim(self) -> None:
        """Give the unused end of the current extent back."""
        if self._at < self._end:
            at = next(i for i in range(len(self.extents) - 1, -1, -1) if self.extents[i][1] == self._end)
            start, end = self.extents[at]
            if self._at > start:
                self.extents[at] = (start, self._at)
            else:
                del self.extents[at]
            self.heap.give_back(self._at, end)
        self._at = self._end = 0

    def close(self) -> list[Extent]:
        """Return the extents in use; nothing can be placed any more without taking a new one."""
        self._trim()
        return self.extents

    def abandon(self) -> None:
        """Free everything that was placed."""
        for start, end in self.close():
            self.heap.give_back(start, end)
        self.extents = []
