# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of `appliance serve` until its event loop runs: while Python imports it, and while the configuration is read.

Imports next to nothing, so that it is in charge from the first moment on.
"""

import os
import signal
from types import FrameType


def take_charge() -> None:
    """Ignore SIGHUP, since all files are still to be read, and end at once with status 0 at SIGTERM and SIGINT.

    SIGUSR1 and SIGUSR2 are ignored from here on: other servers open their logs anew or write statistics at them, and a
    script that was written for one of those must not end this one.
    """
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process: nothing is open yet, nothing is attached, and no other process was started."""
    os._exit(0)
