# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines as their reader wants them: with the time in the foreground, with a priority for the journal."""

import logging
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any, Final

from appliance.access import why_not_written
from appliance.errors import ApplianceError

_WORDS: Final = {"DEBUG": "debug:", "INFO": "info:", "WARNING": "warning:", "ERROR": "error:", "CRITICAL": "error:"}
_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Of sd-daemon(3)."""
_KINDS: Final = {
    "journal": "the journal, which needs no opening",
    "terminal": "a terminal",
    "pipe": "a pipe or a device that whoever started the server has opened",
    "nowhere": "nowhere, since standard error was closed",
}
_STDERR: Final = 2
_FILE_MODE: Final = 0o640

_started_at = ""
"""The file that standard error was at the start, "" where it was none."""


class _Lines(logging.Formatter):
    """One line for each line of a message; a traceback is never one of them."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        lines = record.getMessage().splitlines() or [""]
        if self._journal:
            return "\n".join(f"<{_PRIORITIES.get(record.levelname, 5)}>{line}" for line in lines)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.created))
        return "\n".join(f"{stamp} {_WORDS.get(record.levelname, record.levelname)} {line}" for line in lines)


def start_logging() -> None:
    """Log to stderr from now on, whether that is a terminal, a file or the journal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(is_journal(2)))
    global _started_at  # noqa: PLW0603 - one process, one log
    _started_at = str(Path(f"/proc/self/fd/{_STDERR}").readlink()) if _kind_of(_STDERR) == "file" else ""
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.raiseExceptions = False  # a full disk or a closed terminal is no reason for a traceback


def reopen() -> dict[str, Any]:
    """Open the file of the log again at the path that it had at the start; say what there was to do.

    `to` is where the log goes. Raises ApplianceError where the file cannot be opened: the log goes on where it was.
    """
    if not _started_at:
        kind = _kind_of(_STDERR)
        return {"to": kind, "file": "", "said": f"the log goes to {_KINDS[kind]}: there was nothing to open again"}
    try:
        file = os.open(_started_at, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
    except OSError as error:
        why = why_not_written(_started_at, error)
        raise ApplianceError(
            f"the log cannot be opened again at {_started_at}: {why}; it goes on where it was"
        ) from error
    try:
        os.dup2(file, _STDERR)
    finally:
        os.close(file)
    said = f"the log goes to {_started_at}, opened again; workers that run write their last words to the old file"
    return {"to": "file", "file": _started_at, "said": said}


def _kind_of(fd: int) -> str:
    if is_journal(fd):
        return "journal"
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return "nowhere"
    if stat.S_ISREG(mode):
        return "file"
    return "terminal" if os.isatty(fd) else "pipe"


def is_journal(fd: int) -> bool:
    """Return whether a descriptor leads to the journal: JOURNAL_STREAM has its device and inode (systemd.exec(5))."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(fd)
        return (int(device), int(inode)) == (status.st_dev, status.st_ino)
    except (OSError, ValueError):
        return False
