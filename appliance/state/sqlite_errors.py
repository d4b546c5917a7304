# SPDX-License-Identifier: GPL-3.0-or-later
"""What SQLite's errors mean for an operator."""

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

_NO_ROOM: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def why(error: sqlite3.Error, path: Path) -> str:
    """Return what keeps a file from being used: SQLite's words for a full disk are many, and say less."""
    code = getattr(error, "sqlite_errorcode", 0)  # Python's own errors have none
    with contextlib.suppress(OSError):
        disk = os.statvfs(path.parent)
        if disk.f_flag & os.ST_RDONLY:
            return os.strerror(errno.EROFS)
        if not disk.f_bavail and code & 0xFF in _NO_ROOM:
            return os.strerror(errno.ENOSPC)
    return str(error)


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that the file is not what SQLite has written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
