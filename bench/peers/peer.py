# SPDX-License-Identifier: GPL-3.0-or-later
"""Run another name server beside ours; it ends with this process."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.errors import DatapathError

START_LIMIT_S = 60.0


@dataclass(frozen=True)
class Shape:
    """How many server processes, each with a socket of its own, and the processors they are pinned to, if any."""

    name: str
    servers: int = 1
    pinned: tuple[int, ...] = ()


class Peer:
    """A server process in the foreground, started in the context."""

    def __init__(self, program: str, command: list[str], log: Path) -> None:
        if not shutil.which(command[0]):
            raise DatapathError(f"{program} is not installed; install the Debian package {program}")
        self._name = program
        self._log = log
        # The server gets a process namespace that dies with its first process, and that one with us.
        own = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL"]
        self._command = [*own, *command]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def wait(self, answered: Callable[[], bool]) -> None:
        """Wait until the zone is served; `answered` asks a few questions."""
        assert self._process
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise DatapathError(f"{self._name} ended with {self._process.returncode}: {self._said()}")
            if answered():
                return
            time.sleep(0.1)
        raise DatapathError(f"{self._name} did not answer within {START_LIMIT_S:.0f} s: {self._said()}")

    def _said(self) -> str:
        return self._log.read_text()[-500:]
