# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines as their reader wants them: with the time in the foreground, with a priority for the journal."""

import logging
import os
import sys
import time
from typing import Final

_WORDS: Final = {"DEBUG": "debug:", "INFO": "info:", "WARNING": "warning:", "ERROR": "error:", "CRITICAL": "error:"}
_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Of sd-daemon(3)."""


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
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.raiseExceptions = False  # a full disk or a closed terminal is no reason for a traceback


def is_journal(fd: int) -> bool:
    """Return whether a descriptor leads to the journal: JOURNAL_STREAM has its device and inode (systemd.exec(5))."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(fd)
        return (int(device), int(inode)) == (status.st_dev, status.st_ino)
    except (OSError, ValueError):
        return False
