# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that a [[pattern]] stands for: those of a list, or those with a file in a folder.

What is wrong with one line or one file name is a finding of its own, and keeps no other zone from being found.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from appliance.config.schema import Pattern
from appliance.errors import ConfigError, Finding, WireError
from appliance.zone import names

ZONE: Final = "{zone}"
ROOT_FILE: Final = "root"
"""What stands for the root zone, whose name is a dot, in the name of its file."""
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_PIECE: Final = 1 << 20
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Expansion:
    """The zones of a pattern with their files, and what is wrong with names that are no zones.

    is_whole says whether it is known that there are no others: not where the list or the folder cannot be read, and not
    where a line of the list is no name, for that may have been one.
    """

    zones: dict[bytes, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    is_whole: bool = True

    def error(self, place: str, line: int, reason: str) -> None:
        """Add an error at a place."""
        self.findings.append(Finding(shown(place), line, "error", reason))

    def add(self, origin: bytes, file: str, place: tuple[str, int], pattern: Pattern) -> None:
        """Take a zone up; of several spellings of one name the canonical one counts, else the first."""
        count = len(self.zones)
        known = self.zones.setdefault(origin, file)
        if known == file:
            if len(self.zones) == count:
                self.findings.append(Finding(shown(place[0]), place[1], "warning", _twice(origin)))
            return
        chosen, other = (file, known) if file == file_of(pattern, names.to_text(origin)) else (known, file)
        self.zones[origin] = chosen
        zone = names.to_text(origin)
        self.error(*place, f"zone {zone} is spelt in two ways: {shown(chosen)} is its file, {shown(other)} is not used")


def _twice(origin: bytes) -> str:
    return f"zone {names.to_text(origin)} is there twice"


def expand(pattern: Pattern) -> Expansion:
    """Return the zones of a pattern."""
    found = Expansion()
    if pattern.zones:
        _read_list(pattern, found)
    else:
        _read_folder(pattern, found)
    return found


def _read_list(pattern: Pattern, found: Expansion) -> None:
    try:
        octets = _content(pattern.zones)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        found.error(pattern.zones, 0, f"the list of zones cannot be read: {reason}; none of its zones is removed")
        found.is_whole = False
        return
    for number, text in _lines(octets, pattern, found):
        try:
            origin = origin_of(text, f"{pattern.zones}:{number}")
            if ZONE in pattern.file and origin == _TLD_ROOT:
                raise ConfigError(f"{pattern.zones}:{number}: {_ROOT_CLASH}")
        except ConfigError as error:
            found.error(pattern.zones, number, _reason(error, f"{pattern.zones}:{number}: "))
            found.is_whole = False
            continue
        found.add(origin, file_of(pattern, text), (pattern.zones, number), pattern)


def _content(path: str) -> bytes:
    """Return what is in a regular file. Raises OSError or ValueError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("not a regular file")
        return b"".join(iter(lambda: os.read(fd, _PIECE), b""))
    finally:
        os.close(fd)


def _lines(octets: bytes, pattern: Pattern, found: Expansion) -> Iterator[tuple[int, str]]:
    """Yield what stands in the lines of a list that have anything but a comment, with their numbers."""
    for number, line in enumerate(octets.removeprefix(_BYTE_ORDER_MARK).split(b"\n"), 1):
        line = line.partition(b"#")[0].strip()
        if line:
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                found.error(pattern.zones, number, f"not UTF-8: octet {error.start}; write one zone name a line")
                found.is_whole = False


def _read_folder(pattern: Pattern, found: Expansion) -> None:
    folder, _, file = pattern.file.rpartition("/")
    before, _, after = file.partition(ZONE)
    try:
        entries = sorted(os.listdir(folder or "/"))  # noqa: PTH208 - names are all that is asked for
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        found.error(folder, 0, f"the folder of a [[pattern]] cannot be read: {reason}; none of its zones is removed")
        found.is_whole = False
        return
    for name in entries:
        if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
            text = name[len(before) : len(name) - len(after)]
            if not text.startswith("."):  # half-written files of editors and transfers
                _add_file(text, f"{folder}/{name}", pattern, found)


def _add_file(text: str, path: str, pattern: Pattern, found: Expansion) -> None:
    try:
        origin = names.ROOT if text.lower() == ROOT_FILE else origin_of(text, path)
        if origin == _TLD_ROOT:
            raise ConfigError(f"{path}: {_ROOT_CLASH}")
    except ConfigError as error:
        found.error(path, 0, f"the name of the file is not that of a zone: {_reason(error, f'{path}: ')}")
        return
    found.add(origin, path, (path, 0), pattern)


def shown(path: str) -> str:
    """Return a path as text that can be printed, whatever octets it has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _reason(error: ConfigError, place: str) -> str:
    return shown(str(error).removeprefix(place))


def file_of(pattern: Pattern, text: str) -> str:
    """Return the path of a zone's file."""
    return pattern.file.replace(ZONE, text.removesuffix(".") or ROOT_FILE)


def origin_of(text: str, place: str) -> bytes:
    """Return the folded wire name of a zone that a list or a file names. Raises ConfigError."""
    text = text.lower()
    if len(text) < 64:
        label, _, rest = text.partition(".")
        above = _plain(rest)
        if above and label and _PLAIN.issuperset(label):
            return bytes((len(label),)) + label.encode() + above
    try:
        return names.fold(names.from_text(text))
    except WireError as error:
        raise ConfigError(f"{place}: {error}") from error


@lru_cache(1024)
def _plain(text: str) -> bytes:
    """Return the wire name of a plainly spelt one, of which many zones have the same above them; else nothing."""
    if not text:
        return names.ROOT
    labels = text.removesuffix(".").split(".")
    if not all(labels) or not _PLAIN.issuperset(text):
        return b""
    return b"".join([bytes((len(label),)) + label.encode() for label in labels]) + names.ROOT


_TLD_ROOT: Final = names.from_text("root.")
_ROOT_CLASH: Final = (
    f"{ROOT_FILE} in the name of a file stands for the root zone (a dot in a list); "
    "give a zone root. a table [[zone]] of its own"
)
