# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQLite file in the state folder: opened for one transaction at a time, put aside when it cannot be read.

It is closed in between: a process that was forked meanwhile would share its file locks, which SQLite
forbids, and what SQLite keeps in memory is worth more elsewhere.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from appliance.errors import StateError
from appliance.state.sqlite_errors import is_damage, why

FILE: Final = "state.db"
DAMAGED: Final = "state.db.damaged"

FORMAT: Final = 3  # another one for each change of the tables
_WAIT_S: Final = 5.0
_SCHEMA: Final = """
CREATE TABLE texts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL);
CREATE TABLE zones (
    origin BLOB PRIMARY KEY,
    serial INTEGER NOT NULL,
    digest BLOB NOT NULL,
    source TEXT NOT NULL,
    text INTEGER REFERENCES texts (id),
    listing BLOB,
    file TEXT,
    octets INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    origin BLOB NOT NULL,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    removed_records INTEGER NOT NULL,
    added_records INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    made INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    removed BLOB NOT NULL,
    added BLOB NOT NULL
);
CREATE INDEX journal_of_zone ON journal (origin, id);
"""

_log = logging.getLogger(__name__)


class Database:
    """The database file; it is open only inside a transaction."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not be there yet."""
        self.path = folder / FILE

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection whose changes are kept together, or not at all where an exception leaves the block.

        Raises StateError where the file cannot be used. A damaged one, or one of another version of this program,
        is put aside and a new one begun: what is in it can be had from the zone files, apart from the journal.
        """
        with self._told(), contextlib.closing(self._opened()) as connection, connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection to read by, also where the folder is full or cannot be written.

        Raises StateError where the file cannot be used.
        """
        with self._told(), contextlib.closing(self._opened_to_read()) as connection, connection:
            yield connection

    @contextlib.contextmanager
    def in_place(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection whose changes are written over what is there, also where the disk has no room at all.

        For removals only, which need none then: neither a log nor an index of one is made. A process that is killed
        just then may leave a damaged file, which is put aside like any other. Raises StateError.
        """
        with self._told(), contextlib.closing(self._opened_in_place()) as connection, connection:
            yield connection

    def _opened_in_place(self) -> sqlite3.Connection:
        place = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(place, uri=True, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # else SQLite makes a file to share its log by
            (mode,) = connection.execute("PRAGMA journal_mode = MEMORY").fetchone()
            if mode != "memory":
                raise StateError(f"{self.path}: what a killed process left beside it has no room in it")
            connection.execute("BEGIN IMMEDIATE")
            self._check_format(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if is_damage(error):
                self._put_aside_damaged(error)
            raise StateError(f"{self.path}: {why(error, self.path)}") from error
        except OSError as error:
            raise StateError(f"{self.path}: {error.strerror}") from error

    def _opened_to_read(self) -> sqlite3.Connection:
        """Return a connection; where nothing can be written, one that does without the files for that.

        SQLite makes files beside the database even to read it. The log of a killed process has to be read with it;
        where there is none, nobody changes the file: the folder is locked by this server.
        """
        try:
            return self._opened()
        except (sqlite3.OperationalError, OSError):
            if not self.path.exists():
                raise
            log = self.path.with_name(f"{FILE}-wal")
            is_alone = not log.exists() or not log.stat().st_size
            place = f"{self.path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_alone else ''}"
            connection = sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)
            try:
                self._check_format(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._put_aside_damaged(error)
        except _OtherFormatError as error:
            self._put_aside(f"{FILE}.format-{error.version}", f"has format {error.version}, not {FORMAT}")
        return self._open()

    def _open(self) -> sqlite3.Connection:
        """Return a connection in a transaction, on tables of this format."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # After a power cut the last transactions may be gone: those zones are compared again at the next start.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        else:
            self._check_format(connection)

    def _check_format(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise StateError(f"{self.path}: nothing is kept in it: it could not be written, as on a full disk")
        if version != FORMAT:
            raise _OtherFormatError(self.path, version)

    def _put_aside_damaged(self, error: sqlite3.Error) -> None:
        self._put_aside(DAMAGED, f"is damaged ({error})")

    def _put_aside(self, name: str, reason: str) -> None:
        kept = self.path.with_name(name)
        try:
            self.path.replace(kept)
        except OSError:
            return  # the next attempt to open it tells what is wrong; what lies beside it is still its own
        _log.warning("%s %s: it is now %s, and what is kept of zones begins anew", self.path, reason, kept)
        for more in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.path.with_name(self.path.name + more).unlink()


class _OtherFormatError(StateError):
    """The file is another version's of this program."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(f"{path}: format {version} is not this version's ({FORMAT}); move it away")
        self.version = version
