# SPDX-License-Identifier: GPL-3.0-or-later
"""zones.db: the zones that were added while the server ran, and those that are frozen; each change is on the disk.

It stays open between changes, since to open it, to write its log into it and to remove the log takes seven times as
long as a change. No process that is forked has it: it is closed before (sqlite.org/howtocorrupt.html §2.6).
"""

import contextlib
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from appliance.errors import StateError
from appliance.state.sqlite_errors import is_damage, why
from appliance.state.zone_rows import Frozen, ZoneList, ZoneRows

FILE: Final = "zones.db"
DAMAGED: Final = "zones.db.damaged"
_WAIT_S: Final = 5.0
_STEPS: Final = (
    """
    CREATE TABLE zones (origin BLOB PRIMARY KEY, pattern TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE patterns (name TEXT PRIMARY KEY, file TEXT NOT NULL) WITHOUT ROWID
    """,
    """
    CREATE TABLE frozen (
        origin BLOB PRIMARY KEY, since INTEGER NOT NULL, serial INTEGER NOT NULL, stamp BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE rollbacks (
        origin BLOB NOT NULL, serial INTEGER NOT NULL, of INTEGER NOT NULL, made INTEGER NOT NULL,
        PRIMARY KEY (origin, serial)
    ) WITHOUT ROWID
    """,
)
"""What leads from each format to the next one; a file of an older format is brought to the last one."""
FORMAT: Final = len(_STEPS)

_log = logging.getLogger(__name__)


class ZonesDatabase:
    """The database in a state folder, and the list beside it."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not be there yet."""
        self.path = folder / FILE
        self.list = ZoneList(folder)
        self.said: list[str] = []
        """What was found wrong when it was read, for the operator."""
        self._refused = ""
        """Why nothing may be changed."""
        self._connection: sqlite3.Connection | None = None
        self.lock = threading.Lock()
        _opened.add(self)

    def read(self) -> ZoneRows:
        """Return what is kept; from the list where the database cannot be read, and said tells so."""
        try:
            if not self.path.exists():
                return self._from_list("is missing")
            with self.lock, contextlib.closing(self._open_to_read()) as db:
                return _rows(db)
        except _NewerFormatError as error:
            self._refused = str(error)
            return self._from_list(f"has format {error.version}, which this version of the program cannot read")
        except sqlite3.Error as error:
            if not is_damage(error):
                return self._from_list(f"cannot be read ({why(error, self.path)})")
            return self._begin_anew(error)
        except OSError as error:
            return self._from_list(f"cannot be read ({error.strerror})")

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Yield a transaction, which is on the disk when the block ends; nothing of it is where the block fails.

        Raises StateError.
        """
        if self._refused:
            raise StateError(self._refused)
        with self.lock:
            try:
                db = self._connection = self._connection or self._open()
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                self._close()  # which rolls back
                if isinstance(error, sqlite3.Error):
                    raise StateError(f"{self.path}: {why(error, self.path)}") from error
                if isinstance(error, OSError):
                    raise StateError(f"{self.path}: {error.strerror}") from error
                raise

    def close(self) -> None:
        """Close the file until the next change."""
        with self.lock:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def before_fork(self) -> None:
        """Close the file, and let nobody open it until after_fork()."""
        self.lock.acquire()
        self._close()

    def after_fork(self) -> None:
        """Let the file be opened again."""
        self.lock.release()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")  # a zone that was added outlasts a power cut
            self._bring_up(db)
        except BaseException:
            db.close()
            raise
        return db

    def _bring_up(self, db: sqlite3.Connection) -> None:
        version = _version(db, self.path)
        if version == FORMAT:
            return
        db.execute("BEGIN IMMEDIATE")
        for step in _STEPS[version:]:
            for statement in step.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("COMMIT")

    def _open_to_read(self) -> sqlite3.Connection:
        """Return a connection; where nothing can be written, one that does without the files for that."""
        try:
            return self._open()
        except (sqlite3.OperationalError, OSError):
            log = self.path.with_name(f"{FILE}-wal")
            is_alone = not log.exists() or not log.stat().st_size
            place = f"{self.path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_alone else ''}"
            db = sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)
            if _version(db, self.path) == FORMAT:
                return db
            db.close()
            raise

    def _begin_anew(self, error: sqlite3.Error) -> ZoneRows:
        """Put a damaged file aside, and begin a new one with what the list has, or else with what is left in it."""
        aside = self.path.with_name(DAMAGED)
        with contextlib.suppress(OSError):
            self.path.replace(aside)
            for more in ("-wal", "-shm"):
                with contextlib.suppress(OSError):
                    self.path.with_name(FILE + more).unlink()
        return self._from_list(f"is damaged ({error}): it is now {aside}", _left(aside))

    def _from_list(self, reason: str, left: ZoneRows | None = None) -> ZoneRows:
        """Return what the list has, and write it into a new database if there is none; say so."""
        try:
            rows = self.list.read()
        except StateError as error:
            self._say(f"{error}; {self.path} {reason}: zones that were added are not served")
            return ZoneRows()
        if rows is None and left is None:
            if "missing" not in reason:
                self._say(
                    f"{self.path} {reason}, and there is no {self.list.path.name}: zones that were added are lost"
                )
            return ZoneRows()
        found, where = (rows, self.list.path.name) if rows is not None else (left or ZoneRows(), "what is left in it")
        if "missing" in reason and not found:
            return found
        counts = f"{len(found.zones)} added zones, {len(found.frozen)} frozen"
        self._say(f"{self.path} {reason}; what it had is taken from {where}: {counts}")
        if not self.path.exists():
            with contextlib.suppress(StateError), self.change() as db:
                put_all(db, found)
        return found

    def _say(self, text: str) -> None:
        self.said.append(text)
        _log.error("%s", text)


class _NewerFormatError(StateError):
    """The file is that of a newer version of this program."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"{path} has format {version}, this version of the program knows {FORMAT}: start the newer version again, "
            f"or move {path.name} away and start again, which takes what the list beside it has"
        )
        self.version = version


