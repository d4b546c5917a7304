# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported by each Python of a server under test: sends its process a signal at one of the events that Python audits.

SIGNAL_AT is the number of the event, counted from when the command line is imported, and SIGNAL that of the signal.
EVENTS names a file for how many events there were whenever the server told its manager something.
"""

import os
import pathlib
import sys
from typing import Any

_AT = int(os.environ.get("SIGNAL_AT", "-1"))
_SIGNAL = int(os.environ.get("SIGNAL", "0"))
_EVENTS = os.environ.get("EVENTS", "")
_FIRST = "appliance.cli.main"
_PID = os.getpid()
_seen = -1


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    global _seen  # noqa: PLW0603 - a hook has no other place for what it counts
    if _seen < 0 and not (event == "import" and arguments[0] == _FIRST):
        return
    if os.getpid() != _PID:  # a worker
        return
    _seen += 1
    if _seen == _AT:
        os.kill(_PID, _SIGNAL)
    if _EVENTS and event == "socket.sendto" and arguments[1] == os.environ["NOTIFY_SOCKET"]:
        with pathlib.Path(_EVENTS).open("a") as noted:
            noted.write(f"{_seen}\n")


sys.addaudithook(_look)
