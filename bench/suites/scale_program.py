# SPDX-License-Identifier: GPL-3.0-or-later
"""Time of the XDP program for random delegations of a zone that is far larger than any cache."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.peers import ours
from bench.suites import program_time
from bench.suites.program_time import NOERROR, Case
from bench.traffic.generator import SET_SIZE
from bench.zones import large

_LIMIT_U: Final = 2.0


def measure(part: str, path: Path, duration_s: float) -> Iterator[Figure]:
    """Yield the sketch's time, and that of existing delegations of the zone in a file in units of it."""
    zone = ours.read_zone(path, large.ORIGIN)
    delegations = sorted(zone.delegations)
    asked = random.Random("delegations").sample(delegations, SET_SIZE)
    del delegations
    with ours.loaded([zone]) as generation:
        del zone
        case = Case(f"{part}_delegations", _LIMIT_U, generation, asked.__getitem__, "answer_referral", NOERROR)
        yield from program_time.measure([case], duration_s)
