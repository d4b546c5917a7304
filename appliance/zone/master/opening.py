# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files opened for reading: nothing but regular files, and what is included only from allowed folders.

Whether a file may be read is asked of the file that was opened, by the path that the kernel gives it: a link that is
changed meanwhile leads to no other file (tests/unit/zone/master/test_opening.py).
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from appliance.errors import ZoneError

_PLACE: Final = os.O_PATH | os.O_CLOEXEC
"""Opens the place of a file only, so that nothing waits for a writer and no device starts anything."""
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

KEY: Final = "[server] include_below"


class Opener:
    """Opens one zone file and then what it includes."""

    def __init__(self, below: Sequence[str] = ()) -> None:
        """Take the folders below which files may be included; none: the one that the zone file is opened in."""
        self._below = below
        self._stack = ExitStack()
        self._folder = -1
        self.is_at_home = False
        """Whether the zone file, links resolved, lies in its folder: what a link leads to is shown to nobody."""

    def close(self) -> None:
        """Forget the folder of the zone file."""
        self._stack.close()

    @contextmanager
    def zone_file(self, path: Path) -> Iterator[FileIO]:
        """Open the zone file itself, wherever links lead. Raises OSError, ValueError, ZoneError."""
        self._folder = os.open(path.parent, _PLACE | os.O_DIRECTORY)
        self._stack.callback(os.close, self._folder)
        with _placed(path.name or ".", self._folder) as place, _regular(path, place) as file:
            self.is_at_home = real_path(file.fileno()).parent == real_path(self._folder)
            yield file

    @contextmanager
    def included(self, path: Path) -> Iterator[FileIO]:
        """Open a file that is included. Raises OSError, ValueError, ZoneError."""
        with _placed(path) as place:
            self._check(path, place)
            with _regular(path, place) as file:
                yield file

    def _check(self, path: Path, place: int) -> None:
        """Raise ZoneError unless a file lies below an allowed folder."""
        real = str(real_path(place))
        folders = self._folders()
        if not any(real.startswith(folder.rstrip("/") + "/") for folder in folders):
            shown = "" if real == str(path) else f", which is {real},"
            raise ZoneError(
                f"{path}{shown} is not below {' or '.join(folders) or 'any folder that there is'}: "
                f"$INCLUDE reads from there only; {KEY} allows other folders"
            )

    def _folders(self) -> list[str]:
        """Return where the allowed folders are at this moment, links resolved; one that is not there allows nothing."""
        if not self._below:
            return [str(real_path(self._folder))]
        return [folder for folder in map(os.path.realpath, self._below) if os.path.isdir(folder)]  # noqa: PTH112


@contextmanager
def _placed(path: str | Path, folder: int | None = None) -> Iterator[int]:
    place = os.open(path, _PLACE, dir_fd=folder)
    try:
        yield place
    finally:
        os.close(place)


@contextmanager
def _regular(path: Path, place: int) -> Iterator[FileIO]:
    """Open the file at a place for reading."""
    if not stat.S_ISREG(os.fstat(place).st_mode):
        raise ZoneError(f"{path}: not a regular file")
    with FileIO(again(place)) as file:
        yield file


def again(fd: int) -> int:
    """Return another descriptor of the same file, with an offset of its own."""
    return os.open(f"/proc/self/fd/{fd}", _READ)


def real_path(fd: int) -> Path:
    """Return the path that the kernel knows of an open file, without links."""
    return Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115 - a Path of a link that is none of a file system
