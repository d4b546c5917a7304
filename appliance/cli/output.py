# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs have to show to a person: those with more than a few lines have files of their own."""

import datetime
import sys
import time
from typing import Any

from appliance.cli.applied import show_applied as show_applied
from appliance.cli.bulk import show_bulk as show_bulk
from appliance.cli.quantities import ago
from appliance.cli.server_output import show_drained as show_drained
from appliance.cli.server_output import show_names as show_names
from appliance.cli.server_output import show_pid as show_pid
from appliance.cli.server_output import show_said as show_said
from appliance.cli.server_output import show_verbosity as show_verbosity
from appliance.cli.stats_output import show_estimate as show_estimate
from appliance.cli.stats_output import show_stats as show_stats
from appliance.cli.tables import Cell, print_said, print_table, print_text
from appliance.cli.zone_status import show_zone_status as show_zone_status
from appliance.cli.zones_output import show_export as show_export
from appliance.cli.zones_output import show_versions as show_versions
from appliance.cli.zones_output import show_zones as show_zones
from appliance.served.signatures import moment
from appliance.wording import counted, visible, without_zone

_GOOD = {"serving", "native", "up"}


def show_status(status: dict[str, Any]) -> None:
    """Print the result of the verb status."""
    uptime = datetime.timedelta(seconds=round(status["uptime_s"]))
    workers = f"{status['workers']['alive']} of {counted(status['workers']['wanted'], 'worker')}"
    state = "" if status["state"] == "serving" else f", {status['state']}"
    print_text(f"appliance {status['version']}, process {status['pid']}, up {uptime}, {workers}{state}")
    listening = ", ".join(f"{one['address']} port {one['port']}" for one in status["listening"])
    print_text(f"listening on {listening}")
    path = status["nic_path"]
    off = f"NIC path: off since {moment(path['since'])}, {path['reason']}"
    print_text(f"NIC path: generation {path['generation']}" if path["on"] else off)
    if status["zone_summary"] is not None:
        print_text(_zone_line(status["zone_summary"]))
    if status["interfaces"]:
        _print_interfaces(status["interfaces"])
    if status.get("zones"):
        _print_zones(status["zones"])
    for warning in status["warnings"]:
        print_said("?", warning, "yellow")
    for problem in status["problems"]:
        print_said("!", problem, "red")


def _zone_line(zones: dict[str, Any]) -> str:
    """Return the zones in one line: how many there are, in which state."""
    states = ", ".join(f"{count:,} {state}" for state, count in zones["states"].items())
    line = f"zones: {zones['configured']:,}" + (f" ({states})" if states else "")
    for key, word in (("wrong", "with problems"), ("doubtful", "with warnings")):
        if zones[key]:
            line += f", {zones[key]:,} {word}"
    if zones["signed"]:
        ends = zones["earliest_expiration"]
        line += f", {zones['signed']:,} signed" + (f" (first signatures end {moment(ends)})" if ends else "")
    return line


def show_health(health: dict[str, Any]) -> None:
    """Print what the server answered on which way."""
    if health["answers"]:
        rows: list[list[Cell | str]] = []
        for one in health["answers"]:
            answer = one["rcode"] or "none"
            if one["serial"] is not None:
                answer += f", serial {one['serial']}"
            rows.append([one["zone"], one["way"], answer, one["remark"]])
        print_table(["zone", "way", "answer", "remark"], rows)
    for remark in health["remarks"]:
        print_said("?", remark, "yellow")
    for problem in health["problems"]:
        print_said("!", problem, "red")
    print_text("healthy" if health["healthy"] else "not healthy", "" if health["healthy"] else "red")


def show_detached(result: dict[str, Any]) -> None:
    """Print the result of the verb detach; what is not as asked goes to standard error."""
    for one in result["programs"]:
        if one["gone"]:
            remark = f"; {one['reason']}" if one["reason"] else ""
            print(f"{one['interface']}: program {one['program']} taken off{remark}")
        else:
            print(one["reason"], file=sys.stdout if one["ok"] else sys.stderr)
    if result["ok"] and not any(one["gone"] for one in result["programs"]):
        interface = result["interface"]
        print(f"{interface} runs no XDP program" if interface else "no interface runs an XDP program of ours")
    if result["kept_off"]:
        print(f"userspace answers on {', '.join(result['kept_off'])}; `appliance reload` puts the program back")


def show_journal(result: dict[str, Any]) -> None:
    """Print the result of the verb journal."""
    if not result["steps"]:
        print(f"no step between versions of {result['zone']} is kept")
        return
    counts = ("before", "after", "removed_records", "added_records", "octets")
    rows = [[*(str(step[one]) for one in counts), moment(step["made"])] for step in result["steps"]]
    numbers = ("from", "to", "removed", "added", "octets")
    print_table([*numbers, "made"], rows, right=numbers)


def show_reload(result: dict[str, Any]) -> None:
    """Print the result of the verb reload; what failed goes to standard error."""
    for one in result["zones"]:
        print(
            visible(f"{one['zone']}: {without_zone(one['zone'], one['outcome'])}"),
            file=sys.stdout if one["ok"] else sys.stderr,
        )
    if not result["zones"]:
        print("no zone file has changed")


def show_nothing(result: dict[str, Any]) -> None:
    """Print nothing: that the command has ended well says it all."""


def _print_interfaces(interfaces: list[dict[str, Any]]) -> None:
    """Print a table of the interfaces, with a remark where something is wrong with one."""
    remarks = [one["reason"] or _put_back(one) for one in interfaces]
    headings = ["interface", "link", "mode", "program", "since", "checksums", "addresses"]
    now = time.time()
    rows: list[list[Cell | str]] = []
    for one, remark in zip(interfaces, remarks, strict=True):
        row: list[Cell | str] = [one["name"], _cell(one["link"]), _cell(one["mode"]), str(one["program"] or "")]
        row += [ago(int(one["since"]), now), "verified" if one["verify_checksum"] else "not verified"]
        rows.append([*row, " ".join(one["addresses"]), *([remark] if any(remarks) else [])])
    print_table([*headings, *(["remark"] if any(remarks) else [])], rows, right=("program",))


def _cell(word: str) -> Cell:
    return Cell(word, "green" if word in _GOOD else "yellow")


def _put_back(one: dict[str, Any]) -> str:
    """Return how often the program was put back on an interface, empty if it never was."""
    if not one["put_back"]:
        return ""
    times = counted(one["put_back"], "time")
    return f"put back {times} after somebody took it off, last {moment(one['put_back_at'])}"


def _print_zones(zones: list[dict[str, Any]]) -> None:
    """Print a table of the zones; what is about signatures only where there are any."""
    signed = any(one["dnssec"] for one in zones)
    headings = ["zone", "state", "serial", "names", *(("signed", "signatures end") if signed else ()), "remark"]
    rows: list[list[Cell | str]] = []
    for one in zones:
        serial = "" if one["serial"] is None else str(one["serial"])
        state = _cell(one["state"])
        more = _signed(one["dnssec"]) if signed else []
        remark = one["problem"] or ("frozen" if one["frozen"] else "")
        rows.append([one["name"], state, serial, str(one["names"]), *more, remark])
    print_table(headings, rows, right=("serial", "names"))


def _signed(dnssec: dict[str, Any] | None) -> list[str]:
    """Return how a zone is signed, and when its first signature ends."""
    if dnssec is None:
        return ["no", ""]
    ends = dnssec["earliest_expiration"]
    return [dnssec["scheme"].upper(), "" if ends is None else moment(ends)]
