# SPDX-License-Identifier: GPL-3.0-or-later
"""Many files exchanged together: written beside their places first, then renamed; what was there goes aside.

What fails before the end is undone, so that all is as it was.
"""

import contextlib
import grp
import os
import pwd
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from appliance.control.backup_folder import sync
from appliance.control.lock import FILE as LOCK
from appliance.control.manifest import Entry, copied, opened
from appliance.errors import StateError

_MODES: Final = 0o644
_SECRET_MODES: Final = 0o640
_OWN: Final = 0o600


class Exchange:
    """Files on their way to their places; what leaves the block without commit() has changed nothing."""

    def __init__(self, aside: str) -> None:
        """Keep what was there in folders of a name, one in each folder that is given as a base."""
        self._aside = aside
        self._staged: list[tuple[Path, Path, Path]] = []
        self._leaving: list[tuple[Path, Path]] = []
        self._folders: list[Path] = []
        self._done: list[tuple[Path, Path | None]] = []
        self._room: dict[int, int] = {}
        self.asides: list[Path] = []
        """The folders that got something."""

    def __enter__(self) -> "Exchange":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo what was not finished."""
        if error is None:
            return
        for place, kept in reversed(self._done):
            with contextlib.suppress(OSError):
                if kept is not None:
                    kept.replace(place)
                else:
                    place.unlink()
        for written, _, _ in self._staged:
            with contextlib.suppress(OSError):
                written.unlink()
        for folder in reversed(self._folders):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def stage(self, source: Path, place: Path, base: Path, entry: Entry) -> None:
        """Write a copy of a file of the backup beside its place. Raises OSError, or StateError for another content."""
        if place.is_dir() and not place.is_symlink():
            raise StateError(f"{place} is a folder, and a file in the backup: move it away")
        self._make(place.parent, entry)
        self._take_room(place.parent, entry.size)
        written = place.with_name(f".restore-{secrets.token_hex(8)}")
        with opened(source) as file, written.open("xb") as out:
            self._staged.append((written, place, base))
            os.fchmod(out.fileno(), _mode(entry))
            _give(out.fileno(), place, entry)
            octets, digest = copied(file, out.write, entry.size)
        if (octets, digest) != (entry.size, entry.sha256):
            raise StateError(f"{source} changed while it was restored; nothing was restored")

    def remove(self, path: Path, base: Path) -> None:
        """Let a file go aside with nothing in its place."""
        self._leaving.append((path, base))

    def commit(self) -> None:
        """Put everything in its place. Raises OSError."""
        for folder in {written.parent.stat().st_dev: written.parent for written, _, _ in self._staged}.values():
            sync(folder)
        for path, base in self._leaving:
            kept = self._kept(path, base)
            path.rename(kept)
            self._done.append((path, kept))
        for written, place, base in self._staged:
            kept_file = None
            if os.path.lexists(place):
                kept_file = self._kept(place, base)
                os.link(place, kept_file, follow_symlinks=False)  # so that no moment has neither of them
            written.rename(place)
            self._done.append((place, kept_file))
        for folder in {place.parent.stat().st_dev: place.parent for _, place, _ in self._staged}.values():
            sync(folder)

    def _kept(self, path: Path, base: Path) -> Path:
        """Return the place aside for what lies at a path; nobody but the owner looks into it."""
        aside = base / self._aside
        if aside not in self.asides:
            aside.mkdir(mode=0o700)
            self._folders.append(aside)
            self.asides.append(aside)
        kept = aside / path.relative_to(base)
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return kept

    def _make(self, folder: Path, entry: Entry) -> None:
        missing = []
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir(mode=0o755)
            self._folders.append(one)
            if os.geteuid() == 0:
                owner = _known(entry)
                os.chown(one, *(owner or (-1, -1)))

    def _take_room(self, folder: Path, octets: int) -> None:
        """Count the room that is needed. Raises OSError before anything large is written where it is not there."""
        device = folder.stat().st_dev
        if device not in self._room:
            disk = os.statvfs(folder)
            self._room[device] = disk.f_bavail * disk.f_frsize
        self._room[device] -= octets
        if self._room[device] < 0:
            raise OSError(28, os.strerror(28), str(folder))


def _mode(entry: Entry) -> int:
    return entry.mode & (_SECRET_MODES if entry.base.startswith("secret") else _MODES) | _OWN


def _give(fd: int, place: Path, entry: Entry) -> None:
    """Give a file to the owner that it had, if there is one here; else to that of its folder."""
    if os.geteuid() != 0:
        return
    status = place.parent.stat()
    os.fchown(fd, *(_known(entry) or (status.st_uid, status.st_gid)))


def give_like(folder: Path, entries: Sequence[Entry]) -> None:
    """Give a folder that is new, and its lock, to the owner of what comes into it: its server is to use both."""
    if os.geteuid() != 0:
        return
    known = next((found for entry in entries if (found := _known(entry))), None)
    if known is not None and [one.name for one in folder.iterdir()] == [LOCK]:
        os.chown(folder, *known)
    status = folder.stat()
    os.chown(folder / LOCK, status.st_uid, status.st_gid, follow_symlinks=False)


def _known(entry: Entry) -> tuple[int, int] | None:
    """Return user and group of a file by their names; None where this machine does not have both."""
    try:
        return pwd.getpwnam(entry.owner).pw_uid, grp.getgrnam(entry.group).gr_gid
    except KeyError:
        return None
