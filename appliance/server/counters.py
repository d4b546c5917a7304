# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of the userspace server: one row per worker in shared memory, so that reading them asks nobody."""

import mmap
from typing import Final

from appliance.datapath import verdicts

# The answers and drops have the names of the NIC path's verdicts; these have no counterpart there.
_OWN: Final = (
    "answer_notauth",
    "answer_identity",
    "drop_internal_error",
    "udp_queries",
    "udp_replies",
    "udp_send_failed",
    "udp_dropped_share",
    "tcp_queries",
    "tcp_accepted",
    "tcp_refused_prefix",
    "tcp_evicted",
    "tcp_closed_idle",
    "tcp_closed_stalled",
    "tcp_closed_send_queue",
    "tcp_reset",
    "tcp_closed_malformed",
    "tcp_closed_oversize",
    "tcp_closed_query_limit",
    "nsec3_truncated",
    "nsec3_servfail",
)

NAMES: Final[tuple[str, ...]] = (*(v.name for v in verdicts.all_verdicts() if v.outcome != "pass"), *_OWN)
_INDEX: Final = {name: index for index, name in enumerate(NAMES)}
_ROW: Final = len(NAMES)
MOST_WORKERS: Final = 256
"""As many as a configuration may ask for: their number changes while the server runs, and no counter is ever lost."""


class Counters:
    """The rows of all workers; a forked worker writes its own, the control process reads the sums."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, workers * _ROW * 8)
        self._rows = memoryview(self._memory).cast("Q")

    def row(self, worker: int) -> "CounterRow":
        """Return the row of one worker, which keeps its values when the worker is started again."""
        return CounterRow(self._rows[worker * _ROW : (worker + 1) * _ROW])

    def totals(self) -> dict[str, int]:
        """Return the sums over all workers by name."""
        return {name: sum(self._rows[index::_ROW]) for index, name in enumerate(NAMES)}


class CounterRow:
    """One worker's counters."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def count(self, name: str, times: int = 1) -> None:
        """Add to a counter of NAMES."""
        self._cells[_INDEX[name]] += times

    def value(self, name: str) -> int:
        """Return a counter's value."""
        return int(self._cells[_INDEX[name]])
