# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs about single zones print for a person."""

import sys
from typing import Any

from appliance.cli.tables import print_table
from appliance.served.signatures import moment
from appliance.wording import without_zone


def show_zones(result: dict[str, Any]) -> None:
    """Print what came of each zone; what failed goes to standard error."""
    for one in result["zones"]:
        show_zone(one)
    if not result["zones"]:
        print("no zone needed it")


def show_zone(one: dict[str, Any]) -> None:
    """Print what came of one zone."""
    is_well = one["ok"] and one.get("served", True)
    said = without_zone(one["zone"], one["outcome"])
    print(f"{one['zone']}: {said}", file=sys.stdout if is_well else sys.stderr)


def show_export(result: dict[str, Any]) -> None:
    """Print zones as NSD has them in its zone.list."""
    for one in result["zones"]:
        print(f"add {one['name']} {one['pattern']}")


def show_versions(result: dict[str, Any]) -> None:
    """Print the versions of a zone."""
    rows = []
    for number, one in enumerate(result["versions"]):
        since = "earlier" if one["since"] is None else moment(one["since"])
        rows.append([str(one["serial"]), since, one["source"], "" if number else "served"])
    print_table(["serial", "served since", "from", ""], rows, right=("serial",))
