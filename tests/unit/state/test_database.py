# SPDX-License-Identifier: GPL-3.0-or-later
"""The state file: transactions are whole, damage begins anew, what cannot be used is told."""

import errno
import hashlib
import logging
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.errors import StateError
from appliance.state import database as database_file
from appliance.state.database import DAMAGED, FILE, Database

pytestmark = pytest.mark.unit


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with a file system of its own, in which there is little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False).returncode:
        pytest.skip("a file system of its own needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def texts(database: Database) -> int:
    with database.transaction() as db:
        return int(db.execute("SELECT count(content) FROM texts").fetchone()[0])


def add(db: sqlite3.Connection, digest: bytes) -> None:
    db.execute("INSERT INTO texts (digest, content) VALUES (?, ?)", (digest, b""))


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database(tmp_path / "state")
    with database.transaction() as db:
        add(db, b"one")

    def fails() -> None:
        with database.transaction() as db:
            add(db, b"two")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert texts(database) == 1
    assert [path.name for path in (tmp_path / "state").iterdir()] == [FILE]


def test_two_at_a_time_wait_for_each_other(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.transaction() as db:
        add(db, b"one")
        other = sqlite3.connect(database.path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


@pytest.mark.parametrize("where", [0, 100, 4096])
def test_damage_begins_anew(tmp_path: Path, where: int, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(tmp_path)
    with database.transaction() as db:
        for number in range(200):
            add(db, number.to_bytes(16, "big"))
    hurt = bytearray(database.path.read_bytes())
    hurt[where : where + 3000] = b"\xa5" * 3000
    database.path.write_bytes(hurt)
    caplog.set_level(logging.WARNING)
    for _ in range(2):  # what lies behind the first page shows only when it is read
        try:
            found = texts(database)
        except StateError:
            continue
        break
    assert found == 0
    assert (tmp_path / DAMAGED).exists()
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("version", [1, 99])
def test_what_another_version_of_the_program_kept_is_put_aside(
    tmp_path: Path, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With the tables of format 1 nothing could be kept any more, for as long as the file was there."""
    old = sqlite3.connect(tmp_path / FILE)
    old.executescript(f"CREATE TABLE zones (since NOT NULL); PRAGMA user_version = {version}")
    old.close()
    database = Database(tmp_path)
    caplog.set_level(logging.WARNING)
    with database.transaction() as db:
        add(db, b"one")
    assert texts(database) == 1
    assert f"has format {version}" in caplog.text
    aside = sqlite3.connect(tmp_path / f"{FILE}.format-{version}")
    assert aside.execute("SELECT name FROM sqlite_schema").fetchall() == [("zones",)]
    aside.close()


def test_another_version_that_cannot_be_put_aside_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays as it is, with the transactions that are still beside it, and nobody says that it has gone."""
    old = sqlite3.connect(tmp_path / FILE)
    old.executescript("PRAGMA journal_mode = WAL; CREATE TABLE zones (since); PRAGMA user_version = 99")
    beside = (tmp_path / f"{FILE}-wal").read_bytes()

    def fails(path: Path, target: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(StateError, match="format 99 is not this version's"):
        texts(Database(tmp_path))
    assert (tmp_path / f"{FILE}-wal").read_bytes() == beside
    assert "is now" not in caplog.text
    old.close()


def test_other_tables_have_another_format() -> None:
    """Who changes the tables raises the format, and then the digest here."""
    tables = " ".join(database_file._SCHEMA.split()).encode()
    assert (database_file.FORMAT, hashlib.sha256(tables).hexdigest()[:16]) == (3, "8bd2ea9f856fa21b")


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file/state\.db"):
        texts(Database(tmp_path / "file"))
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateError, match="unable to open"):
        texts(Database(tmp_path))


def test_what_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(tmp_path)
    with database.transaction() as db:
        add(db, b"one")

    def refused() -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(database, "_opened", refused)
    with database.reading() as db:
        assert db.execute("SELECT digest FROM texts").fetchall() == [(b"one",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            add(db, b"two")


def test_what_is_not_there_is_not_made_by_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(tmp_path)

    def refused() -> sqlite3.Connection:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(database, "_opened", refused)
    with pytest.raises(StateError, match="Permission denied"), database.reading():
        pass
    assert not database.path.exists()


@pytest.mark.parametrize("pages", range(0, 40, 3))
def test_removal_needs_no_room(small_disk: Path, pages: int) -> None:
    """However little is free: what a failed transaction leaves behind is in nobody's way."""
    database = Database(small_disk)
    with database.transaction() as db:
        for number in range(400):
            add(db, number.to_bytes(16, "big"))
    room = os.statvfs(small_disk)
    (small_disk / "fill").write_bytes(bytes((room.f_bavail - pages) * room.f_frsize))
    with suppress(StateError), database.transaction() as db:
        for number in range(400, 3000):
            add(db, number.to_bytes(16, "big"))
    with database.in_place() as db:
        db.execute("DELETE FROM texts WHERE id % 2")
    with database.reading() as db:
        assert db.execute("SELECT count(*) FROM texts").fetchone() == (200,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (small_disk / "fill").unlink()
    assert texts(database) == 200


def test_a_full_disk_is_called_so(small_disk: Path) -> None:
    database = Database(small_disk)
    texts(database)
    with suppress(OSError), (small_disk / "fill").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(StateError, match=r"state.db: No space left on device$"):
        texts(database)


def test_what_never_could_be_written_is_not_of_another_format(small_disk: Path) -> None:
    """A disk that is full when the file is made leaves one without tables: there is nothing to be moved away."""
    database = Database(small_disk)
    with suppress(OSError), (small_disk / "rest").open("wb", buffering=0) as rest:
        while True:
            rest.write(bytes(512))
    with pytest.raises(StateError, match="No space left"):
        texts(database)
    with pytest.raises(StateError, match=r"state\.db: nothing is kept in it") as told, database.reading():
        pass
    assert "format" not in str(told.value)
    (small_disk / "rest").unlink()
    assert texts(database) == 0
