# SPDX-License-Identifier: GPL-3.0-or-later
"""Room in the heap: extents that belong to one zone version, and objects placed one after the other inside them."""

from heapq import heappop, heappush

from appliance.errors import ApplianceError
from appliance.store.layout import CHUNK_GRANULES, GRANULE, START_GRANULES

_SMALL = 256
"""Granules of the largest object that keeps out of a chunk's last 4,096 octets altogether."""

_TRIES = 16
"""Extents of one size class that are looked at before the next one."""

Extent = tuple[int, int]
"""First granule and the one behind the last."""


class StoreFull(ApplianceError):
    """An array of the store is too small: build a larger store and compile into that."""


class Heap:
    """The chunks as one run of octets, and the free extents in it; none of them crosses a chunk's border."""

    def __init__(self, octets: memoryview, free: list[Extent] | None = None) -> None:
        self.octets = octets
        self.words = octets.cast("I")
        self.chunks = len(octets) // (CHUNK_GRANULES * GRANULE)
        self._ends: dict[int, int] = {}
        """End of each free extent by its start."""
        self._starts: dict[int, int] = {}
        self._bins: list[list[int]] = [[] for _ in range(CHUNK_GRANULES.bit_length() + 1)]
        """Starts of free extents by the number of bits of their length, lowest first; some are free no more."""
        self._live = [0] * len(self._bins)
        self.free = [(chunk * CHUNK_GRANULES or 1, (chunk + 1) * CHUNK_GRANULES) for chunk in range(self.chunks)]
        if free is not None:
            self.free = free
        self.highest = 1
        """First granule that was never part of an extent."""

    @property
    def free(self) -> list[Extent]:
        """The free extents in order."""
        return sorted(self._ends.items())

    @free.setter
    def free(self, extents: list[Extent]) -> None:
        self._ends.clear()
        self._starts.clear()
        for found in self._bins:
            found.clear()
        self._live[:] = [0] * len(self._bins)
        for start, end in extents:
            self._add(start, end)

    def adopt(self, other: "Heap") -> None:
        """Take over what is free in a heap whose octets are here too; chunks that it does not have are free as well."""
        common = min(self.chunks, other.chunks) * CHUNK_GRANULES
        more = [(at * CHUNK_GRANULES, (at + 1) * CHUNK_GRANULES) for at in range(other.chunks, self.chunks)]
        self.free = [extent for extent in other.free if extent[0] < common] + more
        self.highest = other.highest

    def take(self, least: int, wanted: int) -> Extent:
        """Return an extent of least to wanted granules where an object of least granules may start."""
        border = START_GRANULES if least <= _SMALL else CHUNK_GRANULES
        wanted = max(least, wanted)
        start = (
            self._find(wanted, least, border, _TRIES)
            or self._find(least, least, border, _TRIES)
            or self._find(least, least, border, len(self._ends))
        )
        if not start:
            size = f"{least * GRANULE} octets in the heap of {self.chunks} MiB"
            raise StoreFull(f"no room for {size}; create the store with more chunks")
        end = self._remove(start)
        taken = min(end, start + wanted)
        if taken < end:
            self._add(taken, end)
        self.highest = max(self.highest, taken)
        return start, taken

    def _find(self, size: int, least: int, border: int, tries: int) -> int:
        """Return the start of a free extent of a size, a small one rather than a large one; 0 if there is none."""
        for bits in range(size.bit_length(), len(self._bins)):
            found = self._bins[bits]
            passed: list[int] = []
            chosen = 0
            while found and len(passed) < tries and not chosen:
                start = heappop(found)
                end = self._ends.get(start, 0)
                if (end - start).bit_length() != bits or (passed and passed[-1] == start):
                    continue  # taken, joined with another or cut since
                passed.append(start)
                offset = start % CHUNK_GRANULES
                if end - start >= size and offset < START_GRANULES and offset + least <= border:
                    chosen = start
            for start in passed:
                heappush(found, start)
            if chosen:
                return chosen
        return 0

    def give_back(self, start: int, end: int) -> None:
        """Add an extent to the free ones and join it with its neighbours."""
        if end % CHUNK_GRANULES and end in self._ends:
            end = self._remove(end)
        if start % CHUNK_GRANULES and start in self._starts:
            start = self._starts[start]
            self._remove(start)
        self._add(start, end)

    def _add(self, start: int, end: int) -> None:
        self._ends[start] = end
        self._starts[end] = start
        bits = (end - start).bit_length()
        found = self._bins[bits]
        heappush(found, start)
        self._live[bits] += 1
        if len(found) > 2 * self._live[bits] + 64:
            found[:] = sorted({at for at in found if (self._ends.get(at, at) - at).bit_length() == bits})

    def _remove(self, start: int) -> int:
        end = self._ends.pop(start)
        del self._starts[end]
        self._live[(end - start).bit_length()] -= 1
        return end

    def free_octets(self) -> int:
        """Return the octets of all free extents."""
        return sum(end - start for start, end in self._ends.items()) * GRANULE


class Arena:
    """Places objects of one zone version next to each other; the extents are freed as a whole."""

    def __init__(self, heap: Heap, expected: int = 4096) -> None:
        """Expect about `expected` octets, so that a small zone takes a small extent."""
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
        self.octets[ref * GRANULE : ref * GRANULE + len(blob)] = blob
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
