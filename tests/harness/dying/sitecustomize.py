# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported by each Python of a server under test: kills it at a chosen line of a phase of its work.

DIES_IN names the file that says where ("phase line delay_s"); without that file nothing dies, and the number of lines
that a phase has executed is added to <file>.<phase>, so that a test knows which lines there are to choose from.
"""

import os
import pathlib
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

ROOTS = {
    ("images.py", "load"): "load",
    ("loading.py", "run"): "load",
    ("images.py", "save"): "save",
    ("publication.py", "<lambda>"): "apply",
    ("publication.py", "_moved"): "swap",
    ("publication.py", "_attach"): "swap",
    ("replay.py", "follow"): "compact",
    ("history.py", "keep"): "keep",
    ("history.py", "record"): "keep",
    ("dynamic.py", "put"): "add",
    ("batch.py", "go_on"): "together",
    ("dynamic.py", "drop"): "remove",
    ("dynamic.py", "freeze"): "freeze",
    ("writing.py", "_put_back"): "write",
}
"""Where a phase begins: all that it calls, in this program's code, belongs to it."""

PLAN = pathlib.Path(os.environ["DIES_IN"])
FOLDER = f"{os.sep}appliance{os.sep}"


class Phase:
    """One way through a root, in the thread that it runs in."""

    def __init__(self, name: str, root: FrameType) -> None:
        """Read what is to happen."""
        self.name = name
        self.root = root
        self.lines = 0
        phase, last, delay = (PLAN.read_text() if PLAN.exists() else "none 0 0").split()
        self.last = int(last) if phase == name else -1
        self.delay = float(delay)

    def local(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Count lines, and die at the last one."""
        if event == "line":
            if self.lines == self.last:
                self.die()
            self.lines += 1
        elif event == "return" and frame is self.root:
            sys.settrace(entered)
            with pathlib.Path(f"{PLAN}.{self.name}").open("a") as noted:
                noted.write(f"{self.lines}\n")
        return self.local

    def entered(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Follow calls within the program."""
        return self.local if FOLDER in frame.f_code.co_filename else None

    def die(self) -> None:
        """Kill the process, now or a moment later, wherever it is then."""
        if self.delay:
            threading.Thread(target=self._later, daemon=True).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    def _later(self) -> None:
        time.sleep(self.delay)
        os.kill(os.getpid(), signal.SIGKILL)


def entered(frame: FrameType, event: str, argument: Any) -> Any:
    """Begin a phase at one of the roots."""
    path = frame.f_code.co_filename
    name = ROOTS.get((path.rpartition(os.sep)[2], frame.f_code.co_name))
    if name is None or FOLDER not in path:
        return None
    phase = Phase(name, frame)
    sys.settrace(phase.entered)
    return phase.local


threading.settrace(entered)
