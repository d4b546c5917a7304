# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a zone's names in two threads: what comes out, in which order, and what is left of the threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial

import pytest

from appliance.zone import threads
from appliance.zone.threads import divided, side_by_side

pytestmark = pytest.mark.unit


def wait_for(others: threading.Barrier, result: int) -> tuple[int, int]:
    others.wait(10)
    return result, threading.get_ident()


def fail(error: BaseException) -> int:
    raise error


def test_results_are_in_the_order_of_the_works_and_two_run_at_the_same_time() -> None:
    before = threading.active_count()
    barrier = threading.Barrier(2)
    found = side_by_side([partial(wait_for, barrier, number) for number in (5, 3, 4, 6)])
    assert [result for result, _ in found] == [5, 3, 4, 6]
    threads = {thread for _, thread in found}
    assert len(threads) == 2
    assert threading.get_ident() in threads
    assert threading.active_count() == before


def test_a_thread_goes_on_with_the_next_work_while_the_other_is_busy() -> None:
    ended = threading.Event()
    works: list[Callable[[], bool | None]] = [partial(ended.wait, 10), bool, bool, ended.set]
    assert side_by_side(works) == [True, False, False, None]


@pytest.mark.parametrize("first", [None, KeyError("first")])
@pytest.mark.parametrize("second", [None, MemoryError("second")])
def test_an_error_surfaces_when_no_thread_is_left(first: Exception | None, second: Exception | None) -> None:
    before = threading.active_count()
    works = [partial(fail, error) if error else int for error in (first, second)]
    if first or second:
        with pytest.raises((KeyError, MemoryError)) as caught:
            side_by_side(works)
        assert caught.value is (first or second)
    else:
        assert side_by_side(works) == [0, 0]
    assert threading.active_count() == before


def test_one_work_needs_no_thread() -> None:
    assert side_by_side([threading.get_ident]) == [threading.get_ident()]


@pytest.mark.parametrize(
    ("count", "processors", "parts"),
    [
        (0, 2, [(0, 0)]),
        (99, 2, [(0, 99)]),
        (100, 2, [(0, 25), (25, 50), (50, 75), (75, 100)]),
        (103, 8, [(0, 25), (25, 51), (51, 77), (77, 103)]),
        (1000, 1, [(0, 1000)]),
    ],
)
def test_parts(monkeypatch: pytest.MonkeyPatch, count: int, processors: int, parts: list[tuple[int, int]]) -> None:
    monkeypatch.setattr(threads, "_LEAST", 100)
    monkeypatch.setattr(threads, "_PARTS", 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    assert divided(count) == parts
