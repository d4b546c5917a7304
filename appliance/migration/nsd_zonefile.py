# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of NSD's zone files: %s, %1 to %3, %z, %y, %x of zonefile (nsd.conf(5))."""

import os
import re
from typing import Final

from appliance.config.patterns import ZONE

_SIGN: Final = re.compile(r"%([s123zyx%])")


def zone_file(folder: str, file: str, zone: str) -> str:
    """Return the path of a zone's file; a final dot of its name stands in the file's name too."""
    labels = [label for label in zone.split(".") if label]

    def said(match: re.Match[str]) -> str:
        sign = match[1]
        if sign == "s":
            return zone
        if sign == "%":
            return "%"
        if sign.isdigit():
            return zone[int(sign) - 1 : int(sign)] or "."
        number = "zyx".index(sign) + 1
        return labels[-number] if number <= len(labels) else "."

    return os.path.normpath(os.path.join(folder, _SIGN.sub(said, file)))  # noqa: PTH118 - an absolute file stays so


def template(folder: str, file: str) -> str:
    """Return the path with {zone} for the zone's name; empty where ours could not say the same."""
    path = os.path.normpath(os.path.join(folder, file))  # noqa: PTH118 - an absolute file stays so
    before, _, name = path.rpartition("/")
    if "%" in before or name.count("%") > name.count("%s") or name.count("%s") != 1:
        return ""
    return f"{before}/{name.replace('%s', ZONE)}"
