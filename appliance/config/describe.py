# SPDX-License-Identifier: GPL-3.0-or-later
"""What each key means, what it may be, and what it is: from the types and the sentences beside them."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.config.schema import Config
from appliance.config.sections import ARRAYS, TABLES
from appliance.errors import ConfigError

_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")


@cache
def sentences() -> dict[str, Any]:
    """Return what is said of each key, by its table; Markdown."""
    return tomllib.loads((Path(__file__).parent / "sentences.toml").read_text(encoding="utf-8"))


def explain(key: str) -> str:
    """Return name, default and meaning of a key such as "listen.port"; of each key of a table such as "listen".

    Raises ConfigError for a key that there is not, with the nearest one.
    """
    known = dict(_keys())
    chosen = {name: field for name, field in known.items() if key in (name, name.partition(".")[0])}
    if not chosen:  # without its table it is found too
        chosen = {name: field for name, field in known.items() if name.rpartition(".")[2] == key}
    if not chosen:
        close = difflib.get_close_matches(key, [*known, *TABLES, *ARRAYS], n=1, cutoff=0.4)
        raise ConfigError(f"there is no key {key!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return "\n\n".join(_explained(name, field) for name, field in chosen.items())


def _keys() -> Iterator[tuple[str, Any]]:
    for name, kind in {**TABLES, **ARRAYS}.items():
        for field in msgspec.structs.fields(kind):
            yield f"{name}.{field.encode_name}", field
    yield "include", next(field for field in msgspec.structs.fields(Config) if field.name == "include")


def _explained(name: str, field: Any) -> str:
    table, _, key = name.rpartition(".")
    said = (sentences()[table] if table else sentences())[key]
    where = f"in [[{table}]]" if table in ARRAYS else f"in [{table}]" if table else "at the top"
    default = "must be given" if field.required else f"default {json.dumps(_plain(field.default))}"
    return f"{key} {where}, {default}\n  " + _LINK.sub(r"\1", said).replace("`", "")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration, each key with its sentence."""
    made = msgspec.json.schema(Config)
    for name, kind in {**TABLES, **ARRAYS}.items():
        properties = made["$defs"][kind.__name__]["properties"]
        for key, said in sentences()[name].items():
            properties[key]["description"] = _LINK.sub(r"\1", said)
    whole = made["$defs"]["Config"]["properties"]
    whole["include"]["description"] = sentences()["include"]
    return made


def effective(config: Config) -> dict[str, Any]:
    """Return a configuration as plain data, with every default."""
    return dict(msgspec.to_builtins(config))


def as_toml(tables: Mapping[str, Any]) -> str:
    """Return a configuration as TOML; keys that have their defaults are marked."""
    lines: list[str] = []
    for name, value in tables.items():
        if name in ARRAYS:
            for one in value:
                lines += ["", f"[[{name}]]", *_lines(ARRAYS[name], one)]
        elif name in TABLES:
            lines += ["", f"[{name}]", *_lines(TABLES[name], value)]
        else:
            lines += [f"# from {file}" for file in value]  # include: their tables stand below
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines(kind: type[msgspec.Struct], table: Mapping[str, Any]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        key = field.encode_name
        if key in table:
            same = not field.required and _plain(field.default) == _plain(table[key])
            line = f"{key} = {_value(table[key])}"
            if same and table[key] == "":  # some keys must not be given empty
                yield f"# {line}"
            else:
                yield f"{line}  # default" if same else line


def _value(value: Any) -> str:
    """Return a value as TOML, whose strings are those of JSON but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
