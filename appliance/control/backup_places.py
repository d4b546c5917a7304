# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files move with the folder of the configuration, and which stay where they are on any machine."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from appliance.config.files import ConfigPart
from appliance.config.patterns import ZONE
from appliance.config.sections import PATHS


class Places:
    """The places of files in a backup: `config/` for what the configuration names by relative paths, `root/` else."""

    def __init__(self, parts: Sequence[ConfigPart]) -> None:
        """Look at what the files of a configuration name, and how."""
        self._main = os.path.normpath(parts[0].path.absolute())
        self._folder = os.path.normpath(parts[0].path.absolute().parent)
        self._absolute = tuple(dict.fromkeys(map(os.path.normpath, _absolute(parts))))

    def of(self, path: str) -> str:
        """Return the place of a file or folder with an absolute path."""
        normal = os.path.normpath(path)
        below = normal.removeprefix(self._folder.rstrip("/") + "/")
        if normal != self._main and (
            below == normal or any(normal == one or normal.startswith(f"{one}/") for one in self._absolute)
        ):
            return f"root{normal}" if not normal.startswith("//") else f"root{normal[1:]}"
        return f"config/{below}"


def _absolute(parts: Sequence[ConfigPart]) -> Iterator[str]:
    """Yield the absolute paths that a configuration names, of a pattern as far as it is the same for all zones."""
    for pattern in parts[0].includes:
        if pattern.startswith("/"):
            yield re.split(r"[*?\[]", pattern)[0].rpartition("/")[0]
    for part in parts:
        for name, keys in PATHS.items():
            found = part.tree.get(name, [])
            for table in found if isinstance(found, list) else [found]:
                yield from _of_table(table, keys)


def _of_table(table: dict[str, Any], keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        value = table.get(key)
        if isinstance(value, str) and value.startswith("/"):
            before, sign, _ = value.partition(ZONE)
            yield before.rpartition("/")[0] or "/" if sign else value
