# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files are read whole, or not at all."""

import os
import struct
import threading
from pathlib import Path

import pytest

from appliance.zone.master.files import Batch, Files

pytestmark = pytest.mark.unit

NAMES = (b"\3one\3two\0", b"\5other\0", b"\4full\0", b"\5empty\0", b"\5large\0", b"\4none\0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.two.zone").write_bytes(b"text")
    (tmp_path / "other.zone").write_bytes(b"text")
    (tmp_path / "large.zone").write_bytes(b"x" * 101)
    (tmp_path / "full.zone").write_bytes(b"y" * 100)
    (tmp_path / "empty.zone").touch()
    return tmp_path


def batch_of(folder: Path, *origins: bytes, room: int = 8) -> Batch:
    batch = Batch(100, room)
    for origin in origins:
        batch.add(os.fsencode(folder) + b"/", origin, b".zone")
    return batch


def test_what_is_read(folder: Path) -> None:
    batch = batch_of(folder, *NAMES)
    batch.run()
    first = batch.take(0)
    assert first == b"text"
    status = (folder / "one.two.zone").stat()
    assert batch.stamp == struct.pack("<QQQQ", status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
    assert batch.changed == status.st_ctime_ns
    assert batch.take(1) is first
    assert [batch.take(number) for number in range(2, 6)] == [b"y" * 100, b"", None, None]


def test_a_batch_is_used_again(folder: Path) -> None:
    batch = batch_of(folder, *NAMES)
    batch.run()
    batch.clear()
    with pytest.raises(IndexError, match="a batch of 0 files has no number 0"):
        batch.take(0)
    batch.add(os.fsencode(folder / "full.zone"), b"", b"")
    batch.add(b"/" * 5000, b"", b"")
    batch.add(os.fsencode(folder) + b"/one.two.zone\0", b"", b"")
    batch.add(os.fsencode(folder), b"", b"")
    batch.run()
    assert [batch.take(number) for number in range(4)] == [b"y" * 100, None, None, None]


def test_a_batch_has_bounds(folder: Path) -> None:
    batch = batch_of(folder, *NAMES[:2], room=2)
    with pytest.raises(IndexError, match="room for 2 files"):
        batch.add(b"", b"\5other\0", b"")
    batch.run()
    assert [batch.take(0), batch.take(1)] == [b"text", b"text"]
    with pytest.raises(IndexError, match="of 2 files has no number 2"):
        batch.take(2)


def test_another_thread_reads(folder: Path) -> None:
    batch = batch_of(folder, *NAMES)
    reader = threading.Thread(target=batch.run)
    reader.start()
    reader.join()
    assert batch.take(2) == b"y" * 100


def test_how_large_files_are(folder: Path) -> None:
    files = Files()
    sizes = []
    for origin in NAMES:
        assert files.find(os.fsencode(folder) + b"/", origin, b".zone")
        sizes.append(files.size())
    assert sizes == [4, 4, 100, 0, 101, 0]
    assert not files.find(b"/" * 4096, b"", b"")
    assert not files.find(b"one.two.zone\0", b"", b"")
