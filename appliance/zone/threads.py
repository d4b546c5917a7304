# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a large zone's names on two processors: loops of compiled code that leave the interpreter alone."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Thread
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LEAST: Final = 1 << 14
"""Names from which on a second thread is worth it: to start one takes as long as some hundred names."""
_PARTS: Final = 8
"""Parts of a zone's names. More than threads, for names of one kind lie together, and a processor may be taken away."""

APART: Final = 1024
"""Octets more than it needs that a thread's own room gets: small pieces of memory of two threads would lie together, in
lines that the processors then take from each other all the time."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def divided(count: int) -> list[tuple[int, int]]:
    """Return where the parts of `count` names begin and end: several where that pays, else one."""
    if count < _LEAST or processors() < 2:
        return [(0, count)]
    ends = [count * part // _PARTS for part in range(_PARTS + 1)]
    return list(pairwise(ends))


def side_by_side(works: Sequence[Callable[[], T]]) -> list[T]:
    """Return what all the works return, in their order; two threads take the next one each, the calling one first.

    The other thread is gone afterwards. Raises what a work has raised; if several have, what the first of them has.
    """
    if len(works) < 2:
        return [work() for work in works]  # without anything else: there may be a hundred thousand small zones
    side = _Side(works)
    side.start()
    try:
        side.run()
    finally:
        side.join()
    return side.outcomes()


class _Side(Thread, Generic[T]):
    """Works that wait, and what came of the others; run by itself and by whoever made it."""

    def __init__(self, works: Sequence[Callable[[], T]]) -> None:
        super().__init__(name="beside")
        self._waiting = deque(enumerate(works))
        self._results: dict[int, T] = {}
        self._errors: dict[int, BaseException] = {}

    def run(self) -> None:
        while not self._errors:
            try:
                number, work = self._waiting.popleft()
            except IndexError:
                break
            try:
                self._results[number] = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the results are asked for
                self._errors[number] = error

    def outcomes(self) -> list[T]:
        """Return all results, or raise the first error: what comes before it in the order was begun before."""
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[number] for number in sorted(self._results)]
