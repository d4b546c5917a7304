# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the ways out of the XDP program, read from `ebpf/verdicts.h`, and the counters kept under them."""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import Final, Literal

from appliance.store import verdict_names
from appliance.store.layout import COUNTER_SLOTS

Outcome = Literal["answer", "pass", "drop"]

_BASES: Final[tuple[tuple[str, Outcome, str, int], ...]] = (
    ("ANSWER_KINDS", "answer", "", 0),
    ("FREE_REASONS", "pass", "", 32),
    ("LIMITED_REASONS", "pass", "", 42),
    ("DROP_REASONS", "drop", "", 64),
    ("LIMITED_REASONS", "drop", "policed_", 106),
)
"""Each list with its outcome, the prefix of its reasons, and the number of its first entry (ebpf/verdict.h)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One way out: its number (counter slot), name such as `pass_tcp`, and what it means."""

    number: int
    outcome: Outcome
    reason: str
    meaning: str

    @property
    def name(self) -> str:
        return f"{self.outcome}_{self.reason}"


@functools.cache
def all_verdicts() -> tuple[Verdict, ...]:
    """Read the lists of `ebpf/verdicts.h` in order."""
    return tuple(
        Verdict(base + i, outcome, f"{before}{reason}", meaning)
        for macro, outcome, before, base in _BASES
        for i, (reason, meaning) in enumerate(verdict_names.listed(macro))
    )


@functools.cache
def by_name() -> dict[str, Verdict]:
    """Verdicts by their full name."""
    return {v.name: v for v in all_verdicts()}


def sum_rows(rows: memoryview | bytes, cpus: int) -> dict[str, int]:
    """Add the counter rows of all CPUs up; `rows` is the `counters` array."""
    totals = [0] * COUNTER_SLOTS
    for cpu in range(cpus):
        row = struct.unpack_from(f"<{COUNTER_SLOTS}Q", rows, cpu * COUNTER_SLOTS * 8)
        totals = [a + b for a, b in zip(totals, row, strict=True)]
    return {v.name: totals[v.number] for v in all_verdicts()}
