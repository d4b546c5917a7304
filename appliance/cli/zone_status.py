# SPDX-License-Identifier: GPL-3.0-or-later
"""`appliance zone status`: the records of zones as a table that fits, or as JSON lines; one zone with its proof."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from appliance.cli.boundary import OK, UNHEALTHY
from appliance.cli.call import ask, reached
from appliance.cli.quantities import ago, size
from appliance.cli.remote import ask as ask_remote
from appliance.cli.remote import server_named
from appliance.cli.tables import Cell, coloured, lines, print_said, print_table
from appliance.control.verb_table import Row

_TABLE: Final = "name,state,serial,since,since_start,octets,problem,pending,warnings"
"""What the table shows when nobody says which columns."""
_RIGHT: Final = ("serial", "size", "names", "octets")
_TIMES: Final = {"since", "last_success", "last_failure", "failing_since", "next_try", "signatures_end"}
_LABELS: Final = {
    "octets": "size",
    "since": "served since",
    "failing_since": "failing since",
    "next_try_when": "next try",
    "last_success": "last success",
    "last_failure": "last failure",
    "signatures_end": "signatures end",
}
_HIDDEN: Final = {"since_start", "next_try", "bad", "warnings", "name"}
"""What the view of one zone tells in other words."""


def run(row: Row, config: Path, timeout: float, arguments: dict[str, Any], as_json: bool) -> int:
    """Print what the server says of zones, and return the exit status: 2 where one is bad."""
    remote = bool(server_named())
    asked = ask_remote if remote else ask
    if arguments.get("zone") and not remote:  # whose data path is not this machine's
        return _one(row, config, timeout, arguments, as_json)
    if as_json:
        result = asked(row, config, timeout, arguments, take=_print_lines)
        _print_lines(result.get("zones", []))
        return OK if result["healthy"] else UNHEALTHY
    chosen = arguments.get("columns", "")
    zones: list[dict[str, Any]] = []
    result = asked(row, config, timeout, {**arguments, "columns": chosen or _TABLE}, take=zones.extend)
    only_bad = arguments.get("bad", False) and not arguments.get("filter")
    zones += result.get("zones", [])  # of a server on another machine, which was asked for one zone
    show_zone_status({**result, "bad": only_bad, "zones": zones, "columns": list(zones[0]) if chosen and zones else []})
    return OK if result["healthy"] else UNHEALTHY


def _print_lines(part: Sequence[dict[str, Any]]) -> None:
    sys.stdout.write("".join(json.dumps(one) + "\n" for one in part))


def show_zone_status(result: dict[str, Any]) -> None:
    """Print the records of zones as a table."""
    zones, now = result["zones"], result["now"]
    if not zones:
        print("no zone is bad" if result.get("bad") else "no zone is like this")
        return
    if result.get("columns"):
        headings = [_LABELS.get(one, one) for one in result["columns"]]
        rows = [[_cell(one, zone[one], now) for one in result["columns"]] for zone in zones]
    else:
        headings = ["zone", "state", "serial", "served since", "size", "remark"]
        rows = [_row(zone, now) for zone in zones]
    print_table(headings, rows, _RIGHT)


def _row(zone: dict[str, Any], now: int) -> list[Cell | str]:
    state = Cell(zone["state"], "green" if zone["state"] == "serving" else "red")
    since = "the start" if zone["since_start"] else ago(zone["since"], now)
    if zone["problem"]:
        remark = Cell(zone["problem"], "red")
    else:
        remark = Cell("; ".join(filter(None, [zone["pending"], *zone["warnings"]])), "yellow")
    serial = "" if zone["serial"] is None else str(zone["serial"])
    return [zone["name"], state, serial, since, size(zone["octets"]) if zone["octets"] else "", remark]


def _cell(column: str, value: Any, now: int) -> Cell | str:
    """Return a value of a column for people."""
    if value is None:
        return ""
    if column in _TIMES:
        return ago(value, now)
    if column == "octets":
        return size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(value)
    return Cell(value, "red") if column == "problem" else str(value)


def _one(row: Row, config: Path, timeout: float, arguments: dict[str, Any], as_json: bool) -> int:
    """Print everything of one zone, and what its clients get; return the exit status."""
    from appliance.control.zone_proof import proof

    whole = reached(config, "server", "interface", "health")
    columns = [one for one in arguments.pop("columns", "").split(",") if one]
    told: dict[str, Any] = {}

    def believed() -> tuple[dict[str, Any], list[tuple[str, int]]]:
        told.update(ask(row, config, timeout, arguments))
        return told["zones"][0], [(one["address"], one["port"]) for one in told["listening"]]

    record, found = proof(whole, believed, min(timeout or whole.health.timeout_s, 60.0))
    bad = record["bad"] or not found["proved"]
    if as_json:
        print(json.dumps({one: record[one] for one in columns or record} | {"proof": found}))
    else:
        _show_one({one: record[one] for one in columns} if columns else record, found, told["now"], all_of=record)
    return UNHEALTHY if bad else OK


def _show_one(record: dict[str, Any], found: dict[str, Any], now: int, all_of: dict[str, Any]) -> None:
    print(f"zone {all_of['name']}")
    shown = {key: value for key, value in record.items() if key not in _HIDDEN and value not in (None, "", [])}
    rows: list[list[Cell | str]] = []
    for key, value in shown.items():
        cell = _cell(key, value, now)
        if key == "since" and all_of["since_start"]:
            cell = f"{ago(value, now)}, the start of the server; before is not known"
        rows.append([f"  {_LABELS.get(key, key)}", cell])
    sys.stdout.writelines(f"{line}\n" for line in list(lines(["", ""], rows))[1:])
    for warning in record.get("warnings", ()):
        print_said("?", warning, "yellow")
    print("answers, asked for now:" if found["answers"] else "no answers")
    answers = [[f"  {one['way']}", _answer(one), one["remark"]] for one in found["answers"]]
    sys.stdout.writelines(f"{line}\n" for line in list(lines(["", "", ""], answers))[1:])
    for remark in found["remarks"]:
        print_said("?", remark, "yellow")
    for problem in found["problems"]:
        print_said("!", problem, "red")
    if found["proved"]:
        print(coloured("proved: clients get what the server believes to serve", "green"))


def _answer(one: dict[str, Any]) -> str:
    return (one["rcode"] or "none") + ("" if one["serial"] is None else f", serial {one['serial']}")