def rows_in(copy: Path) -> ZoneRows:
    """Return what a copy of the database has, which nobody writes to; nothing where it has nothing that can be read."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db,
    ):
        return _rows(db)
    return ZoneRows()


def _version(db: sqlite3.Connection, path: Path) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > FORMAT:
        raise _NewerFormatError(path, version)
    return version


def _rows(db: sqlite3.Connection) -> ZoneRows:
    return ZoneRows(
        dict(db.execute("SELECT origin, pattern FROM zones")),
        dict(db.execute("SELECT name, file FROM patterns")),
        {origin: Frozen(*rest) for origin, *rest in db.execute("SELECT origin, since, serial, stamp FROM frozen")},
    )


def _left(path: Path) -> ZoneRows | None:
    """Return what can be read in a damaged file, None where that is nothing."""
    rows = ZoneRows()

    def take(query: str, put: Callable[..., None]) -> None:
        with contextlib.suppress(sqlite3.Error, TypeError, ValueError):
            for row in db.execute(query):
                put(*row)

    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db:
        take("SELECT name, file FROM patterns", rows.files.__setitem__)
        take("SELECT origin, pattern FROM zones", rows.zones.__setitem__)
        take(
            "SELECT origin, since, serial, stamp FROM frozen",
            lambda key, *rest: rows.frozen.update({key: Frozen(*rest)}),
        )
    return rows or None


def put_zones(db: sqlite3.Connection, rows: Iterable[tuple[bytes, str]]) -> None:
    """Keep zones with their patterns."""
    db.executemany("INSERT OR REPLACE INTO zones VALUES (?, ?)", rows)


def put_files(db: sqlite3.Connection, files: Iterable[tuple[str, str]]) -> None:
    """Keep the files of patterns."""
    db.executemany("INSERT OR REPLACE INTO patterns VALUES (?, ?)", files)


def put_frozen(db: sqlite3.Connection, rows: Iterable[tuple[bytes, Frozen]]) -> None:
    """Keep which zones are frozen."""
    db.executemany("INSERT OR REPLACE INTO frozen VALUES (?, ?, ?, ?)", ((key, *one) for key, one in rows))


def put_all(db: sqlite3.Connection, rows: ZoneRows) -> None:
    """Keep all of it."""
    put_files(db, rows.files.items())
    put_zones(db, rows.zones.items())
    put_frozen(db, rows.frozen.items())


def drop(db: sqlite3.Connection, table: str, origins: Iterable[bytes]) -> None:
    """Remove what a table has of zones."""
    db.executemany(f"DELETE FROM {table} WHERE origin = ?", ((origin,) for origin in origins))


_opened: "weakref.WeakSet[ZonesDatabase]" = weakref.WeakSet()
_held: list[ZonesDatabase] = []
"""Those that are closed for a fork under way."""


def _before_fork() -> None:
    _held[:] = _opened
    for one in _held:
        one.before_fork()


def _after_fork() -> None:
    while _held:
        _held.pop().after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
