# SPDX-License-Identifier: GPL-3.0-or-later
"""What `appliance check-config` finds wrong with lists, folders and zone files, without loading any of them.

All of it is a warning: it harms single zones, and a check before the start must not keep the others from being served.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from appliance.config.files import Merged, read_parts
from appliance.config.patterns import shown
from appliance.config.schema import Config
from appliance.errors import Finding
from appliance.served.zone_set import wanted
from appliance.served.zones import ServedZone
from appliance.zone import names


def examine_zones(config: Config, file: Path) -> list[Finding]:
    """Return what is wrong with the zones that a configuration, which was read from a file, names."""
    found = wanted(config)
    findings = list(found.findings)
    whole = Merged(read_parts(file))
    own = {names.fold(names.from_text(entry.name)): index for index, entry in enumerate(config.zone)}
    for origin, served in found.zones.items():
        for reason in _wrong_with(served):
            at = own.get(origin, -1)
            place = whole.place(("zone", at, "file")) if at >= 0 else (shown(served.file), 0)
            findings.append(Finding(*place, "warning", reason))
    return [_as_warning(one) for one in findings]


def _wrong_with(served: ServedZone) -> Iterator[str]:
    """Yield what keeps the file of a zone from being read, as far as that shows without reading it."""
    path = served.file
    try:
        status = os.stat(path)  # noqa: PTH116 - of a hundred thousand files, a Path is half the cost
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    else:
        if not stat.S_ISREG(status.st_mode):
            reason = "not a regular file"
        elif os.access(path, os.R_OK):
            return
        else:
            reason = "may not be read by this user"
    yield f"zone {served.name}: {shown(path)}: {reason}; it is served as it was kept, or answers SERVFAIL"


def _as_warning(finding: Finding) -> Finding:
    return Finding(finding.file, finding.line, "warning", finding.reason)
