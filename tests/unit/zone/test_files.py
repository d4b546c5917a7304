# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files are read whole, or not at all."""

import os
import struct
from pathlib import Path

import pytest

from appliance.zone.files import Files

pytestmark = pytest.mark.unit


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "one.two.zone").write_bytes(b"text")
    (tmp_path / "other.zone").write_bytes(b"text")
    (tmp_path / "large.zone").write_bytes(b"x" * 101)
    (tmp_path / "full.zone").write_bytes(b"y" * 100)
    (tmp_path / "empty.zone").touch()
    return Files(100)


def find(files: Files, folder: Path, origin: bytes) -> None:
    assert files.find(os.fsencode(folder) + b"/", origin, b".zone")


def test_what_is_read(files: Files, tmp_path: Path) -> None:
    find(files, tmp_path, b"\3one\3two\0")
    assert files.size() == 4
    first = files.read()
    assert first == b"text"
    status = (tmp_path / "one.two.zone").stat()
    assert files.stamp == struct.pack("<QQQ", status.st_mtime_ns, status.st_size, status.st_ino)
    assert files.changed == status.st_mtime_ns
    find(files, tmp_path, b"\5other\0")
    assert files.read() is first
    find(files, tmp_path, b"\4full\0")
    assert files.read() == b"y" * 100
    find(files, tmp_path, b"\5empty\0")
    assert files.read() == b""


def test_what_is_not(files: Files, tmp_path: Path) -> None:
    find(files, tmp_path, b"\5large\0")
    assert files.size() == 101
    assert files.read() is None
    find(files, tmp_path, b"\4none\0")
    assert files.size() == 0
    assert files.read() is None
    assert files.find(os.fsencode(tmp_path), b"", b"")
    assert files.read() is None
    assert not files.find(b"/" * 4096, b"", b"")
    assert not files.find(b"one.two.zone\0", b"", b"")
