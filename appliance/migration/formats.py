# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server a configuration is of: by the name of its file, else by what is in it; and its reader."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.errors import ConfigError
from appliance.migration import knot, named, nsd, pdns
from appliance.migration.old import Old
from appliance.migration.sources import Sources

READERS: Final[dict[str, Callable[[Path], Old]]] = {
    "nsd": nsd.read,
    "knot": knot.read,
    "named": named.read,
    "pdns": pdns.read,
}
_NAMES: Final = {"nsd": "nsd", "knot": "knot", "knotd": "knot", "named": "named", "bind": "named", "pdns": "pdns"}
_SIGNS: Final = {
    "pdns": re.compile(r"^[ \t]*(launch|bind-config|local-address|setuid|include-dir)[ \t]*\+?=", re.MULTILINE),
    "named": re.compile(r"^[ \t]*(options|zone|view|acl|key|logging|controls|include)\b[^\n:]*[{;]", re.MULTILINE),
    "knot": re.compile(r"^[ \t]+-[ \t]+(id|domain|target):", re.MULTILINE),
    "nsd": re.compile(r"^[ \t]*(server|zone|pattern|remote-control|key|include):(\s|$)", re.MULTILINE),
}


def guess(path: Path) -> tuple[str, str]:
    """Return the program that a file is of, and by what it is known. Raises ConfigError where it is not."""
    stem = path.name.lower().partition(".")[0]
    if path.is_dir():
        return "knot", "a folder is taken for a configuration database of Knot DNS"
    if stem in _NAMES:
        return _NAMES[stem], f"by its name {path.name}"
    text = Sources().enter(path)
    for program, sign in _SIGNS.items():
        match = sign.search(text)
        if match:
            line = text[: match.start()].count("\n") + 1
            return program, f"by what is in line {line} of it"
    raise ConfigError(f"{path}: it is not known whose configuration this is; say --from {', '.join(READERS)}")
