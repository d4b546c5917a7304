# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time of the whole system, and whether somebody else took much of it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STEAL_LIMIT = 0.04
FOREIGN_LIMIT = 0.10
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What all processors did in an interval.

    `busy_s` is all time that was neither idle nor stolen, interrupts included. It is not the sum of the busy columns:
    those count clock ticks, and load that starts with the tick hides between two of them; idle time is measured.
    `steal_share` is the hypervisor's part of all
    processor time, `foreign_share` the part of processes outside this process group (those that ended are not seen).
    """

    elapsed_s: float
    busy_s: float
    steal_share: float
    foreign_share: float

    @property
    def noisy(self) -> bool:
        """Return whether somebody else took enough time to spoil the run."""
        return self.steal_share > STEAL_LIMIT or self.foreign_share > FOREIGN_LIMIT


class Meter:
    """Read /proc/stat at the start and at each `usage()`."""

    def __init__(self) -> None:
        self._foreign = _foreign_ticks()
        self._ticks = _ticks()
        self._start = time.monotonic()

    def usage(self) -> Usage:
        """Sum what was used since the meter was made."""
        elapsed = time.monotonic() - self._start
        _, _, _, idle, iowait, _, _, steal = (
            (now - then) * TICK_S for then, now in zip(self._ticks, _ticks(), strict=True)
        )
        total = elapsed * os.sysconf("SC_NPROCESSORS_ONLN")
        busy = max(TICK_S, total - idle - iowait - steal)
        foreign = sum(ticks - self._foreign.get(pid, 0) for pid, ticks in _foreign_ticks().items()) * TICK_S
        return Usage(elapsed, busy, steal / total, foreign / total)


def _ticks() -> list[int]:
    with Path("/proc/stat").open() as file:
        return [int(word) for word in file.readline().split()[1:9]]


def _foreign_ticks() -> dict[int, int]:
    """Ticks of each process that is neither in our group nor a kernel thread (those work for the measurement)."""
    own = os.getpgrp()
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) not in (own, 0):
                found[int(path.parent.name)] = int(fields[11]) + int(fields[12])
    return found
