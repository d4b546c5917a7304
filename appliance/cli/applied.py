# SPDX-License-Identifier: GPL-3.0-or-later
"""What `appliance apply` has changed, or would, for a person."""

import sys
from collections.abc import Sequence
from typing import Any, Final

from appliance.wording import counted, without_zone

_SHOWN: Final = 10
_KINDS: Final = (
    ("new", "new"),
    ("gone", "gone"),
    ("elsewhere", "with another file"),
    ("settings", "with other settings"),
)


def show_applied(result: dict[str, Any]) -> None:
    """Print the result of the verb apply; what failed goes to standard error."""
    said = [one["words"] for one in result["changes"]]
    said += [_zones(result["zones"][key], what) for key, what in _KINDS if result["zones"][key]]
    for line in said:
        print(line)
    for one in result["outcomes"]:
        if not one["ok"]:
            print(f"{one['zone']}: {without_zone(one['zone'], one['outcome'])}", file=sys.stderr)
    for problem in result["problems"]:
        print(f"refused: {problem}", file=sys.stderr)
    for one in result["restart"]:
        print(one["words"])
    if not said and not result["problems"]:
        print("nothing to change")
    elif result["dry_run"]:
        print("nothing was changed (--dry-run)")
    elif result["ok"]:
        print("applied")
    elif not result["problems"]:
        failed = sum(not one["ok"] for one in result["outcomes"])
        print(f"applied, but {counted(failed, 'zone')} cannot be read; `appliance zone status --bad` says why")


def _zones(zones: Sequence[str], what: str) -> str:
    more = f" and {len(zones) - _SHOWN} more" if len(zones) > _SHOWN else ""
    return f"{counted(len(zones), 'zone')} {what}: {', '.join(zones[:_SHOWN])}{more}"
