# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of a store that are there before they are written, and gone again where nothing was."""

import ctypes
import mmap
import os
import re
from pathlib import Path
from typing import Final

import pytest

from appliance.publish import paging
from appliance.publish.budget import shared_store
from appliance.store.capacity import Capacity
from appliance.store.store import Store
from tests.harness.served import until

pytestmark = pytest.mark.unit

MIB: Final = 1 << 20
SIZES: Final = Capacity(bucket_bits=12, chunks=64, zones=4)


@pytest.fixture
def store() -> Store:
    return shared_store(SIZES, 0)


def present(store: Store) -> int:
    """Return how many MiB of the store's heap take memory."""
    heap = store.octets.obj
    assert isinstance(heap, mmap.mmap)
    start = ctypes.addressof(ctypes.c_char.from_buffer(heap))
    maps = Path("/proc/self/smaps").read_text()
    for found in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) (?:.*\n)+?Rss: +(\d+) kB", maps, re.MULTILINE):
        if int(found[1], 16) <= start < int(found[2], 16):
            assert int(found[2], 16) - int(found[1], 16) >= len(heap)
            return int(found[3]) // 1024
    raise AssertionError("the heap is not mapped")


def test_pages_are_there_before_they_are_written_and_go_where_nothing_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    before = present(store)
    with paging.pages_ahead(store, 32 * MIB):
        until(lambda: present(store) >= before + 31)
        start, end = store.heap.take(8 * MIB // 16 // 16, 8 * MIB // 16 // 16)
        store.octets[start * 16 : end * 16] = b"x" * ((end - start) * 16)
    assert present(store) <= before + 2
    assert bytes(store.octets[start * 16 : end * 16]) == b"x" * ((end - start) * 16)


def test_what_is_written_stays_whatever_is_raised(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    written = []

    def compile_and_fail() -> None:
        start, end = store.heap.take(16, 16)
        store.octets[start * 16 : end * 16] = b"y" * 256
        written.append((start, end))
        raise KeyError

    with pytest.raises(KeyError), paging.pages_ahead(store, 32 * MIB):
        compile_and_fail()
    ((start, end),) = written
    assert bytes(store.octets[start * 16 : end * 16]) == b"y" * 256


@pytest.mark.parametrize(("processors", "octets"), [({0}, 32 * MIB), ({0, 1}, MIB)])
def test_nothing_is_done_alone_or_for_little(
    store: Store, processors: set[int], octets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: processors)
    before = present(store)
    with paging.pages_ahead(store, octets):
        pass
    assert present(store) <= before + 1


def test_a_store_in_other_memory_is_left_alone() -> None:
    with paging.pages_ahead(Store.create(8, 64, 2, 1), 32 * MIB):
        pass
