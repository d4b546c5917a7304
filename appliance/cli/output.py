# SPDX-License-Identifier: GPL-3.0-or-later
"""Status and counters as tables for a person."""

import datetime
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.cli.applied import show_applied as show_applied
from appliance.cli.bulk import show_bulk as show_bulk
from appliance.cli.quantities import ago, lasting
from appliance.cli.server_output import show_drained as show_drained
from appliance.cli.server_output import show_names as show_names
from appliance.cli.server_output import show_pid as show_pid
from appliance.cli.server_output import show_said as show_said
from appliance.cli.server_output import show_verbosity as show_verbosity
from appliance.cli.tables import Cell, lines, said
from appliance.cli.zone_status import show_zone_status as show_zone_status
from appliance.cli.zones_output import show_export as show_export
from appliance.cli.zones_output import show_versions as show_versions
from appliance.cli.zones_output import show_zones as show_zones
from appliance.served.signatures import moment
from appliance.wording import counted, visible, without_zone

_GOOD = {"serving", "native", "up"}
_WIDTH_OF_A_FILE = 160


def show_status(status: dict[str, Any]) -> None:
    """Print the result of the verb status."""
    console = _console()
    uptime = datetime.timedelta(seconds=round(status["uptime_s"]))
    workers = f"{status['workers']['alive']} of {counted(status['workers']['wanted'], 'worker')}"
    state = "" if status["state"] == "serving" else f", {status['state']}"
    console.print(f"appliance {status['version']}, process {status['pid']}, up {uptime}, {workers}{state}")
    listening = ", ".join(f"{one['address']} port {one['port']}" for one in status["listening"])
    console.print(f"listening on {listening}")
    path = status["nic_path"]
    off = f"NIC path: off since {moment(path['since'])}, {path['reason']}"
    console.print(Text(f"NIC path: generation {path['generation']}" if path["on"] else off), soft_wrap=True)
    if status["zone_summary"] is not None:
        console.print(_zone_line(status["zone_summary"]), soft_wrap=True)
    if status["interfaces"]:
        for line in _interfaces(status["interfaces"]):
            print(line)
    if status.get("zones"):
        for line in _zones(status["zones"]):
            print(line)
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
    console = _console()
    if health["answers"]:
        table = _table("zone", "way", "answer", "remark")
        for one in health["answers"]:
            answer = one["rcode"] or "none"
            if one["serial"] is not None:
                answer += f", serial {one['serial']}"
            table.add_row(one["zone"], one["way"], Text(answer), Text(one["remark"]))
        console.print(table)
    for remark in health["remarks"]:
        print_said("?", remark, "yellow")
    for problem in health["problems"]:
        print_said("!", problem, "red")
    console.print("healthy" if health["healthy"] else Text("not healthy", style="red"))


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
    table = _table("from", "to", "removed", "added", "octets", "made")
    for step in result["steps"]:
        counts = (step["before"], step["after"], step["removed_records"], step["added_records"], step["octets"])
        table.add_row(*map(str, counts), moment(step["made"]))
    _console().print(table)


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


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


