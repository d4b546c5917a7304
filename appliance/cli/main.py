# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands. What they need is imported inside them, so that each starts as fast as it can."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from appliance import __version__
from appliance.cli import boundary
from appliance.cli.backup import backup, restore
from appliance.cli.boundary import ERROR, OK, UNHEALTHY, fail, print_json
from appliance.cli.call import configured, reached
from appliance.cli.completion import completion
from appliance.cli.config import config_group
from appliance.cli.group import Group
from appliance.cli.migrate import import_command
from appliance.cli.options import DEFAULT_CONFIG, Number, config_option, json_option
from appliance.cli.remote import check_server, control_setup
from appliance.cli.verbs import add_verbs
from appliance.errors import ApplianceError, Finding
from appliance.wording import counted


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="appliance", message="%(prog)s %(version)s")
@click.option("--server", metavar="HOST:PORT", default="", help="Ask a server on another machine, over TLS.")
@click.option(
    "--client",
    type=click.Path(path_type=Path, dir_okay=False, readable=False),
    default=None,
    metavar="FILE",
    help="Certificate for --server, its key beside it; else clients/operator.pem in [control] folder.",
)
@click.pass_context
def cli(context: click.Context, server: str, client: Path | None) -> None:
    """Authoritative DNS server that answers on the NIC path.

    Exit status: 0 all is well, 1 error, 2 unhealthy, 3 the server does not run.
    """
    check_server(context, server)


@cli.command()
@config_option
@click.option("--no-xdp", is_flag=True, help="Answer from userspace only; needs no privilege above port 1023.")
def serve(config: Path, no_xdp: bool) -> None:
    """Serve in the foreground until SIGTERM or Ctrl-C, both exit 0; SIGHUP applies the configuration and reloads."""
    from appliance.control.early_signals import take_charge

    take_charge()  # again, for whoever did not come in through appliance/__main__.py
    from appliance.control.log import is_journal
    from appliance.control.serve import run

    try:
        run(config, use_xdp=not no_xdp)
    except ApplianceError as error:
        fail(error, journal=is_journal(2))


@cli.group(cls=Group)
def zone() -> None:
    """Commands for single zones."""


add_verbs(cli, zone)
cli.add_command(config_group)
cli.add_command(import_command)
cli.add_command(completion)
cli.add_command(control_setup)
cli.add_command(backup)
cli.add_command(restore)


@cli.command()
@click.option(
    "--zone", "zones", multiple=True, help="Ask for this zone (repeatable); else for those of [health] names."
)
@click.option(
    "--timeout",
    type=Number(min=0.1, max=60.0),
    default=None,
    help="Seconds that all of it may take; else [health] timeout_s.",
)
@config_option
@json_option
def health(zones: tuple[str, ...], timeout: float | None, config: Path, as_json: bool) -> None:
    """Ask the server as clients do, through the NIC path, by UDP and by TCP: exit 0 if it answers well, else 1."""
    from appliance.control.health import examine as examine_health

    try:
        every = () if zones or reached(config, "health").health.names else ("zone", "pattern")
        result = examine_health(reached(config, "server", "interface", "listen", "health", *every), zones, timeout)
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        from appliance.cli.output import show_health

        show_health(result)
    sys.exit(OK if result["healthy"] else ERROR)


@cli.command("check-config")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, readable=False), default=DEFAULT_CONFIG)
@json_option
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
@config_option
@json_option
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
@config_option
@json_option
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
        if not errors:
            warnings = f", {counted(len(findings), 'warning')}" if findings else ""
            click.echo(all_well + warnings)
    sys.exit(ERROR if errors else OK)


def main() -> None:
    """Run the command line."""
    boundary.run(cli)
