# SPDX-License-Identifier: GPL-3.0-or-later
"""Program time by interleaved rounds: no-op, unit and every set in turn, so that noise hits all of them alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.machine.cpustat import STEAL_LIMIT, Meter
from bench.traffic.generator import Generator

ROUNDS_MIN = 20
ROUNDS_MAX = 200
DURATION_S = 60.0
REPEAT = 262_144
WARM_UP = 65_536


@dataclass
class Contender:
    """A program measured on one question set; `times` are nanoseconds per question, one for each round."""

    name: str
    question_set: int
    program_fd: int
    times: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """Median over the rounds of the ratio to the unit, and nanoseconds in the quietest round."""

    ratio: float
    quietest_ns: int
    median_ns: float
    spread: float


def measure(
    generator: Generator, unit: Contender, contenders: Sequence[Contender], duration_s: float = DURATION_S
) -> tuple[dict[str, Result], int]:
    """Run rounds for at least `duration_s` and 20 rounds; return results by name and how many rounds were kept.

    In each round every contender runs right after the no-op on the same questions; the difference is its
    time. Rounds with stolen processor time are left out.
    """
    everyone = [unit, *contenders]
    noise: list[int] = []
    end = time.monotonic() + duration_s
    with OneCpu():
        for _ in range(ROUNDS_MAX):
            meter = Meter()
            floors, times = [], []
            for contender in everyone:
                floor, spent = _pair(generator, contender)
                floors.append(floor)
                times.append(spent - floor)
            if meter.usage().steal_share > STEAL_LIMIT and len(noise) + ROUNDS_MIN < ROUNDS_MAX:
                continue
            noise.append(sum(floors) + sum(times))
            for contender, spent in zip(everyone, times, strict=True):
                contender.times.append(spent)
            if len(noise) >= ROUNDS_MIN and time.monotonic() >= end:
                break
    quietest = noise.index(min(noise))
    return {contender.name: _result(contender, unit, quietest) for contender in everyone}, len(noise)


def _pair(generator: Generator, contender: Contender) -> tuple[int, int]:
    generator.choose(contender.question_set)
    generator.aim(generator.fd("nothing"))
    generator.time(WARM_UP)
    floor = generator.time(REPEAT)
    generator.aim(contender.program_fd)
    generator.time(WARM_UP)
    return floor, generator.time(REPEAT)


def _result(contender: Contender, unit: Contender, quietest: int) -> Result:
    ratios = [spent / of for spent, of in zip(contender.times, unit.times, strict=True)]
    quarters = statistics.quantiles(ratios, n=4)
    return Result(
        statistics.median(ratios),
        contender.times[quietest],
        statistics.median(contender.times),
        quarters[2] - quarters[0],
    )


class OneCpu:
    """Keep this thread on one processor while in the block."""

    def __init__(self, cpu: int | None = None) -> None:
        self._allowed = os.sched_getaffinity(0)
        self._cpu = max(self._allowed) if cpu is None else cpu

    def __enter__(self) -> None:
        os.sched_setaffinity(0, {self._cpu})

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self._allowed)
