# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that is written whole or not at all: under another name first, the manifest last, then given its name."""

import ctypes
import grp
import os
import pwd
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import msgspec

from appliance.access import why_not_written
from appliance.control.manifest import FILE, MODE, SECRET_MODE, Entry, Manifest, Readable, check_path, copied
from appliance.errors import StateError

_FOLDER_MODE: Final = 0o750
_SECRET_FOLDER_MODE: Final = 0o700


class BackupFolder:
    """The folder of a backup while it is made; what leaves the block without finish() leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        """Begin, where there is nothing yet, or an empty folder. Raises StateError."""
        self._folder = folder.absolute()
        self.entries: dict[str, Entry] = {}
        self._check()
        self.path = self._folder.with_name(f".{self._folder.name}.{secrets.token_hex(4)}.unfinished")
        try:
            self.path.mkdir(mode=_FOLDER_MODE)
            self.path.chmod(_FOLDER_MODE)
        except OSError as error:
            raise StateError(f"cannot write {self.path}: {why_not_written(self.path.parent, error)}") from error

    def _check(self) -> None:
        try:
            if self._folder.is_symlink() or self._folder.is_mount():
                raise StateError(f"{self._folder} cannot be replaced as a whole: name a new folder in it")
            there = next(self._folder.iterdir(), None)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(f"no backup can be in {self._folder}: {why_not_written(self._folder, error)}") from error
        if there is not None:
            raise StateError(f"{self._folder} is not empty: name a folder that is not there yet")

    def __enter__(self) -> "BackupFolder":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not finished."""
        shutil.rmtree(self.path, ignore_errors=True)

    def add(self, path: str, source: Readable, status: os.stat_result) -> Entry:
        """Copy an open file to a path of the backup, unless it is there; list it with mode and owner of a status.

        Raises OSError, or StateError for a path that a manifest cannot have.
        """
        if (known := self.entries.get(path)) is not None:
            return known
        check_path(path, self._folder)
        return self._add(path, status, lambda out: copied(source, out.write))

    def place(self, path: str) -> Path:
        """Return the place of a path of the backup, its folders made. Raises OSError."""
        place = self.path / path
        mode = _SECRET_FOLDER_MODE if path.startswith("secret-") else _FOLDER_MODE
        place.parent.mkdir(mode=mode, parents=True, exist_ok=True)
        return place

    def replace(self, entry: Entry | None) -> None:
        """Leave out a file that was added before."""
        if entry is not None:
            del self.entries[entry.path]
            (self.path / entry.path).unlink()

    def _add(self, path: str, status: os.stat_result, fill: Callable[[BinaryIO], tuple[int, str]]) -> Entry:
        place = self.place(path)
        mode = SECRET_MODE if path.startswith("secret-") else MODE
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb") as out:
            os.fchmod(fd, mode)
            octets, digest = fill(out)
        entry = Entry(path, octets, digest, status.st_mode & 0o777, _user(status.st_uid), _group(status.st_gid))
        self.entries[path] = entry
        return entry

    def finish(self, manifest: Manifest) -> None:
        """Write everything to the disk, the manifest last, and give the folder its name. Raises OSError."""
        sync(self.path)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
        with self.place(FILE).open("xb") as out:
            out.write(text)
            os.fchmod(out.fileno(), MODE)
            out.flush()
            os.fsync(out.fileno())
        sync(self.path)
        self.path.rename(self._folder)
        sync(self._folder.parent)


def sync(folder: Path) -> None:
    """Write all of the file system that a folder is on to the disk: one call, however many files. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def _user(number: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return ""


def _group(number: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(number).gr_name
    return ""
