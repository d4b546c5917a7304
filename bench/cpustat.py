# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time of the whole system from /proc/stat, and runs that are repeated when the hypervisor took time away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

STEAL_LIMIT = 0.04
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """What all processors did in an interval. `busy_s` includes interrupt time, excludes idle, iowait and steal."""

    elapsed_s: float
    busy_s: float
    softirq_s: float
    steal_share: float


class Meter:
    """Read /proc/stat at the start and at each `usage()`."""

    def __init__(self) -> None:
        self._ticks = _ticks()
        self._start = time.monotonic()

    def usage(self) -> Usage:
        """Sum what was used since the meter was made."""
        user, nice, system, idle, iowait, irq, softirq, steal = (
            (now - then) * TICK_S for then, now in zip(self._ticks, _ticks(), strict=True)
        )
        busy = user + nice + system + irq + softirq
        total = busy + idle + iowait + steal
        return Usage(time.monotonic() - self._start, busy, softirq, steal / total if total else 0.0)


def _ticks() -> list[int]:
    with Path("/proc/stat").open() as file:
        return [int(word) for word in file.readline().split()[1:9]]


def quiet(run: Callable[[], T], attempts: int = 4) -> tuple[T, Usage]:
    """Run until no more than 4 % of the processor time was stolen.

    After `attempts` the last run counts, and its usage says so.
    """
    for attempt in range(attempts):
        meter = Meter()
        result = run()
        usage = meter.usage()
        if usage.steal_share <= STEAL_LIMIT or attempt == attempts - 1:
            return result, usage
    raise AssertionError("attempts must be positive")
