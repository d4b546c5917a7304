# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a worker is alive: it is asked over its line, and judged only by what it had the chance to do.

Nothing is judged by the clock alone. A control process that was held up itself counts one question, not many; a worker
that got no processor, or waits for a disk, is late without being to blame.
"""

import contextlib
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from appliance.server.worker import PING

ASKED: Final = 5
"""Questions in a row that a worker leaves unanswered before it is replaced."""
_CHANCE_S: Final = 0.05
"""Processor time after which a worker that runs could have answered."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LINE: Final = 64


@dataclass(slots=True)
class Pulse:
    """What is known of one worker from its answers."""

    pid: int
    line: socket.socket
    asked: int = 0
    answered: int = 0
    missed: int = 0
    state: str = ""
    """Letter of proc_pid_stat(5) when it was last looked at."""
    dead: bool = False
    _used: float = field(default=0.0)

    def beat(self) -> bool:
        """Take the answers that came, judge the last question, ask the next; return whether to kill the worker now."""
        self._take()
        state, used = _processor(self.pid)
        if self.answered == self.asked:
            self.missed = 0
        elif _had_a_chance(state, used - self._used):
            self.missed += 1
        self.state, self._used = state, used
        if self.missed >= ASKED:
            known, self.dead = self.dead, True
            return not known
        if self.answered == self.asked:
            self._ask()
        return False

    def _take(self) -> None:
        with contextlib.suppress(OSError):  # nothing there, or the worker has gone
            while message := self.line.recv(_LINE, socket.MSG_DONTWAIT):
                if message[:1] == PING:
                    self.answered = int.from_bytes(message[1:])

    def _ask(self) -> None:
        with contextlib.suppress(OSError):
            self.line.send(PING + (self.asked + 1).to_bytes(8), socket.MSG_DONTWAIT)
            self.asked += 1


def _had_a_chance(state: str, used: float) -> bool:
    """Return whether a worker could have answered: not while it waits for a disk, or was ready and got no processor."""
    if state == "R":
        return used >= _CHANCE_S
    return state != "D"


def _processor(pid: int) -> tuple[str, float]:
    """Return the state of a process and the processor time it has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, ValueError, IndexError):
        return "X", 0.0
