# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGHUP at every moment of the server's life: one that comes during the start is acted on when that is done."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType


class Hangups:
    """Catches SIGHUP from construction on, and never lets it end the process, not even while the process ends."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._act: Callable[[], None] | None = None
        self._pending = False
        # Not the loop's own handler: where that ends, SIGHUP would end the process.
        signal.signal(signal.SIGHUP, self._caught)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._came)

    def _came(self) -> None:
        if self._act is None:
            self._pending = True
        else:
            self._act()

    def act(self, act: Callable[[], None]) -> None:
        """Call act for each from now on, and for those that came before: a file may have changed after it was read."""
        self._act = act
        if self._pending:
            self._pending = False
            act()

    def ignore(self) -> None:
        """Do nothing any more, not even for one that was caught just now."""
        self._act = lambda: None
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
