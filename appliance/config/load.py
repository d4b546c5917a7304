# SPDX-License-Identifier: GPL-3.0-or-later
"""From a TOML file to a Config, or to everything that is wrong with the file."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from appliance.access import why_not_read
from appliance.config import places
from appliance.config.rules import check_meaning
from appliance.config.schema import (
    Checks,
    Config,
    Health,
    Interface,
    Journal,
    Limits,
    Listen,
    Pattern,
    Section,
    Server,
    Storage,
    ZoneEntry,
)
from appliance.errors import ConfigError, Finding

_TABLES: dict[str, type[Section]] = {
    "server": Server,
    "listen": Listen,
    "limits": Limits,
    "checks": Checks,
    "store": Storage,
    "journal": Journal,
    "health": Health,
}
_ARRAYS: dict[str, type[Section]] = {"interface": Interface, "zone": ZoneEntry, "pattern": Pattern}
_SYNTAX_PLACE = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


class Report:
    """Collects the findings about one file, each with the line of its key where that is known."""

    def __init__(self, file: Path, lines: dict[places.Path, int]) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.tables: set[str] = set()
        """Tables with errors: what they mean is not known."""
        self._lines = lines

    def error(self, path: places.Path, reason: str) -> None:
        """Add one error about the key at a path; the nearest table that has a line stands in for it."""
        self.tables.add(str(path[0]))
        line = next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 0)
        self.findings.append(Finding(str(self.file), line, "error", reason))


def load_config(path: Path) -> Config:
    """Return the configuration in a file; paths in it are absolute. Raises ConfigError with all findings."""
    config, findings = examine(path)
    if config is None:
        raise ConfigError("\n".join(str(finding) for finding in findings))
    return config


def examine(path: Path) -> tuple[Config | None, list[Finding]]:
    """Return the configuration, or None and everything that is wrong with the file."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        return None, [Finding(str(path), 0, "error", f"cannot be read: {why_not_read(path, error)}")]
    except UnicodeDecodeError as error:
        return None, [Finding(str(path), 0, "error", f"is not UTF-8: octet {error.start}")]
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_finding(path, str(error), text)]
    except RecursionError:
        return None, [Finding(str(path), 0, "error", "values are nested too deeply; no key needs more than one list")]
    report = Report(path, places.key_lines(text))
    _check_shape(tree, report)
    whole = {name: value for name, value in tree.items() if name not in report.tables}
    config = _with_absolute_paths(msgspec.convert(whole, Config), path.absolute().parent)
    check_meaning(config, report.error, frozenset(report.tables))
    return (None, report.findings) if report.findings else (config, [])


def _syntax_finding(path: Path, message: str, text: str) -> Finding:
    place = _SYNTAX_PLACE.match(message)
    if place is None:
        return Finding(str(path), 0, "error", message)
    line = int(place[2]) if place[2] else len(text.splitlines())
    return Finding(str(path), line, "error", f"{place[1]}{f' in column {place[3]}' if place[3] else ''}")


def _check_shape(tree: dict[str, Any], report: Report) -> None:
    """Check keys, types and bounds of every table, each key on its own, so that one mistake hides no other."""
    for name, value in tree.items():
        if name in _TABLES:
            if isinstance(value, list):
                report.error((name, 0), f"[[{name}]] must be one table: write [{name}]")
            else:
                _check_table(_TABLES[name], (name,), value, report)
        elif name in _ARRAYS:
            if not isinstance(value, list):
                report.error((name,), f"[{name}] must be an array of tables: write [[{name}]]")
                continue
            for index, item in enumerate(value):
                _check_table(_ARRAYS[name], (name, index), item, report)
        else:
            at: places.Path = (name, 0) if isinstance(value, list) else (name,)
            report.error(at, f"unknown key {name!r}" + _nearest(name, [*_TABLES, *_ARRAYS]))


def _check_table(kind: type[Section], path: places.Path, table: object, report: Report) -> None:
    where = str(path[0])
    if not isinstance(table, dict):
        report.error(path, f"{where} must be a table")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            report.error((*path, key), f"unknown key {key!r} in [{where}]" + _nearest(key, list(fields)))
            continue
        try:
            msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            report.error((*path, key), f"{key} = {value!r}: {_type_reason(fields[key].type, value, str(error))}")
    for name, field in fields.items():
        if field.required and name not in table:
            report.error(path, f"[[{where}]] lacks {name}")


def _type_reason(kind: Any, value: object, reason: str) -> str:
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
        return "is none of " + ", ".join(repr(choice) for choice in choices) + _nearest(str(value), choices, "")
    return reason[0].lower() + reason[1:]


def _nearest(word: str, known: list[str], otherwise: str | None = None) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(sorted(known))}" if otherwise is None else otherwise


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    """Return the configuration with zone files and directories taken relative to the configuration's folder."""
    server = config.server
    return msgspec.structs.replace(
        config,
        server=msgspec.structs.replace(
            server,
            run_dir=str(folder / server.run_dir),
            state_dir=str(folder / server.state_dir),
            control_socket=str(folder / server.control_socket) if server.control_socket else "",
            read_socket=str(folder / server.read_socket) if server.read_socket else "",
            include_below=tuple(str(folder / one) for one in server.include_below),
        ),
        pattern=tuple(
            msgspec.structs.replace(
                one, file=str(folder / one.file), zones=str(folder / one.zones) if one.zones else one.zones
            )
            for one in config.pattern
        ),
        zone=tuple(msgspec.structs.replace(zone, file=str(folder / zone.file)) for zone in config.zone),
    )
