# SPDX-License-Identifier: GPL-3.0-or-later
"""From TOML files to a Config, or to everything that is wrong with them."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from appliance.config import places
from appliance.config.files import ConfigPart, Merged, read_parts
from appliance.config.nearest import nearest
from appliance.config.references import check_references
from appliance.config.rules import check_meaning
from appliance.config.schema import Config, Section, ZoneEntry
from appliance.config.sections import ARRAYS, TABLES
from appliance.config.templates import resolved
from appliance.errors import ConfigError, Finding


def load_config(path: Path) -> Config:
    """Return the configuration in a file; paths in it are absolute. Raises ConfigError with all findings."""
    return config_of(read_parts(path))


def config_of(parts: list[ConfigPart]) -> Config:
    """Return the configuration in files that are read. Raises ConfigError with all findings."""
    config, findings = examine_parts(parts)
    if config is None:
        raise ConfigError("\n".join(str(finding) for finding in findings))
    return config


def examine(path: Path) -> tuple[Config | None, list[Finding]]:
    """Return the configuration, or None and everything that is wrong with the file."""
    return examine_parts(read_parts(path))


def examine_parts(parts: list[ConfigPart]) -> tuple[Config | None, list[Finding]]:
    """Return the configuration in files that are read, or None and everything that is wrong with them; once."""
    for part in parts:
        check_shape(part)
    merged = Merged(parts)
    files = tuple(str(part.path.absolute()) for part in parts[1:])
    config = msgspec.structs.replace(msgspec.convert(merged.tree, Config), include=files)
    wrong = merged.tables
    if not wrong & {"pattern", "zone"}:
        config = resolved(config, merged.error)
    if all(part.is_read for part in parts):  # else half of it is missing
        check_meaning(config, merged.error, wrong)
        check_references(config, merged.error, wrong)
    return (None, merged.findings) if merged.findings else (config, [])


def check_shape(part: ConfigPart) -> None:
    """Check keys, types and bounds of every table, each key on its own, so that one mistake hides no other."""
    for name, value in part.tree.items():
        if name in TABLES:
            if isinstance(value, list):
                part.error((name, 0), f"[[{name}]] must be one table: write [{name}]")
            else:
                _check_table(TABLES[name], (name,), value, part)
        elif name in ARRAYS:
            if not isinstance(value, list):
                part.error((name,), f"[{name}] must be an array of tables: write [[{name}]]")
                continue
            for index, item in enumerate(value):
                _check_table(ARRAYS[name], (name, index), item, part)
        else:
            at: places.Path = (name, 0) if isinstance(value, list) else (name,)
            part.error(at, f"unknown key {name!r}" + nearest(name, [*TABLES, *ARRAYS, "include"]))


def _check_table(kind: type[Section], path: places.Path, table: object, part: ConfigPart) -> None:
    where = str(path[0])
    if not isinstance(table, dict):
        part.error(path, f"{where} must be a table")
        return
    fields = _fields(kind)
    for key, value in table.items():
        if key not in fields:
            part.error((*path, key), f"unknown key {key!r} in [{where}]" + nearest(key, list(fields)))
            continue
        try:
            msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            part.error((*path, key), f"{key} = {value!r}: {_type_reason(fields[key].type, value, str(error))}")
    for name, field in fields.items():
        if field.required and name not in table:
            part.error(path, f"[[{where}]] lacks {name}")
    if kind is ZoneEntry and "file" not in table and "pattern" not in table:
        part.error(path, f"[[{where}]] lacks file")


@cache
def _fields(kind: type[Section]) -> dict[str, Any]:
    """Return the keys of a table; to find them takes longer than to check a table."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _choices(kind: Any) -> list[str]:
    """Return the words that a key, or each of its values, must be one of; none where it is not so."""
    while get_origin(kind) in (Annotated, tuple):
        kind = get_args(kind)[0]
    return list(get_args(kind)) if get_origin(kind) is Literal else []


def _type_reason(kind: Any, value: object, reason: str) -> str:
    choices = _choices(kind)
    if choices and isinstance(value, list):
        odd = [one for one in value if one not in choices]
        return f"{odd[0]!r} {_none_of(odd[0], choices)}" if odd else reason
    if choices:
        return _none_of(value, choices)
    return reason[0].lower() + reason[1:]


def _none_of(value: object, choices: list[str]) -> str:
    return f"is none of {', '.join(map(repr, choices))}{nearest(str(value), choices, '')}"
