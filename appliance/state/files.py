# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the state folder that cannot be had from anywhere else: what a backup takes, and a restore puts back.

A file that is kept in the folder from now on gets a row here. The image is left out: it is of one machine and version.
"""

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import StateError
from appliance.state import database, versions, zone_rows, zones_database

_WAIT_S: Final = 30.0


class StateFile(NamedTuple):
    """A file by its name in the folder; of a database what lies beside it (-wal, -shm) belongs to it.

    `format` is the user_version of a database, 0 of another file.
    """

    name: str
    format: int = 0

    @property
    def is_database(self) -> bool:
        """Whether it is one that SQLite reads."""
        return self.format > 0


STATE_FILES: Final = (
    StateFile(database.FILE, database.FORMAT),
    StateFile(zones_database.FILE, zones_database.FORMAT),
    StateFile(zone_rows.FILE),
)
FOLDERS: Final = (versions.FOLDER,)
"""Folders of files that a database names; a backup takes those that its copy names."""
REBUILT: Final = ("store.image",)
"""What is of no use beside the state of another time, and made again."""


class DamagedError(StateError):
    """A database has nothing that can be copied."""


def snapshot(path: Path, copy: Path) -> int:
    """Copy a database as it is at one moment, whoever writes to it; return its format.

    Raises StateError where it cannot be read, DamagedError where there is no use in that, OSError where the
    disk is full.
    """
    try:
        with contextlib.closing(_opened(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file is the whole of it
            (said,) = target.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise DamagedError(f"{path} is damaged: {said}")
            number = int(target.execute("PRAGMA user_version").fetchone()[0])
            if not number:
                raise DamagedError(f"{path} is empty")
            return number
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedError(f"{path} is damaged: {error}") from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(copy)) from error
        may_not = " (run as root, or as the user of the server)" if not os.access(path, os.W_OK) else ""
        raise StateError(f"{path} cannot be copied: {error}{may_not}") from error


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)


def listings_of(copy: Path) -> list[str]:
    """Return the names of the listings that a copy of the database needs."""
    with contextlib.closing(_opened(copy)) as db:
        try:
            return [name for (name,) in db.execute("SELECT file FROM zones WHERE file IS NOT NULL")]
        except sqlite3.Error:
            return []  # of another format


def text_as_kept(copy: Path, origin: bytes) -> bytes | None:
    """Return the text of a zone that a copy of the database keeps, b"" where it keeps a listing; None for neither."""
    with contextlib.closing(_opened(copy)) as db, contextlib.suppress(sqlite3.Error, StateError):
        found = versions.find(db, origin)
        if found is not None:
            return b"" if found.text is None else versions.text_of(db, found.text)
    return None


def format_of(file: Path) -> int:
    """Return the format of a database that nobody uses. Raises StateError."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise StateError(f"{file} is no database: {error}") from error
