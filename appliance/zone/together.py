# SPDX-License-Identifier: GPL-3.0-or-later
"""Halves of a large zone's names on two processors: loops of compiled code that leave the interpreter alone."""

import os
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LEAST: Final = 1 << 14
"""Names whose halves are worth a second thread: to start one takes as long as some hundred names."""

APART: Final = 1024
"""Octets more than it needs that a thread's own room gets: small pieces of memory of two threads would lie together, in
lines that the processors then take from each other all the time (half as much time again for the same names)."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def halves(count: int) -> list[tuple[int, int]]:
    """Return where the parts of so many names begin and end: two where that pays, else one."""
    if count < _LEAST or processors() < 2:
        return [(0, count)]
    return [(0, count // 2), (count // 2, count)]


def side_by_side(works: Sequence[Callable[[], T]]) -> list[T]:
    """Return what all the works return, in their order; the first one is done by the thread that calls.

    No other thread is left afterwards. Raises what a work has raised, if several have what the first of them has.
    """
    sides = [_Side(work) for work in works]
    started = []
    try:
        for side in sides[1:]:
            side.start()
            started.append(side)
        sides[0].run()
    finally:
        for side in started:
            side.join()
    return [side.outcome() for side in sides]


class _Side(Thread, Generic[T]):
    """One work and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="half")
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error

    def outcome(self) -> T:
        """Return the result, or raise the error."""
        if self._error is not None:
            raise self._error
        return self._results[0]
