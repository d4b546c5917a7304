# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands. What they need is imported inside them, so that each starts as fast as it can."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from appliance import __version__
from appliance.errors import ApplianceError, Finding

if TYPE_CHECKING:
    from appliance.config.schema import Config

DEFAULT_CONFIG: Final = Path("/etc/appliance/appliance.toml")

OK: Final = 0
ERROR: Final = 1
UNHEALTHY: Final = 2
NOT_RUNNING: Final = 3

_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Configuration file.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


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
    from appliance.control.serve import run

    try:
        run(config, use_xdp=not no_xdp)
    except ApplianceError as error:
        _fail(error)


@cli.command()
@_config_option
@_json_option
def status(config: Path, as_json: bool) -> None:
    """Show zones, interfaces and whether all is well."""
    result = _ask(config, "status")
    if as_json:
        _print_json(result)
    else:
        from appliance.cli.output import show_status

        show_status(result)
    sys.exit(OK if result["healthy"] else UNHEALTHY)


@cli.command()
@_config_option
@_json_option
def stats(config: Path, as_json: bool) -> None:
    """Show the counters of the NIC path and of userspace."""
    result = _ask(config, "stats")
    if as_json:
        _print_json(result)
    else:
        from appliance.cli.output import show_stats

        show_stats(result)


@cli.command()
@click.argument("zone", default="")
@_config_option
@_json_option
def reload(zone: str, config: Path, as_json: bool) -> None:
    """Read zone files again: that of ZONE, or all that changed."""
    _reload(zone, config, as_json)


@cli.group()
def zone() -> None:
    """Commands for single zones."""


@zone.command("reload")
@click.argument("name")
@_config_option
@_json_option
def zone_reload(name: str, config: Path, as_json: bool) -> None:
    """Read the file of zone NAME again."""
    _reload(name, config, as_json)


@zone.command("journal")
@click.argument("name")
@_config_option
@_json_option
def zone_journal(name: str, config: Path, as_json: bool) -> None:
    """Show the steps between versions of zone NAME that are kept, the oldest first."""
    result = _ask(config, "journal", zone=name)
    if as_json:
        _print_json(result)
    else:
        from appliance.cli.output import show_journal

        show_journal(result)


@cli.command()
@_config_option
@_json_option
def stop(config: Path, as_json: bool) -> None:
    """Stop the server and wait until it has ended."""
    from appliance.control.client import stop as stop_server

    result = _told(lambda: stop_server(_socket_path(config)))
    if as_json:
        _print_json(result)


@cli.command()
@click.argument("interface", default="")
@click.option("--force", is_flag=True, help="Take off whatever program runs on INTERFACE, also one that is not ours.")
@_config_option
@_json_option
def detach(interface: str, force: bool, config: Path, as_json: bool) -> None:
    """Take the XDP program off INTERFACE, or off all that run ours, with or without a running server.

    A running server does it itself, serves from userspace and says so in status until `appliance reload`.
    """
    from appliance.control.detach import detach as take_off

    try:
        socket = _socket_path(config)
    except ApplianceError as error:  # a broken configuration is no reason to let a program answer
        click.echo(f"appliance: {error}; going on without a server", err=True)
        socket = None
    try:
        result = take_off(socket, interface, force=force)
    except ApplianceError as error:
        _fail(error)
    if as_json:
        _print_json(result)
    else:
        from appliance.cli.output import show_detached

        show_detached(result)
    sys.exit(OK if result["ok"] else ERROR)


@cli.command("check-config")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=DEFAULT_CONFIG)
@_json_option
def check_config(file: Path, as_json: bool) -> None:
    """Check the configuration FILE and print every mistake."""
    from appliance.config.load import examine

    _, findings = examine(file)
    _report(findings, as_json, f"{file}: no mistakes")


@cli.command("check-zone")
@click.argument("origin")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_config_option
@_json_option
def check_zone(origin: str, file: Path, config: Path, as_json: bool) -> None:
    """Check the master FILE of zone ORIGIN and print everything that is wrong or doubtful.

    How severe findings about signatures are is what [checks] in the configuration says, if there is one.
    """
    from appliance.zone.check import check_zone as check
    from appliance.zone.names import fold, from_text

    try:
        findings = check(file, fold(from_text(origin)), _configured(config).checks.levels)
    except ApplianceError as error:
        _fail(error)
    _report(findings, as_json, f"{file}: no mistakes")


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--zone", "origin", default="", help="Name of the zone in FILE; else that of its SOA.")
@_config_option
@_json_option
def estimate(file: Path | None, origin: str, config: Path, as_json: bool) -> None:
    """Tell how much memory and time a load takes: of the zone FILE, or of all zones of the configuration.

    It is found by loading on this machine, where nothing is served from it. Exit 2 if memory_mib does not allow it.
    """
    from appliance.control.estimate import estimate_file, estimate_zones

    try:
        result = estimate_zones(config) if file is None else estimate_file(file, origin, config)
    except ApplianceError as error:
        _fail(error)
    if as_json:
        _print_json(result)
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
        _print_json({"ok": not errors, "findings": listed})
    else:
        for finding in findings:
            click.echo(str(finding), err=finding.severity == "error")
        if not findings:
            click.echo(all_well)
    sys.exit(ERROR if errors else OK)


def _reload(zone: str, config: Path, as_json: bool) -> NoReturn:
    result = _ask(config, "reload", **({"zone": zone} if zone else {}))
    if as_json:
        _print_json(result)
    else:
        for one in result["zones"]:
            click.echo(f"{one['zone']}: {one['outcome']}", err=not one["ok"])
        if not result["zones"]:
            click.echo("no zone file has changed")
    sys.exit(OK if all(one["ok"] for one in result["zones"]) else ERROR)


def _ask(config: Path, verb: str, **arguments: str) -> Any:
    from appliance.control.client import ask

    return _told(lambda: ask(_socket_path(config), verb, **arguments))


def _told(ask: Callable[[], Any]) -> Any:
    """Return what the server says, or exit with what keeps it from saying it."""
    from appliance.control.client import NotRunningError

    try:
        return ask()
    except NotRunningError as error:
        click.echo(f"appliance: {error}", err=True)
        sys.exit(NOT_RUNNING)
    except ApplianceError as error:
        _fail(error)


def _socket_path(config: Path) -> Path:
    return _configured(config).control_socket


def _configured(config: Path) -> "Config":
    """Return the configuration in a file; without a file at the default place, the default. Raises ConfigError."""
    from appliance.config.load import load_config
    from appliance.config.schema import Config

    if config == DEFAULT_CONFIG and not config.exists():
        return Config()
    return load_config(config)


def _print_json(result: Any) -> None:
    click.echo(json.dumps(result, indent=2))


def _fail(error: ApplianceError) -> NoReturn:
    for line in str(error).splitlines():
        click.echo(f"appliance: {line}", err=True)
    sys.exit(ERROR)


def main() -> None:
    """Run the command line; what click itself refuses (unknown options) ends with status 1, as every error does."""
    try:
        cli.main(prog_name="appliance", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(ERROR)
    except click.ClickException as error:
        error.show()
        sys.exit(ERROR)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ERROR)
