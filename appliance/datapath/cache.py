# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled program on disk: written by root alone, and read only where nobody else could have written.

What is loaded into the kernel comes from here, so each folder on the way must be root's, and nobody else may write
there (tests/datapath/test_cache.py has each way to break that). What is not as it should be is not used: the program is
compiled anew. The file is described in docs/program-cache.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from appliance.datapath.program import Program
from appliance.errors import DatapathError

VARIABLE: Final = "APPLIANCE_PROGRAM_CACHE"
DEFAULT: Final = Path("/var/cache/appliance-nic")
"""Not the service's own cache folder, which belongs to the service's user."""
MAGIC: Final = b"APNICPR1"
FORMAT: Final = 1
KEPT: Final = 4
"""Programs that stay: an older version of the package finds its own when it comes back."""
LOCK_S: Final = float(os.environ.get("APPLIANCE_LOADER_TIMEOUT_S", "300")) * 0.8
_SUFFIX: Final = ".program"
_LOCK: Final = "lock"
_LARGEST: Final = 16 << 20
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PAUSE_S: Final = 0.05


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a file holds, under its checksum: the program, and from what and by what it was made."""

    format: int
    source: str
    machine: str
    compiler: str
    kernel: str
    program: Program


def folder() -> Path:
    """Return the cache folder, which need not be there."""
    return Path(os.environ.get(VARIABLE) or DEFAULT)


def key(source: str) -> str:
    """Return the digest of what decides over the instructions: sources and flags, machine, format of the file.

    The kernel's release and bcc's version stand in the file instead, because a program of others is still right: it is
    only compiled anew if it can be.
    """
    parts = (str(FORMAT), os.uname().machine, source)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@contextmanager
def opened(path: Path, *, make: bool) -> Iterator[int]:
    """Yield a descriptor of the cache folder. Raises DatapathError unless root alone can write there and above."""
    if not path.is_absolute() or ".." in path.parts:
        raise DatapathError(f"{path} is no cache folder: {VARIABLE} must be an absolute path")
    here = os.open("/", _FOLDER)
    try:
        so_far = Path("/")
        _require_root(here, so_far)
        for part in path.parts[1:]:
            so_far /= part
            below = _enter(here, part, so_far, make)
            os.close(here)
            here = below
            _require_root(here, so_far)
        yield here
    finally:
        os.close(here)


def _enter(parent: int, part: str, path: Path, make: bool) -> int:
    try:
        try:
            return os.open(part, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            if not make:
                raise
            with contextlib.suppress(FileExistsError):  # another loader was faster
                os.mkdir(part, 0o755, dir_fd=parent)
            made = os.open(part, _FOLDER, dir_fd=parent)
            os.fchmod(made, 0o755)  # the umask of a service is narrow, and what lies here is no secret
            return made
    except OSError as error:
        raise DatapathError(f"{path}: {error.strerror}") from error


def _require_root(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if found.st_uid != 0:
        raise DatapathError(f"{path} belongs to user {found.st_uid}, not to root")
    if found.st_mode & _OTHERS_WRITE:
        raise DatapathError(f"{path} can be written by others than root (mode {stat.S_IMODE(found.st_mode):04o})")


def read(cache: int, name: str) -> Entry:
    """Return the entry of this key. Raises DatapathError with the reason why it is not to be used."""
    try:
        file = os.open(name + _SUFFIX, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=cache)
    except FileNotFoundError as error:
        raise DatapathError("no program is kept for these sources") from error
    except OSError as error:
        raise DatapathError(f"{name}{_SUFFIX}: {error.strerror}") from error
    try:
        _require_root(file, Path(name + _SUFFIX))
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise DatapathError(f"{name}{_SUFFIX} is no file")
        with open(file, "rb", closefd=False) as stream:
            octets = stream.read(_LARGEST)
    except OSError as error:
        raise DatapathError(f"{name}{_SUFFIX}: {error.strerror}") from error
    finally:
        os.close(file)
    return _decoded(octets, name)


def _decoded(octets: bytes, name: str) -> Entry:
    digest = hashlib.sha256()
    head = len(MAGIC) + digest.digest_size
    digest.update(octets[head:])
    if octets[:head] != MAGIC + digest.digest():
        raise DatapathError(f"{name}{_SUFFIX} is damaged")
    try:
        entry = msgspec.msgpack.decode(octets[head:], type=Entry)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise DatapathError(f"{name}{_SUFFIX} is of another version: {error}") from error
    if (entry.format, entry.source, entry.machine) != (FORMAT, name, os.uname().machine):
        raise DatapathError(f"{name}{_SUFFIX} holds the program of other sources")
    return entry


def encoded(entry: Entry) -> bytes:
    """Return the octets of a file."""
    payload = msgspec.msgpack.encode(entry)
    return MAGIC + hashlib.sha256(payload).digest() + payload


def write(cache: int, entry: Entry) -> None:
    """Keep an entry in place of what was kept under its key. Raises DatapathError."""
    write_file(cache, entry.source + _SUFFIX, encoded(entry))


def write_file(cache: int, name: str, octets: bytes) -> None:
    """Write a file of the cache folder, the whole or nothing. Raises DatapathError."""
    temporary = f".new-{os.urandom(8).hex()}"
    try:
        file = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=cache
        )
        try:
            with open(file, "wb", closefd=False) as stream:
                stream.write(octets)
            os.fchmod(file, 0o644)
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, name, src_dir_fd=cache, dst_dir_fd=cache)
        os.fsync(cache)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=cache)
        raise DatapathError(f"cannot write {name}: {error.strerror}") from error


@contextmanager
def locked(cache: int) -> Iterator[None]:
    """Be the only writer, so that of several loaders one compiles. Raises DatapathError."""
    try:
        file = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=cache)
    except OSError as error:
        raise DatapathError(f"cannot lock the cache: {error.strerror}") from error
    try:
        deadline = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DatapathError(f"another loader has held the lock for {LOCK_S:.0f} s") from None
                time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(file)


def tidy(cache: int) -> None:
    """Remove what a killed writer left and all but the latest programs; the caller holds the lock."""
    with contextlib.suppress(OSError):
        names = os.listdir(cache)
        kept = [name for name in names if name.endswith(_SUFFIX)]
        kept.sort(key=lambda name: os.stat(name, dir_fd=cache, follow_symlinks=False).st_mtime_ns)
        for name in [*kept[:-KEPT], *(name for name in names if name.startswith(".new-"))]:
            os.unlink(name, dir_fd=cache)
