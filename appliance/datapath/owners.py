# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a program belongs to: a process, known by number and start time, that holds a lock for as long as it lives.

A number alone names whoever has it now. The lock is gone with its holder, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from appliance.errors import DatapathError

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CLOCK_SLACK_S: Final = 2.0


class Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server process: `started` is in clock ticks since the boot, `run_dir` where it is controlled."""

    pid: int
    started: int
    run_dir: str = ""

    @property
    def lock(self) -> str:
        """Name of its lock's file."""
        return f"owner-{self.pid}-{self.started}.lock"


def this_process(run_dir: str = "") -> Owner:
    """Return who this process is."""
    started = _started(os.getpid())
    if started is None:
        raise DatapathError("/proc does not show this process; mount it")
    return Owner(os.getpid(), started, run_dir)


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19]) if fields[0] not in ("Z", "X") else None


def is_this_process(owner: Owner) -> bool:
    """Return whether this process is the owner."""
    return owner.pid == os.getpid() and owner.started == _started(owner.pid)


def lives(owner: Owner, folder: Path) -> bool:
    """Return whether an owner has not ended. Its lock in `folder` tells, also from another PID namespace."""
    if _started(owner.pid) == owner.started:
        return True
    try:
        fd = os.open(folder / owner.lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def made_pins(pid: int, made_ns: int) -> bool:
    """Return whether the process that has a number now can have made pins at a time of day: it was there already."""
    started = _started(pid)
    if started is None:
        return False
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + started / _TICKS <= made_ns / 1e9 + _CLOCK_SLACK_S


class Lock:
    """The lock of an owner, held until close() or the end of the process."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        self._path = folder / owner.lock
        while True:
            try:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                fcntl.flock(self._fd, fcntl.LOCK_EX)  # whoever looks whether we live has it for a moment only
            except OSError as error:
                raise DatapathError(f"cannot lock {self._path}: {error.strerror}") from error
            if self._is_there():
                return
            os.close(self._fd)

    def _is_there(self) -> bool:
        """Return whether the file was not removed by a tidy neighbour before it was locked."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._fd))

    def close(self) -> None:
        """Remove the lock."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._fd)
