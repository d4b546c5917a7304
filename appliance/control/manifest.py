# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of a backup's files, written last; what it says is checked, not trusted."""

import hashlib
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Protocol

import msgspec
from msgspec import Meta

from appliance.access import why_not_read
from appliance.errors import StateError

FILE: Final = "manifest.json"
FORMAT: Final = 1
BASES: Final = ("config", "root", "state", "secret-config", "secret-root", "edited")
"""The folders of a backup: below the folder of the configuration file, below /, below the state folder; secrets apart.

`edited` has zone files as they were found, of zones that were served otherwise: they are put back nowhere.
"""
MODE: Final = 0o640
SECRET_MODE: Final = 0o600

_MOST: Final = 1 << 28
_PART: Final = 1 << 20
_SHOWN: Final = 200

_Name = Annotated[str, Meta(min_length=1, max_length=4095)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: where it is in the backup, which says where it goes; octets, SHA-256; mode, owner and group there."""

    path: _Name
    size: Annotated[int, Meta(ge=0, le=1 << 62)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    mode: Annotated[int, Meta(ge=0, le=0o7777)]
    owner: Annotated[str, Meta(max_length=255)] = ""
    group: Annotated[str, Meta(max_length=255)] = ""

    @property
    def base(self) -> str:
        """The folder of the backup that it is in."""
        return self.path.partition("/")[0]

    @property
    def inside(self) -> str:
        """Its path in that folder."""
        return self.path.partition("/")[2]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about a backup; `config` is the path of the main file in `config/`.

    `config_dir` is the folder that it was in, `state_dir` a path of the backup: "config/state", "root/var/lib/x".
    """

    format: int
    appliance: Annotated[str, Meta(max_length=255)]
    host: Annotated[str, Meta(max_length=255)]
    made: Annotated[int, Meta(ge=0, le=1 << 40)]
    config: _Name
    config_dir: _Name
    state_dir: _Name
    state_formats: dict[str, int]
    zones: Annotated[int, Meta(ge=0)]
    secrets: bool
    files: tuple[Entry, ...]


class _Head(msgspec.Struct):
    format: int
    appliance: str = "another version"


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup, every path in it checked. Raises StateError."""
    try:
        with opened(folder / FILE) as file:
            octets = file.read(_MOST + 1)
    except FileNotFoundError:
        raise StateError(
            f"{folder} has no {FILE}: it is no backup, or one that was not finished; make one with "
            "`appliance backup FOLDER`"
        ) from None
    except OSError as error:
        raise StateError(f"{folder / FILE} cannot be read: {why_not_read(folder / FILE, error)}") from error
    if len(octets) > _MOST:
        raise StateError(f"{folder / FILE} has more than {_MOST >> 20} MiB: it is none of this program")
    try:
        head = msgspec.json.decode(octets, type=_Head)
        if head.format != FORMAT:
            raise StateError(
                f"the backup in {folder} has format {head.format}, and this version of appliance reads {FORMAT}: "
                f"restore it with the version that made it ({head.appliance[:_SHOWN]!r})"
            )
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"{folder / FILE} is damaged: {error}") from error
    _check_paths(manifest, folder)
    return manifest


def _check_paths(manifest: Manifest, folder: Path) -> None:
    seen = set()
    for entry in manifest.files:
        check_path(entry.path, folder)
        if entry.path in seen:
            raise StateError(f"{folder / FILE} names {entry.path[:_SHOWN]!r} twice: it is damaged")
        seen.add(entry.path)
    check_path(f"{manifest.state_dir}/x", folder)
    if manifest.state_dir.partition("/")[0] not in ("config", "root"):
        raise StateError(f"{folder / FILE}: the state folder {manifest.state_dir[:_SHOWN]!r} is nowhere")
    if f"config/{manifest.config}" not in seen or "/" in manifest.config:
        raise StateError(f"{folder / FILE} names no configuration file that is in the backup")


def check_path(path: str, folder: Path) -> None:
    """Check that a path is text, and leads to nowhere but below a folder of the backup. Raises StateError."""
    base, *steps = path.split("/")
    odd = any(step in ("", ".", "..") for step in steps) or re.search(r"[\0-\x1f\x7f\ud800-\udfff]", path)
    if base not in BASES or not steps or odd:
        raise StateError(
            f"{folder / FILE} cannot have the file {path[:_SHOWN]!r}: the name of a file in a backup is UTF-8 without "
            "control characters, and leads to nowhere else; nothing was done"
        )


def opened(path: Path) -> BinaryIO:
    """Return a regular file of a backup, open; a link is none. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "not a regular file")
    return os.fdopen(fd, "rb")


class Readable(Protocol):
    """What can be copied."""

    def read(self, most: int, /) -> bytes:
        """Return the next octets, at most as many; none at the end."""


def copied(source: Readable, put: Callable[[bytes], object], most: int = 1 << 62) -> tuple[int, str]:
    """Put what is in a file somewhere, up to `most` octets and one part more; return its octets and their SHA-256."""
    octets, digest = 0, hashlib.sha256()
    while octets <= most and (part := source.read(_PART)):
        octets += len(part)
        digest.update(part)
        put(part)
    return octets, digest.hexdigest()
