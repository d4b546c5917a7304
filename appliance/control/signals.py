# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of `appliance serve` once its event loop runs: SIGTERM and SIGINT end it, SIGHUP applies and reloads.

A SIGHUP that comes during the start is acted on when that is done. Until there is a loop, `early_signals` is in charge.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

_ALL: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_PART: Final = 4096


class Signals:
    """Catches signals from construction on; none ends the process by itself any more, not even while it ends."""

    def __init__(self, stop: asyncio.Event) -> None:
        """Set `stop` at a signal that is to end the server. Belongs to the main thread."""
        self._loop = asyncio.get_running_loop()
        self._stop = stop
        self._act: Callable[[], None] | None = None
        self._pending = False
        # A signal that comes just before the loop begins to wait has to wake it all the same.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._loop.add_reader(self._woken, self._drain)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        # Not the loop's own handlers: where that ends, the signals would have their defaults again.
        for number in _ALL:
            signal.signal(number, self._caught)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(_PART)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._hung_up if number == signal.SIGHUP else self._stop.set)

    def _hung_up(self) -> None:
        if self._act is None:
            self._pending = True
        else:
            self._act()

    def on_hangup(self, act: Callable[[], None]) -> None:
        """Call `act` for each SIGHUP from now on, and for one that came before: a file may have changed since."""
        self._act = act
        if self._pending:
            self._pending = False
            act()

    def forget_hangups(self) -> None:
        """Do nothing at a SIGHUP any more, not even for one that was caught just now."""
        self._act = lambda: None

    def end(self) -> None:
        """Ignore all these signals until the process, which is about to end, has ended."""
        for number in _ALL:
            signal.signal(number, _take_no_notice)  # SIG_IGN: Python complains of one that came just before
        signal.set_wakeup_fd(-1)
        self._loop.remove_reader(self._woken)
        self._woken.close()
        self._waker.close()


def _take_no_notice(number: int, frame: FrameType | None) -> None:
    pass
