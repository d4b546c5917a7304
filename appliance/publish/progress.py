# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long load is: a bar on a terminal, a line in the log now and then otherwise."""

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from appliance.wording import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_QUIET_S: Final = 2.0
"""A load that ends within this time says nothing."""
_EVERY_S: Final = 5.0

_log = logging.getLogger(__name__)


class Progress:
    """One load of zone files, told in octets; changed by one thread. Any may ask it, and end() it, which must be."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self.zones = 0
        self.begun = False
        self._ended = False
        self._drawing = threading.Lock()
        self._started = self._told = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def begin(self, octets: int, zones: int) -> None:
        """Note how much there is to do."""
        self._total, self.zones = octets, zones
        self.begun, self._ended = True, False
        self._started = self._told = time.monotonic()

    def advance(self, octets: int) -> None:
        """Note that `octets` more are done."""
        self._done += octets
        now = time.monotonic()
        if now - self._started < _QUIET_S:
            return
        if sys.stderr.isatty():
            with self._drawing:
                if not self._ended:  # by a thread that does not wait for this one
                    self._draw()
        elif now - self._told >= _EVERY_S:
            self._told = now
            _log.info("%s", self.line(now))

    @property
    def share(self) -> float:
        """Part that is done, 0 to 1."""
        if not self.begun:
            return 0.0
        return min(1.0, self._done / self._total) if self._total else 1.0

    def line(self, now: float) -> str:
        """Return how far it is, how fast it goes and how long it will take, in words."""
        spent = now - self._started
        rate = self._done / spent if spent else 0.0
        left = f", about {(self._total - self._done) / rate:.0f} s left" if rate else ""
        return f"loading {counted(self.zones, 'zone')}: {self.share:.0%}, {rate / 1e6:.1f} MB/s{left}"

    def _draw(self) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(f"loading {counted(self.zones, 'zone')}", total=self._total)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=self._done)

    def end(self) -> None:
        """Remove the bar from the terminal."""
        with self._drawing:
            self._ended = True
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
