# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a configuration: the one that is named, and those that it includes; what stands where."""

import errno
import glob
import os
import re
import stat
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from appliance.access import why_not_read
from appliance.config import places
from appliance.config.patterns import EVERY_FILE
from appliance.config.sections import ARRAYS, PATHS
from appliance.errors import Finding

FILES: Final = 1000
"""Files that may be included, all together."""
LONGEST: Final = 1 << 26
"""Characters that are read of a file: a device has no end."""
_SYNTAX_PLACE: Final = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


@dataclass(slots=True)
class ConfigPart:
    """One file: its tables, the lines of their keys, what is wrong with it, and the tables that are wrong."""

    path: Path
    tree: dict[str, Any] = field(default_factory=dict)
    lines: dict[places.Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)
    is_read: bool = False
    status: os.stat_result | None = None
    """What the file was just before it was read."""
    includes: tuple[str, ...] = ()
    """The patterns of `include`."""

    def error(self, path: places.Path, reason: str) -> None:
        """Add an error about the key at a path; the nearest table that has a line stands in for it."""
        self.tables.add(str(path[0]))
        self.findings.append(Finding(str(self.path), places.line_of(self.lines, path), "error", reason))


def read_parts(path: Path) -> list[ConfigPart]:
    """Return the file and those that it includes, in their order; what cannot be read is a finding of its part."""
    main = _read(path)
    parts = [main]
    patterns = main.tree.pop("include", [])
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        main.error(("include",), 'include must be a list of paths, such as ["conf.d/*.toml"]')
        return parts
    main.includes = tuple(patterns)
    for pattern in patterns:
        if "\0" in pattern:
            main.error(("include",), f"include {pattern!r} has a NUL octet, which no path can have")
        elif not glob.has_magic(pattern) and not os.path.lexists(path.absolute().parent / pattern):
            main.error(("include",), f"include {pattern!r}: there is no such file")
    found = included(path, patterns)
    if len(found) > FILES:
        main.error(("include",), f"include names {len(found)} files; more than {FILES} are not read")
    for one in found[:FILES]:
        part = _read(one, regular=True)
        if part.tree.pop("include", None) is not None:
            part.error(("include",), f"a file that is included may not include others; name them in {path}")
        parts.append(part)
    return parts


def included(path: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that patterns of a file name now, each once and not that file, in the order of their names."""
    found: dict[str, Path] = {}
    for pattern in patterns:
        if "\0" in pattern:
            continue
        # Path.glob does not take absolute patterns.
        for one in sorted(glob.glob(str(path.absolute().parent / pattern))):  # noqa: PTH207
            found.setdefault(os.path.realpath(one), Path(one))
    found.pop(os.path.realpath(path), None)
    return list(found.values())


def _read(path: Path, *, regular: bool = False) -> ConfigPart:
    """Return a file with what is wrong with it; `regular` refuses pipes, which would be waited for.

    The file that a command names may be a pipe.
    """
    part = ConfigPart(path)
    try:
        part.status = path.stat()
        if regular and not stat.S_ISREG(part.status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise OSError(errno.EFBIG, f"it has more than {LONGEST >> 20} Mi characters")
        part.tree = tomllib.loads(text)
        part.lines = places.key_lines(text)
        part.is_read = True
    except OSError as error:
        part.findings.append(Finding(str(path), 0, "error", f"cannot be read: {why_not_read(path, error)}"))
    except UnicodeDecodeError as error:
        part.findings.append(Finding(str(path), 0, "error", f"is not UTF-8: octet {error.start}"))
    except tomllib.TOMLDecodeError as error:
        part.findings.append(_syntax_finding(path, str(error), text))
    except RecursionError:
        reason = "values are nested too deeply; no key needs more than one list"
        part.findings.append(Finding(str(path), 0, "error", reason))
    return part


def _syntax_finding(path: Path, message: str, text: str) -> Finding:
    place = _SYNTAX_PLACE.match(message)
    if place is None:
        return Finding(str(path), 0, "error", message)
    line = int(place[2]) if place[2] else len(text.splitlines())
    return Finding(str(path), line, "error", f"{place[1]}{f' in column {place[3]}' if place[3] else ''}")


class Merged:
    """The tables of all parts as one tree, without those that are wrong, and where each of its keys stands."""

    def __init__(self, parts: list[ConfigPart]) -> None:
        """Put the parts together; a key that two of them have is an error of the later one."""
        self._parts = parts
        self.tree: dict[str, Any] = {}
        self._arrays: dict[str, list[tuple[ConfigPart, int]]] = {}
        self._keys: dict[tuple[str, str], ConfigPart] = {}
        for part in parts:
            for name, value in part.tree.items():
                if name in part.tables:
                    continue
                if name in ARRAYS:
                    self._add_tables(part, name, value)
                else:
                    self._add_keys(part, name, value)
        for name in self.tables:
            self.tree.pop(name, None)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that are wrong in some part: what they mean is not known."""
        return frozenset().union(*(part.tables for part in self._parts))

    def _add_tables(self, part: ConfigPart, name: str, tables: list[dict[str, Any]]) -> None:
        places_of = self._arrays.setdefault(name, [])
        places_of += [(part, number) for number in range(len(tables))]
        self.tree.setdefault(name, []).extend(_absolute(name, table, part.path) for table in tables)

    def _add_keys(self, part: ConfigPart, name: str, table: dict[str, Any]) -> None:
        for key in table:
            first = self._keys.setdefault((name, key), part)
            if first is not part:
                line = places.line_of(first.lines, (name, key))
                part.error((name, key), f"{key} of [{name}] stands in {first.path}:{line} too; leave one of them out")
        self.tree.setdefault(name, {}).update(_absolute(name, table, part.path))

    def error(self, path: places.Path, reason: str) -> None:
        """Add an error about a key of the whole to the part that it stands in."""
        part, own = self._located(path)
        part.error(own, reason)

    def place(self, path: places.Path) -> tuple[str, int]:
        """Return file and line of a key of the whole."""
        part, own = self._located(path)
        return str(part.path), places.line_of(part.lines, own)

    def _located(self, path: places.Path) -> tuple[ConfigPart, places.Path]:
        name = str(path[0])
        part, own = self._parts[0], path
        if len(path) > 1 and isinstance(path[1], int) and path[1] < len(self._arrays.get(name, ())):
            part, number = self._arrays[name][path[1]]
            own = (name, number, *path[2:])
        elif len(path) > 1:
            part = self._keys.get((name, str(path[1])), part)
        return part, own

    @property
    def findings(self) -> list[Finding]:
        """Everything that is wrong, file by file."""
        return [finding for part in self._parts for finding in part.findings]


def _absolute(name: str, table: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return a table with its paths taken relative to the folder of the file."""
    folder = file.absolute().parent
    made = dict(table)
    for key in PATHS.get(name, ()):
        value = made.get(key)
        if isinstance(value, list):
            made[key] = [str(folder / one) for one in value]
        elif value and not (key == "zones" and value == EVERY_FILE):
            made[key] = str(folder / value)
    return made
