# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands backup and restore: files are opened by the caller, with the caller's rights."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from appliance.cli.boundary import OK, UNHEALTHY, fail, print_json
from appliance.cli.call import configured
from appliance.cli.options import DEFAULT_CONFIG, config_option, json_option
from appliance.errors import ApplianceError
from appliance.wording import counted, visible

_TOLD = 10
_Folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("folder", metavar="DIR", type=_Folder)
@click.option("--keys", is_flag=True, help="Take the secrets too; whoever reads the backup has them then.")
@config_option
@json_option
def backup(folder: Path, keys: bool, config: Path, as_json: bool) -> None:
    """Make a backup in DIR, a new folder, of all that another machine needs to serve the same.

    Configuration, lists, zone files as they are served, versions and journal; a running server goes on serving.
    """
    from appliance.control.backup import backup as make

    try:
        result = make(config, folder, keys=keys, ask=lambda: _records(config))
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        _show_backup(result)
    sys.exit(OK)


def _records(config: Path) -> list[Mapping[str, Any]] | None:
    """Return what the running server says of its zones, None where none runs. Raises ApplianceError."""
    from appliance.cli import client
    from appliance.control.backup import COLUMNS

    records: list[Mapping[str, Any]] = []
    try:
        client.ask(configured(config).read_socket, "zonestatus", take=records.extend, columns=COLUMNS)
    except client.NobodyListensError as error:
        from appliance.control.lock import holder

        if holder(Path(configured(config).server.state_dir)):
            raise ApplianceError(
                f"a server lives, and {error}: what it serves is not known; ask again when it listens"
            ) from error
        return None
    return records


def _show_backup(result: Mapping[str, Any]) -> None:
    from appliance.cli.quantities import size

    files = f"{counted(result['files'], 'file')}, {size(result['octets'])}"
    print(f"{visible(result['folder'])}: {counted(result['zones'], 'zone')}, {files}")
    if result["secrets_left_out"]:
        print(f"without {counted(result['secrets_left_out'], 'secret')}: --keys would take them")
    _show_warnings(result)


@click.command()
@click.argument("folder", metavar="DIR", type=_Folder)
@click.option("--dry-run", is_flag=True, help="Check the backup and show what would change; exit 2 if something would.")
@click.option(
    "--config-dir",
    type=_Folder,
    default=None,
    help="Folder for the configuration, and for what it names by relative paths.  [default: /etc/appliance]",
)
@click.option(
    "--allow", multiple=True, type=_Folder, help="A folder elsewhere that files may be put into (repeatable)."
)
@json_option
def restore(folder: Path, dry_run: bool, config_dir: Path | None, allow: tuple[Path, ...], as_json: bool) -> None:
    """Put the backup in DIR back, while no server runs; what was there before is kept aside.

    Every file is checked before anything is written.
    """
    from appliance.control.restore import Target
    from appliance.control.restore import restore as put_back

    chosen = Target((config_dir or DEFAULT_CONFIG.parent).absolute(), [one.absolute() for one in allow])
    try:
        result = put_back(folder, chosen, told_where=config_dir is not None, dry_run=dry_run)
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        _show_restore(result)
    sys.exit(OK if result.get("healthy", True) else UNHEALTHY)


def _show_restore(result: Mapping[str, Any]) -> None:
    from appliance.served.signatures import moment

    print(f"backup of {visible(result['host'])}, {moment(result['made'])}, appliance {visible(result['version'])}")
    files = result["files"]
    would = "would be written" if result["dry_run"] else "written"
    print(f"{counted(len(files), 'file')} {would}, {result['same']} are there already")
    for one in files[:_TOLD]:
        print(f"  {visible(one)}")
    if len(files) > _TOLD:
        print(f"  and {len(files) - _TOLD} more (--json has all)")
    for one in result["aside"]:
        print(f"what was there before is in {visible(one)}")
    _show_warnings(result)
    if not result["dry_run"]:
        print(f"now: `appliance check-config {visible(result['config'])}`, then start the server")


def _show_warnings(result: Mapping[str, Any]) -> None:
    for one in result["warnings"][:_TOLD]:
        click.echo(f"? {visible(one)}", err=True)
    if len(result["warnings"]) > _TOLD:
        click.echo(f"? and {len(result['warnings']) - _TOLD} more warnings (--json has all)", err=True)
