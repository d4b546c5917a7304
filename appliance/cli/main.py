# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands. What they need is imported inside them, so that each starts as fast as it can."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from appliance import __version__
from appliance.cli import boundary
from appliance.cli.boundary import ERROR, OK, UNHEALTHY, fail, print_json
from appliance.cli.call import DEFAULT_CONFIG, ask, configured, told
from appliance.errors import ApplianceError, Finding

_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, readable=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Configuration file.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
_timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=86400.0),
    default=None,
    help="Seconds to wait for the server; without it, as long as suits the command.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="appliance", message="%(prog)s %(version)s")
def cli() -> None:
    """Authoritative DNS server that answers on the NIC path.

    Exit status: 0 all is well, 1 error, 2 unhealthy, 3 the server does not run.
    """


@cli.command()
@_config_option
@click.option("--no-xdp", is_flag=True, help="Answer from userspace only; needs no privilege above port 1023.")
def serve(config: Path, no_xdp: bool) -> None:
    """Serve in the foreground until SIGTERM or Ctrl-C; SIGHUP reloads zone files that changed."""
    import signal

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # from here on; the files are about to be read anyway
    from appliance.control.log import is_journal
    from appliance.control.serve import run

    try:
        run(config, use_xdp=not no_xdp)
    except ApplianceError as error:
        fail(error, journal=is_journal(2))


@cli.command()
@click.option("--zones", is_flag=True, help="List every zone, not only what is wrong.")
@_timeout_option
@_config_option
@_json_option
def status(zones: bool, timeout: float | None, config: Path, as_json: bool) -> None:
    """Show whether all is well: zones by state, interfaces, and what is wrong."""
    result = ask(config, "status", timeout or 0.0, **({"zones": True} if zones else {}))
    if as_json:
        print_json(result)
    else:
        from appliance.cli.output import show_status

        show_status(result)
    sys.exit(OK if result["healthy"] else UNHEALTHY)


@cli.command()
@_timeout_option
@_config_option
@_json_option
def stats(timeout: float | None, config: Path, as_json: bool) -> None:
    """Show the counters of the NIC path and of userspace."""
    result = ask(config, "stats", timeout or 0.0)
    if as_json:
        print_json(result)
    else:
        from appliance.cli.output import show_stats

        show_stats(result)


@cli.command()
@click.argument("zone", default="")
@click.option(
    "--allow-removal", metavar="N", default="", help="Remove the very set of zones that status shows as held."
)
@_timeout_option
@_config_option
@_json_option
def reload(zone: str, allow_removal: str, timeout: float | None, config: Path, as_json: bool) -> None:
    """Read zone files again: that of ZONE, or all that changed, and lists and folders.

    Exit 1 if anything of it failed, also where it failed before: what is still wrong is told again.
    """
    _reload(zone, config, as_json, timeout, allow_removal)


@cli.group()
def zone() -> None:
    """Commands for single zones."""


@zone.command("reload")
@click.argument("name")
@_timeout_option
@_config_option
@_json_option
def zone_reload(name: str, timeout: float | None, config: Path, as_json: bool) -> None:
    """Read the file of zone NAME again."""
    _reload(name, config, as_json, timeout)


@zone.command("journal")
@click.argument("name")
@_timeout_option
@_config_option
@_json_option
def zone_journal(name: str, timeout: float | None, config: Path, as_json: bool) -> None:
    """Show the steps between versions of zone NAME that are kept, the oldest first."""
    result = ask(config, "journal", timeout or 0.0, zone=name)
    if as_json:
        print_json(result)
    else:
        from appliance.cli.output import show_journal

        show_journal(result)


@cli.command()
@_timeout_option
@_config_option
@_json_option
def stop(timeout: float | None, config: Path, as_json: bool) -> None:
    """Stop the server and wait until it has ended."""
    from appliance.cli.client import stop as stop_server

    result = told(lambda: stop_server(configured(config).control_socket, limit_s=timeout or 0.0))
    if as_json:
        print_json(result)


@cli.command()
@click.option(
    "--zone", "zones", multiple=True, help="Ask for this zone (repeatable); else for those of [health] names."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=60.0),
    default=None,
    help="Seconds that all of it may take; else [health] timeout_s.",
)
@_config_option
@_json_option
def health(zones: tuple[str, ...], timeout: float | None, config: Path, as_json: bool) -> None:
    """Ask the server as clients do, through the NIC path, by UDP and by TCP: exit 0 if it answers well, else 1."""
    from appliance.control.health import examine as examine_health

    try:
        result = examine_health(configured(config), zones, timeout)
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        from appliance.cli.output import show_health

        show_health(result)
    sys.exit(OK if result["healthy"] else ERROR)


