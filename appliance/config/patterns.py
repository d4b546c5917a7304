# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that a [[pattern]] stands for: those of a list, or those with a file in a folder.

What is wrong with one line or one file name is a finding of its own, and keeps no other zone from being found.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Final

from appliance.access import why_not_read
from appliance.config.schema import Pattern
from appliance.errors import ConfigError, Finding, WireError
from appliance.wording import visible
from appliance.zone import names

ZONE: Final = "{zone}"
EVERY_FILE: Final = "*"
"""In place of a list: each file in the folder is that of a zone."""
ROOT_FILE: Final = "root"
"""What stands for the root zone, whose name is a dot, in the name of its file."""
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Expansion:
    """What is found wrong with the names in a list or a folder while its zones are gone through.

    `is_whole` says whether it is known that there are no other zones: not where the list or the folder cannot be read,
    and not where a line of the list is no name, for that may have been one.
    """

    findings: list[Finding] = field(default_factory=list)
    is_whole: bool = True

    def error(self, place: str, line: int, reason: str) -> None:
        """Add an error at a place."""
        self.findings.append(Finding(shown(place), line, "error", reason))

    def chosen(self, pattern: Pattern, origin: bytes, known: str, file: str, line: int) -> str:
        """Return the file of a zone that is there twice: that with the canonical spelling, else the first."""
        zone = names.to_text(origin)
        place = file if is_folder(pattern) else pattern.zones
        if known == file:
            self.findings.append(Finding(shown(place), line, "warning", f"zone {zone} is there twice"))
            return known
        chosen, other = (file, known) if file == file_of(pattern, zone) else (known, file)
        reason = f"zone {zone} is spelt in two ways: {shown(chosen)} is its file, {shown(other)} is not used"
        self.error(place, line, reason)
        return chosen


def expand(pattern: Pattern, found: Expansion) -> Iterator[tuple[bytes, str, int]]:
    """Yield origin, file, and line of the list (0 where there is none) of each zone of a pattern."""
    return _in_folder(pattern, found) if is_folder(pattern) else _listed(pattern, found)


def is_folder(pattern: Pattern) -> bool:
    """Return whether the zones of a pattern are those with a file in a folder."""
    return pattern.zones in ("", EVERY_FILE)


def _listed(pattern: Pattern, found: Expansion) -> Iterator[tuple[bytes, str, int]]:
    path = pattern.zones
    try:
        with _opened(path) as lines:
            for number, octets in enumerate(lines, 1):
                line = octets.partition(b"#")[0].strip()
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                if not line:
                    continue
                try:
                    text = line.decode()
                    origin = origin_of(text, "")
                    if origin == _TLD_ROOT and ZONE in pattern.file:
                        raise ConfigError(_ROOT_CLASH)
                except (ConfigError, UnicodeDecodeError) as error:
                    found.error(path, number, _wrong_with_line(error))
                    found.is_whole = False
                    continue
                yield origin, file_of(pattern, text), number
    except (OSError, ValueError) as error:
        why = why_not_read(path, error)
        found.error(path, 0, f"the list of zones cannot be read: {why}; none of its zones is removed")
        found.is_whole = False


def _wrong_with_line(error: ConfigError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: octet {error.start}; write one zone name a line"
    return shown(str(error))


def _opened(path: str) -> IO[bytes]:
    """Return a regular file, open. Raises OSError or ValueError; a pipe would be waited for."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("not a regular file")
    return open(fd, "rb")  # noqa: PTH123 - it is open already


def _in_folder(pattern: Pattern, found: Expansion) -> Iterator[tuple[bytes, str, int]]:
    folder, _, file = pattern.file.rpartition("/")
    before, _, after = file.partition(ZONE)
    try:
        entries = sorted(os.listdir(folder or "/"))  # noqa: PTH208 - names are all that is asked for
    except (OSError, ValueError) as error:
        why = why_not_read(folder, error)
        found.error(folder, 0, f"the folder of a [[pattern]] cannot be read: {why}; none of its zones is removed")
        found.is_whole = False
        return
    for name in entries:
        if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
            text = name[len(before) : len(name) - len(after)]
            if text.startswith("."):  # half-written files of editors and transfers
                continue
            path = f"{folder}/{name}"
            try:
                origin = names.ROOT if text.lower() == ROOT_FILE else origin_of(text, "")
                if origin == _TLD_ROOT:
                    raise ConfigError(_ROOT_CLASH)
            except ConfigError as error:
                found.error(path, 0, f"the name of the file is not that of a zone: {shown(str(error))}")
                continue
            yield origin, path, 0


def shown(path: str) -> str:
    """Return a path as text that can be printed, whatever octets it has."""
    return visible(os.fsencode(path).decode("utf-8", "backslashreplace"))


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
        raise ConfigError(f"{place}: {error}" if place else str(error)) from error


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
