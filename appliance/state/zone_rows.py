# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of single zones that no file can give back: which were added, which are frozen; and as a text beside it.

The text is the list of zones that NSD has, `add NAME PATTERN` a line; what else there is stands in its comments.
"""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import StateError, WireError
from appliance.zone import names

FILE: Final = "zones.list"
_HEAD: Final = "# Zones that were added while the server ran: a copy of zones.db, used where that is damaged.\n"
NOT_ROLLED_BACK: Final = -1


class Frozen(NamedTuple):
    """That a zone's file is not read; times are in seconds since 1970.

    serial is that of the version that the zone was rolled back to, NOT_ROLLED_BACK for a zone that is only frozen.
    stamp is that of the zone's file where it has what was served just before; nothing where that is not known.
    """

    since: int
    serial: int = NOT_ROLLED_BACK
    stamp: bytes = b""


@dataclass(slots=True)
class ZoneRows:
    """All of it, by the folded wire name of the zone; files has that of each pattern by its name."""

    zones: dict[bytes, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    frozen: dict[bytes, Frozen] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.zones or self.frozen)


def added(zones: Mapping[bytes, str]) -> Iterator[str]:
    """Yield a line for each zone that has come, or that has another pattern."""
    for origin, pattern in zones.items():
        yield f"add {names.to_text(origin)} {pattern}\n"


def removed(origins: Iterable[bytes]) -> Iterator[str]:
    """Yield a line for each zone that has gone."""
    for origin in origins:
        yield f"del {names.to_text(origin)}\n"


def with_files(files: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for the file of each pattern."""
    for pattern, file in files.items():
        yield f"# pattern {_quoted(file)} {pattern}\n"


def frozen(zones: Mapping[bytes, Frozen]) -> Iterator[str]:
    """Yield a line for each frozen zone."""
    for origin, one in zones.items():
        yield f"# frozen {names.to_text(origin)} {one.since} {one.serial} {one.stamp.hex() or '-'}\n"


def thawed(origins: Iterable[bytes]) -> Iterator[str]:
    """Yield a line for each zone that is frozen no more."""
    for origin in origins:
        yield f"# thawed {names.to_text(origin)}\n"


def _quoted(file: str) -> str:
    return os.fsencode(file).hex()


class ZoneList:
    """The text; appended to after each change, written anew where many of its lines count no more."""

    def __init__(self, folder: Path) -> None:
        """Name the state folder, which need not be there yet."""
        self.path = folder / FILE

    def append(self, lines: Iterable[str]) -> None:
        """Add what has changed. Raises OSError."""
        octets = "".join(lines).encode()
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            before = os.fstat(fd).st_size
            if os.write(fd, octets) != len(octets):
                os.ftruncate(fd, before)  # half a line would spoil the next one
                raise OSError(28, os.strerror(28))
        finally:
            os.close(fd)

    def write(self, rows: ZoneRows) -> None:
        """Write all of it in place of what is there, or leave that. Raises OSError."""
        draft = self.path.with_name(f".{FILE}.{secrets.token_hex(4)}")
        try:
            with draft.open("x", encoding="utf-8") as file:
                file.write(_HEAD)
                file.writelines(with_files(rows.files))
                file.writelines(added(rows.zones))
                file.writelines(frozen(rows.frozen))
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(0o640)
            draft.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    def read(self) -> ZoneRows | None:
        """Return what is in the text, without lines that say nothing; None where there is none. Raises StateError."""
        try:
            text = self.path.read_bytes().decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StateError(f"{self.path}: {error.strerror}") from error
        rows = ZoneRows()
        for line in text.split("\n")[:-1]:  # what has no end was not written whole
            with contextlib.suppress(ValueError, WireError):
                _take(line, rows)
        return rows


def _take(line: str, rows: ZoneRows) -> None:
    """Do what a line says. Raises ValueError or WireError for one that says nothing."""
    kind, _, rest = line.removeprefix("# ").partition(" ")
    first, _, more = rest.partition(" ")
    if line.startswith("#"):
        if kind == "pattern":
            rows.files[more] = os.fsdecode(bytes.fromhex(first))
        elif kind == "frozen":
            since, serial, stamp = more.split()
            rows.frozen[_origin(first)] = Frozen(int(since), int(serial), b"" if stamp == "-" else bytes.fromhex(stamp))
        elif kind == "thawed":
            rows.frozen.pop(_origin(first), None)
    elif kind == "add":
        rows.zones[_origin(first)] = more.strip()
    elif kind == "del":
        rows.zones.pop(_origin(first), None)


def _origin(text: str) -> bytes:
    return names.fold(names.from_text(text))
