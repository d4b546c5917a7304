# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of Knot's zone files: %s, %c[N], %c[N-M], %l[N] of `file` (knot.conf(5))."""

import os
import re
from typing import Final

from appliance.config.patterns import ZONE

STORAGE: Final = "/var/lib/knot"
DEFAULT: Final = "%s.zone"
_SIGN: Final = re.compile(r"%(?:(?P<plain>[s%])|c\[(?P<from>\d{1,3})(?:-(?P<to>\d{1,3}))?\]|l\[(?P<label>\d{1,3})\])")


def zone_file(storage: str, file: str, zone: str) -> str:
    """Return the path of a zone's file."""
    name = zone.lower().rstrip(".")
    labels = name.split(".") if name else []

    def said(match: re.Match[str]) -> str:
        if match["plain"]:
            return name.replace("/", "_") if match["plain"] == "s" else "%"
        if match["label"]:
            number = int(match["label"])
            return labels[-1 - number] if number < len(labels) else ""
        start = int(match["from"])
        end = int(match["to"] or start)
        return f"{name}."[start : end + 1]

    return os.path.normpath(os.path.join(storage, _SIGN.sub(said, file)))  # noqa: PTH118 - an absolute file stays so


def template(storage: str, file: str) -> str:
    """Return the path with {zone} for the zone's name; empty where ours could not say the same."""
    path = os.path.normpath(os.path.join(storage, file))  # noqa: PTH118 - an absolute file stays so
    before, _, name = path.rpartition("/")
    if "%" in before or name.count("%") != 1 or name.count("%s") != 1:
        return ""
    return f"{before}/{name.replace('%s', ZONE)}"
