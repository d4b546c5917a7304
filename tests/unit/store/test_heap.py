# SPDX-License-Identifier: GPL-3.0-or-later
"""Room in the heap: nothing overlaps, nothing crosses a chunk, all of it comes back."""

import itertools
import random

import pytest

from appliance.store.heap import Arena, Heap, StoreFull
from appliance.store.layout import CHUNK_GRANULES, HEAP_CHUNK, START_GRANULES

pytestmark = pytest.mark.unit


@pytest.fixture
def heap() -> Heap:
    return Heap(memoryview(bytearray(3 * HEAP_CHUNK)))


def test_reference_zero_is_never_given(heap: Heap) -> None:
    assert Arena(heap).take(1) == 1


def test_objects_keep_apart_and_inside_a_chunk(heap: Heap) -> None:
    chance = random.Random(1)
    arena = Arena(heap, HEAP_CHUNK)
    taken: list[tuple[int, int]] = []

    def fill() -> None:
        while True:
            size = chance.choice((1, 16, 17, 100, 500, 4096, 5000, 40000))
            ref = arena.take(size)
            taken.append((ref, ref + (size + 15) // 16))

    with pytest.raises(StoreFull, match="more chunks"):
        fill()
    taken.sort()
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(taken))
    for start, end in taken:
        assert start % CHUNK_GRANULES < START_GRANULES
        assert start // CHUNK_GRANULES == (end - 1) // CHUNK_GRANULES
    assert sum(end - start for start, end in taken) > 3 * CHUNK_GRANULES * 0.9


def test_the_largest_object(heap: Heap) -> None:
    arena = Arena(heap)
    ref = arena.take(HEAP_CHUNK - 16)
    assert ref % CHUNK_GRANULES <= 1
    with pytest.raises(StoreFull):
        arena.take(HEAP_CHUNK + 16)


def test_everything_comes_back_joined(heap: Heap) -> None:
    before = list(heap.free)
    arenas = [Arena(heap, size) for size in (100, 5000, 100000)]
    for _ in range(200):
        for arena in arenas:
            arena.take(300)
    extents = [extent for arena in arenas for extent in arena.close()]
    random.Random(2).shuffle(extents)
    for start, end in extents:
        heap.give_back(start, end)
    assert heap.free == before


def test_a_small_zone_takes_little(heap: Heap) -> None:
    arena = Arena(heap, 200)
    arena.take(40)
    arena.take(60)
    assert arena.close() == [(1, 8)]


def test_what_was_placed_comes_back(heap: Heap) -> None:
    before = list(heap.free)
    arena = Arena(heap)
    arena.put(b"x" * 100)
    arena.put(b"y" * 9000)
    for start, end in arena.close():
        heap.give_back(start, end)
    assert heap.free == before
