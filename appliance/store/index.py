# SPDX-License-Identifier: GPL-3.0-or-later
"""The index: tags and references in buckets of one cache line, two choices a name (docs/store-format.md)."""

from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager

from appliance.store.heap import StoreFull

_MOVES = 600
"""Buckets looked at for a free slot before the index counts as full."""

_LOW = 0xFFFFFFFF
_WIDE = 0xFFFFFFFFFFFFFFFF


class Index:
    """Finds the head of a chain by f (hashing.spread); keeps the filter bits of displaced names exact."""

    def __init__(
        self,
        words: memoryview,
        bits: int,
        chain_hashes: Callable[[int], list[int]],
        moving: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Work on words (u64, eight a bucket); chain_hashes(ref) gives f of each node, moving() warns readers."""
        self.words = words
        self.bits = bits
        self.mask = (1 << bits) - 1
        self._displaced: dict[int, int] = {}
        self._packed: tuple[bytes, bytes] | None = None
        self._chain_hashes = chain_hashes
        self._moving = moving

    @property
    def displaced(self) -> dict[int, int]:
        """Number of nodes behind each filter bit, by bucket * 64 + bit."""
        if self._packed is not None:
            keys, counts = array("Q"), array("I")
            keys.frombytes(self._packed[0])
            counts.frombytes(self._packed[1])
            self._displaced = dict(zip(keys, counts, strict=True))
            self._packed = None
        return self._displaced

    def put_displaced(self, keys: bytes, counts: bytes) -> None:
        """Take the counts over, as u64 and u32, to be looked at when the index first changes."""
        self._packed = keys, counts

    def take_over(self, other: "Index") -> None:
        """Take over the counts of an index whose words are here too."""
        self._displaced, self._packed = other._displaced, other._packed

    def first(self, f: int) -> int:
        """Return the bucket of the first choice."""
        return f >> (64 - self.bits)

    def place(self, f: int) -> int:
        """Return where the word of a tag is, 0 when there is none."""
        words = self.words
        tag = f & _LOW
        bucket = f >> (64 - self.bits)
        for at in range(bucket * 8 + 1, bucket * 8 + 8):
            if words[at] >> 32 == tag and words[at]:
                return at
        bucket ^= tag & self.mask
        for at in range(bucket * 8 + 1, bucket * 8 + 8):
            if words[at] >> 32 == tag and words[at]:
                return at
        return 0

    def find(self, f: int) -> int:
        """Return the head of the chain as a reader sees it, 0 when there is none."""
        words = self.words
        tag = f & _LOW
        bucket = f >> (64 - self.bits)
        for word in words[bucket * 8 + 1 : bucket * 8 + 8]:
            if word >> 32 == tag and word:
                return int(word & _LOW)
        if words[bucket * 8] >> (tag >> 26) & 1:
            bucket ^= tag & self.mask
            for word in words[bucket * 8 + 1 : bucket * 8 + 8]:
                if word >> 32 == tag and word:
                    return int(word & _LOW)
        return 0

    def insert(self, f: int, ref: int) -> None:
        """Add the first node of a name."""
        words = self.words
        tag = f & _LOW
        first = f >> (64 - self.bits)
        at = self._free_slot(first)
        if not at:
            second = first ^ (tag & self.mask)
            at = self._free_slot(second) or self._make_room(first, second)
            if at >> 3 != first:
                self._displace(first, tag, 1)
        words[at] = tag << 32 | ref

    def join(self, f: int, at: int) -> None:
        """Count one more node in the list whose word is at a place."""
        first = self.first(f)
        if at >> 3 != first:
            self._displace(first, f & _LOW, 1)

    def leave(self, f: int, at: int, head: int) -> None:
        """Count one node less in a list; `head` is the first that is left, 0 for none."""
        first = self.first(f)
        tag = f & _LOW
        self.words[at] = tag << 32 | head if head else 0
        if at >> 3 != first:
            self._displace(first, tag, -1)

    def _free_slot(self, bucket: int) -> int:
        words = self.words
        for at in range(bucket * 8 + 1, bucket * 8 + 8):
            if not words[at]:
                return at
        return 0

    def count_displaced(self, first: int, tag: int) -> None:
        """Count one more node behind a filter bit that is set already."""
        self._displace(first, tag, 1)

    def _displace(self, first: int, tag: int, change: int) -> None:
        bit = tag >> 26
        key = first * 64 + bit
        displaced = self.displaced
        count = displaced.get(key, self.words[first * 8] >> bit & 1) + change
        if count > 1:
            displaced[key] = count
        else:
            displaced.pop(key, None)
        if count:
            self.words[first * 8] |= 1 << bit
        else:
            self.words[first * 8] &= ~(1 << bit)

    def _make_room(self, first: int, second: int) -> int:
        """Return a slot of one of two full buckets, freed by moving entries to their other buckets (cuckoo hashing)."""
        words, mask = self.words, self.mask
        came_from: dict[int, int] = {first: 0, second: 0}
        queue = [first, second]
        for bucket in queue:
            for at in range(bucket * 8 + 1, bucket * 8 + 8):
                other = bucket ^ ((words[at] >> 32) & mask)
                if other in came_from:
                    continue
                came_from[other] = at
                free = self._free_slot(other)
                if free:
                    with self._moving():
                        return self._move_along(came_from, free)
                queue.append(other)
            if len(queue) > _MOVES:
                break
        raise StoreFull(f"the index of {mask + 1} buckets is full; create the store with more bucket bits")

    def _move_along(self, came_from: dict[int, int], free: int) -> int:
        """Move entries, the last of the path first, and return the slot that gets free at its start."""
        words = self.words
        while source := came_from[free >> 3]:
            word = words[source]
            tag = word >> 32
            words[free] = word
            for f in self._chain_hashes(word & _LOW):
                self._displace_moved(self.first(f), tag, source >> 3, free >> 3)
            words[source] = 0
            free = source
        return free

    def _displace_moved(self, first: int, tag: int, source: int, target: int) -> None:
        if source == target:
            return
        self._displace(first, tag, 1 if first == source else -1)