@cli.command()
@click.argument("interface", default="")
@click.option("--force", is_flag=True, help="Take off whatever program runs on INTERFACE, also one that is not ours.")
@_config_option
@_json_option
def detach(interface: str, force: bool, config: Path, as_json: bool) -> None:
    """Take the XDP program off INTERFACE, or off all that run ours, with or without a running server.

    A running server does it itself, serves from userspace and says so in status until `appliance reload`.
    """
    from appliance.cli.detach import detach as take_off

    try:
        socket = configured(config).control_socket
    except ApplianceError as error:  # a broken configuration is no reason to let a program answer
        click.echo(f"appliance: {error}; going on without a server", err=True)
        socket = None
    try:
        result = take_off(socket, interface, force=force)
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        from appliance.cli.output import show_detached

        show_detached(result)
    sys.exit(OK if result["ok"] else ERROR)


@cli.command("check-config")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, readable=False), default=DEFAULT_CONFIG)
@_json_option
def check_config(file: Path, as_json: bool) -> None:
    """Check the configuration FILE and print every mistake.

    Lists, folders and zone files are looked at too; what is wrong with them is a warning, since the others are served.
    """
    from appliance.config.load import examine

    config, findings = examine(file)
    if config is not None:
        from appliance.control.config_findings import examine_machine
        from appliance.served.zone_findings import examine_zones

        findings = findings + examine_machine(config, file) + examine_zones(config, file)
    _report(findings, as_json, f"{file}: no mistakes")


@cli.command("check-zone")
@click.argument("origin")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, readable=False))
@_config_option
@_json_option
def check_zone(origin: str, file: Path, config: Path, as_json: bool) -> None:
    """Check the master FILE of zone ORIGIN and print everything that is wrong or doubtful.

    How severe findings about signatures are is what [checks] in the configuration says, if there is one.
    """
    from appliance.zone.check import check_zone as check
    from appliance.zone.names import fold, from_text

    try:
        known = configured(config)
        findings = check(file, fold(from_text(origin)), known.checks.levels, known.server.include_below)
    except ApplianceError as error:
        fail(error)
    _report(findings, as_json, f"{file}: no mistakes")


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, readable=False))
@click.option("--zone", "origin", default="", help="Name of the zone in FILE; else that of its SOA.")
@_config_option
@_json_option
def estimate(file: Path | None, origin: str, config: Path, as_json: bool) -> None:
    """Tell how much memory and time a load takes: of the zone FILE, or of all zones of the configuration.

    It is found by loading on this machine, where nothing is served from it. Exit 2 if memory_mib does not allow it.
    """
    from appliance.publish.estimate import estimate_file, estimate_zones

    try:
        result = estimate_zones(config) if file is None else estimate_file(file, origin, config)
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        from appliance.cli.output import show_estimate

        show_estimate(result)
    sys.exit(OK if result["fits"] else UNHEALTHY)


def _report(findings: list[Finding], as_json: bool, all_well: str) -> NoReturn:
    """Print findings and exit: 0 without errors, else 1."""
    errors = any(finding.severity == "error" for finding in findings)
    if as_json:
        listed = [
            {"file": one.file, "line": one.line, "severity": one.severity, "reason": one.reason} for one in findings
        ]
        print_json({"ok": not errors, "findings": listed})
    else:
        for finding in findings:
            click.echo(str(finding), err=finding.severity == "error")
        if not findings:
            click.echo(all_well)
    sys.exit(ERROR if errors else OK)


def _reload(zone: str, config: Path, as_json: bool, timeout: float | None, allow_removal: str = "") -> NoReturn:
    arguments = {"zone": zone, "allow_removal": allow_removal}
    result = ask(config, "reload", timeout or 0.0, **{name: value for name, value in arguments.items() if value})
    if as_json:
        print_json(result)
    else:
        for one in result["zones"]:
            click.echo(f"{one['zone']}: {one['outcome']}", err=not one["ok"])
        if not result["zones"]:
            click.echo("no zone file has changed")
    sys.exit(OK if all(one["ok"] for one in result["zones"]) else ERROR)


def main() -> None:
    """Run the command line."""
    boundary.run(cli)
