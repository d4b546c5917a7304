# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of another server's configuration, read within bounds: regular, UTF-8, without NUL, no circle."""

import errno
import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from appliance.access import why_not_read
from appliance.errors import ConfigError
from appliance.migration.old import Place

FILE_MIB: Final = 64
LINE_OCTETS: Final = 1 << 20
FILES: Final = 1000
DEPTH: Final = 10
"""Files that may include each other in a row."""


def wrong(place: Place, reason: str) -> ConfigError:
    """Return an error about a line; `reason` says what mends it."""
    return ConfigError(f"{place}: error: {reason}")


@dataclass(slots=True)
class Sources:
    """Reads files, counts them, and knows which are being read."""

    way: list[str] = field(default_factory=list)
    count: int = 0
    files: list[str] = field(default_factory=list)

    def enter(self, path: Path, by: Place | None = None) -> str:
        """Return the text of a file, whose includes come now; `leave` follows. Raises ConfigError with the includer."""
        place = by or Place(str(path), 0)
        real = os.path.realpath(path)
        self.count += 1
        if real in self.way:
            circle = " → ".join([*self.way[self.way.index(real) :], real])
            raise wrong(place, f"files include each other in a circle: {circle}; take one of the includes out")
        if len(self.way) >= DEPTH:
            raise wrong(place, f"more than {DEPTH} files include each other; put them into fewer files")
        if self.count > FILES:
            raise wrong(place, f"more than {FILES} files are included; put them into fewer files")
        text = _text(path, by)
        self.way.append(real)
        self.files.append(real)
        return text

    def leave(self) -> None:
        """End a file that was entered."""
        self.way.pop()


def included(pattern: str, folder: Path, place: Place) -> list[Path]:
    """Return the files that an include names, in the order of their names. Raises ConfigError where it names none."""
    if "\0" in pattern or not pattern:
        raise wrong(place, "an include without a file's name; write the path of a file")
    path = str(folder / pattern)
    if glob.has_magic(path):
        # Path.glob does not take absolute patterns.
        return [Path(one) for one in sorted(glob.glob(path))]  # noqa: PTH207
    return [Path(path)]


def _text(path: Path, by: Place | None) -> str:
    octets = _octets(path, by)
    before = f"{by}: error: include {path}" if by else f"{path}"
    for number, line in enumerate(octets.split(b"\n"), 1):
        if len(line) > LINE_OCTETS:
            raise wrong(Place(str(path), number), f"a line of {len(line)} octets; {LINE_OCTETS} at most are read")
        if b"\0" in line:
            raise wrong(Place(str(path), number), "a NUL octet: this is no configuration; name the text file")
    try:
        return octets.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        at = octets[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{before}:{at}: error: not UTF-8: octet {error.start}; convert it, such as with iconv"
        ) from error


def _octets(path: Path, by: Place | None) -> bytes:
    before = f"{by}: error: include " if by else ""
    try:
        with regular(path) as file:
            octets = file.read((FILE_MIB << 20) + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{before}{path}: cannot be read: {why_not_read(path, error)}") from error
    if len(octets) > FILE_MIB << 20:
        raise ConfigError(f"{before}{path}: more than {FILE_MIB} MiB; no configuration is that long")
    return octets


@contextmanager
def regular(path: str | Path) -> Iterator[IO[bytes]]:
    """Yield a regular file, open. Raises OSError or ValueError; a pipe would be waited for, a device may never end."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "it is a folder; name a file")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file; copy it into one")
        with open(fd, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(fd)
