# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is drained by hand: `appliance health` fails until it is not any more, over restarts too.

A file in the state folder outlasts a restart and a power cut. One in the run folder is for `appliance health`, which
runs as anybody and asks no server. Either of them counts: a disk that was full must not put a site back on the air.
"""

import contextlib
import errno
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from appliance.access import why_not_written
from appliance.errors import StateError
from appliance.served.signatures import moment
from appliance.wording import visible

FILE: Final = "drained.json"
REASON_OCTETS: Final = 1000
_LONGEST: Final = 16384
_DURABLE_MODE: Final = 0o600
_SHOWN_MODE: Final = 0o644

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """Since when a server is drained (seconds since 1970), by whom, and why."""

    since: float
    by: str
    reason: str

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"drained since {moment(int(self.since))} by {self.by}{why}; `appliance undrain` ends it"


def drained_in(folder: Path) -> Drained | None:
    """Return what a folder says of a drained server, None where it is not; a damaged file counts as drained.

    Raises StateError where nobody can tell.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            octets = file.read(_LONGEST)
            since = os.fstat(file.fileno()).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise StateError(f"whether the server is drained cannot be read from {path}: {error}") from error
    with contextlib.suppress(ValueError, RecursionError, TypeError, KeyError, OverflowError):
        said = json.loads(octets)
        found = Drained(float(said["since"]), visible(str(said["by"])), visible(str(said["reason"])))
        moment(int(found.since))
        return found
    return Drained(since, "somebody", f"{path} is damaged, and does not say by whom or why")


class Drain:
    """Whether this server is drained; kept in its folders."""

    now: Drained | None = None
    unkept = ""
    """Why a restart of the machine would forget it, "" if it would not."""
    unshown = ""
    """Why `appliance health` does not see it, "" if it does."""

    def __init__(self, state_dir: Path, run_dir: Path) -> None:
        """Take up what was so before, and show it where `appliance health` looks. Logs what cannot be read."""
        self._durable, self._shown = state_dir, run_dir
        self._turn = threading.Lock()
        for folder in (run_dir, state_dir):
            try:
                self.now = drained_in(folder) or self.now
            except StateError as error:
                _log.warning("%s", error)
        if self.now is not None:
            with contextlib.suppress(StateError):
                self._write(self.now)
            for warning in self.warnings():
                _log.warning("%s", warning)

    def begin(self, by: str, reason: str) -> None:
        """Drain; where it is so already, since when and by whom stays. Raises StateError where that cannot be shown.

        Where it is shown but cannot be kept over a restart of the machine, `unkept` says why.
        """
        if len(reason.encode(errors="replace")) > REASON_OCTETS:
            raise StateError(f"a reason has at most {REASON_OCTETS} octets")
        with self._turn:
            before = self.now or Drained(time.time(), by, "")
            self._write(replace(before, reason=visible(reason) or before.reason))
        if self.unshown:
            raise StateError(f"`appliance health` does not see that the server is drained: {self.unshown}")

    def end(self) -> None:
        """Drain no more. Raises StateError where a file cannot be removed: it is still drained then."""
        with self._turn:
            for folder in (self._durable, self._shown):
                try:
                    (folder / FILE).unlink(missing_ok=True)
                    _sync(folder)
                except NotADirectoryError:
                    continue
                except OSError as error:
                    why = why_not_written(folder, error)
                    raise StateError(f"still drained: {folder / FILE} cannot be removed: {why}") from error
            self.now, self.unkept, self.unshown = None, "", ""

    def warnings(self) -> Iterator[str]:
        """Yield what status has to say."""
        if self.now is not None:
            yield f"the server is {self.now}"
        if self.unkept:
            yield f"a restart of the machine forgets that the server is drained: {self.unkept}"
        if self.unshown:
            yield f"`appliance health` does not see that the server is drained: {self.unshown}"

    def described(self) -> dict[str, Any] | None:
        """Return what status shows; None where the server is not drained."""
        return None if self.now is None else {**asdict(self.now), "unkept": self.unkept, "unshown": self.unshown}

    def _write(self, wanted: Drained) -> None:
        """Put it into both folders. Raises StateError where neither takes it."""
        text = json.dumps(asdict(wanted)).encode() + b"\n"
        unkept = _why_not_replaced(self._durable, text, _DURABLE_MODE)
        unshown = _why_not_replaced(self._shown, text, _SHOWN_MODE)
        if unkept and unshown and self.now is None:
            raise StateError(f"not drained: {unkept}; {unshown}")
        self.now, self.unkept, self.unshown = wanted, unkept, unshown


def _why_not_replaced(folder: Path, text: bytes, mode: int) -> str:
    try:
        _replace(folder, text, mode)
    except OSError as error:
        return f"{folder / FILE}: {why_not_written(folder, error)}"
    return ""


def _replace(folder: Path, text: bytes, mode: int) -> None:
    """Put a file into a folder, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{FILE}.new"
    new.unlink(missing_ok=True)
    try:
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            os.fchmod(file, mode)
            if os.write(file, text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        finally:
            os.close(file)
        new.rename(folder / FILE)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    _sync(folder)


def _sync(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
