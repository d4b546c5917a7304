# SPDX-License-Identifier: GPL-3.0-or-later
"""What a broken configuration still says for sure: a slip in one table hides no running server from its operator."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from types import GenericAlias
from typing import Any, Final

import msgspec

from appliance.config.files import LONGEST, ConfigPart, Merged, included, read_parts
from appliance.config.load import check_shape
from appliance.config.places import key_lines
from appliance.config.rules import check_meaning
from appliance.config.schema import Config, Section
from appliance.config.sections import ARRAYS, TABLES

_HEADER: Final = re.compile(r"^\s*\[{1,2}\s*[\"']?([\w-]+)", re.MULTILINE)


def salvage(path: Path, needed: Collection[str]) -> Config | None:
    """Return the `needed` tables of a broken configuration, the others as if missing; None where one is not sure.

    A table is sure if nothing is wrong in it, and if it neither holds nor may follow the place where the syntax breaks.
    """
    parts = read_parts(path)
    if not parts[0].is_read:
        parts = _beginning(parts[0], needed)
    if not parts or not all(part.is_read for part in parts):
        return None
    for part in parts:
        check_shape(part)
    merged = Merged(parts)
    if merged.tables & set(needed):
        return None
    kinds: dict[str, Any] = {name: TABLES.get(name) or GenericAlias(tuple, (ARRAYS[name], ...)) for name in needed}
    found: dict[str, Section] = {
        name: msgspec.convert(value, kinds[name]) for name, value in merged.tree.items() if name in needed
    }
    config = msgspec.structs.replace(Config(), **found)
    wrong: list[str] = []
    check_meaning(config, lambda path, reason: wrong.append(reason), frozenset())
    return None if wrong else config


def _beginning(main: ConfigPart, needed: Collection[str]) -> list[ConfigPart]:
    """Return the whole tables before the place where the syntax breaks; nothing where a needed one is not whole."""
    line = main.findings[0].line
    if not line:
        return []
    with main.path.open(encoding="utf-8") as file:
        whole = file.read(LONGEST).splitlines()
    end = line - 1
    if not whole[end:line] or not whole[end].lstrip().startswith("["):  # else the table above it is whole
        end = max((at for at, text in enumerate(whole[:end]) if _HEADER.match(text)), default=0)
    after = "\n".join(whole[end:])
    if set(_HEADER.findall(after)) & set(needed) or not _HEADER.search("\n".join(whole[:end])):
        return []
    return _parsed(main.path, "\n".join(whole[:end]))


def _parsed(path: Path, text: str) -> list[ConfigPart]:
    """Return the beginning of a file as one that is read, and the files that it includes."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a string of many lines that held what looks like a header
        return []
    patterns = tree.pop("include", [])
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        return []
    main = ConfigPart(path, tree, key_lines(text), is_read=True)
    return [main, *(read_parts(one)[0] for one in included(path, patterns))]