def _interfaces(interfaces: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of the interfaces; what is wrong with one is told below it."""
    remarks = [one["reason"] or _put_back(one) for one in interfaces]
    headings = ["interface", "link", "mode", "program", "since", "checksums", "addresses"]
    now = time.time()
    rows: list[list[Cell | str]] = []
    for one, remark in zip(interfaces, remarks, strict=True):
        row: list[Cell | str] = [one["name"], _cell(one["link"]), _cell(one["mode"]), str(one["program"] or "")]
        row += [ago(int(one["since"]), now), "verified" if one["verify_checksum"] else "not verified"]
        rows.append([*row, " ".join(one["addresses"]), *([remark] if any(remarks) else [])])
    return lines([*headings, *(["remark"] if any(remarks) else [])], rows, right=("program",))


def _cell(word: str) -> Cell:
    return Cell(word, "green" if word in _GOOD else "yellow")


def print_said(mark: str, text: str, colour: str) -> None:
    """Print a sentence behind a mark, broken between words on a terminal."""
    for line in said(mark, text, colour):
        print(line)


def _put_back(one: dict[str, Any]) -> str:
    """Return how often the program was put back on an interface, empty if it never was."""
    if not one["put_back"]:
        return ""
    times = counted(one["put_back"], "time")
    return f"put back {times} after somebody took it off, last {moment(one['put_back_at'])}"


def _zones(zones: list[dict[str, Any]]) -> Iterator[str]:
    """Return a table of the zones; what is about signatures only where there are any."""
    signed = any(one["dnssec"] for one in zones)
    headings = ["zone", "state", "serial", "names", *(("signed", "signatures end") if signed else ()), "remark"]
    rows: list[list[Cell | str]] = []
    for one in zones:
        serial = "" if one["serial"] is None else str(one["serial"])
        state = _cell(one["state"])
        more = _signed(one["dnssec"]) if signed else []
        remark = one["problem"] or ("frozen" if one["frozen"] else "")
        rows.append([one["name"], state, serial, str(one["names"]), *more, remark])
    return lines(headings, rows, ("serial", "names"))


def _signed(dnssec: dict[str, Any] | None) -> list[str]:
    """Return how a zone is signed, and when its first signature ends."""
    if dnssec is None:
        return ["no", ""]
    ends = dnssec["earliest_expiration"]
    return [dnssec["scheme"].upper(), "" if ends is None else moment(ends)]


def show_stats(stats: dict[str, Any]) -> None:
    """Print the result of the verb stats; counters that are 0 are left out."""
    console = _console()
    if "since" in stats:
        since = moment(int(stats["since"]))
        console.print(f"counters: what they have grown by in {lasting(stats['seconds'])}, since {since}")
    share = stats["nic_path_share"]
    if share is not None:
        console.print(f"{share:.2%} of the UDP queries were answered on the NIC path")
    for title, key in (("NIC path", "verdicts"), ("userspace", "userspace")):
        counters = {name: value for name, value in stats[key].items() if value}
        if counters:
            table = _table(title, "count", right=("count",))
            for name, value in counters.items():
                table.add_row(name, f"{value:,}")
            console.print(table)
    for name, number in stats["put_back"].items():
        times = counted(number, "time")
        console.print(f"interface {name}: the XDP program was put back {times} after somebody took it off")
    if any(stats["connections"]):
        console.print(f"open TCP connections of each worker: {', '.join(map(str, stats['connections']))}")
    show_store(stats["store"])
    if not any(stats["verdicts"].values()) and not any(stats["userspace"].values()):
        console.print("no query has come" if "since" in stats else "no query has come yet")


def show_store(store: dict[str, Any]) -> None:
    """Print what the answer store holds."""
    console = Console(highlight=False)
    nouns = ("zone", "name", "node", "fragment")
    counts = ", ".join(f"{(n := store[key]):,} {noun if n == 1 else key}" for noun in nouns if (key := f"{noun}s"))
    console.print(f"answer store: {counts}, each used {store['sharing']:.2f} times")
    table = _table("octets of", "MiB", right=("MiB",))
    for name, value in store.items():
        if name.endswith("_octets"):
            table.add_row(name.removesuffix("_octets").replace("_", " "), f"{value / 2**20:,.2f}")
    console.print(table)


def show_estimate(estimate: dict[str, Any]) -> None:
    """Print what a load would take."""
    console = Console(highlight=False)
    memory = f"{estimate['memory_mib']:,} MiB of memory, {estimate['store_mib']:,} of them for the answer store"
    console.print(f"{memory}; {estimate['peak_mib']:,} MiB while it is loaded, {estimate['seconds']:.1f} s to load")
    if estimate["allowed_mib"]:
        verdict = "fits" if estimate["fits"] else "does not fit"
        console.print(Text(f"it {verdict} into [store] memory_mib = {estimate['allowed_mib']}"))
    show_store(estimate["store"])


def _table(*headings: str, right: tuple[str, ...] = ("serial", "names")) -> Table:
    table = Table(box=None, pad_edge=False, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table
