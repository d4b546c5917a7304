# SPDX-License-Identifier: GPL-3.0-or-later
"""What the counters have grown by since somebody asked last: `stats --diff`. No counter is ever reset for it."""

import time
from typing import Any, Final

COUNTERS: Final = ("verdicts", "userspace", "workers", "put_back", "misses")
"""What of stats counts upward; the rest tells what is so now."""


class StatsDifference:
    """Remembers the counters of the last call, whoever made it."""

    def __init__(self, since: float) -> None:
        """Count from a moment on, in seconds since 1970, when all counters were 0."""
        self._since = since
        self._last: dict[str, dict[str, int]] = {}

    def of(self, stats: dict[str, Any]) -> dict[str, Any]:
        """Return stats with what the counters have grown by, and `since`; a counter that began anew counts whole."""
        now = time.time()
        grown = {key: _grown(self._last.get(key, {}), stats[key]) for key in COUNTERS}
        since, self._since = self._since, now
        self._last = {key: dict(stats[key]) for key in COUNTERS}
        answered = sum(value for name, value in grown["verdicts"].items() if name.startswith("answer_"))
        queries = answered + grown["userspace"].get("udp_queries", 0)
        share = answered / queries if queries and grown["verdicts"] else None
        return {**stats, **grown, "nic_path_share": share, "since": since, "seconds": round(now - since, 3)}


def _grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return the differences; counters of interfaces and ways that are new count from 0 on."""
    return {name: value - was if value >= (was := before.get(name, 0)) else value for name, value in after.items()}
