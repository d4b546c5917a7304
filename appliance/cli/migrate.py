# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that takes another server's configuration over, and compares both servers."""

import sys
from pathlib import Path
from typing import Any

import click

from appliance.cli.boundary import OK, UNHEALTHY, fail, print_json
from appliance.cli.options import json_option
from appliance.errors import ApplianceError


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--from",
    "program",
    type=click.Choice(["nsd", "knot", "named", "pdns"]),
    default=None,
    help="Whose configuration FILE is; else it is guessed, and said.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default=Path("-"),
    help="Where it is written, with secrets in keys/ beside it; - prints it (the default).",
)
@click.option(
    "--public", multiple=True, metavar="NAME", help="Serve this zone though it is restricted there (repeatable)."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
def import_command(
    file: Path, program: str | None, output: Path, public: tuple[str, ...], force: bool, as_json: bool
) -> None:
    """Take over the configuration FILE of NSD, Knot DNS, BIND or PowerDNS (its bind backend).

    What is not carried over is listed with its line. Exit 2 if a zone is left out: one that not everybody may ask for,
    or that has no file that can be served.
    """
    from appliance.migration.run import carry

    target = None if str(output) == "-" else output
    try:
        result = carry(file, program or "", target, public, force=force)
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        _show(result)
    sys.exit(UNHEALTHY if result["left_out"] else OK)


def _show(result: dict[str, Any]) -> None:
    from appliance.migration.old import NotCarried, Place
    from appliance.migration.writer import PROGRAMS
    from appliance.wording import counted, visible

    def say(text: str) -> None:
        click.echo(visible(text), err=True)

    say(f"{result['file']}: a configuration of {PROGRAMS[result['program']]}, {result['recognized']}")
    for note in result["notes"]:
        say(note)
    for one in result["not_carried"]:
        say(str(NotCarried(Place(one["file"], one["line"]), one["what"], one["reason"])))
    for one in result["left_out"]:
        view = f" of view {one['view']}" if one["view"] else ""
        say(f"{Place(one['file'], one['line'])}: zone {one['zone']}{view} is left out: {one['reason']}")
    numbers = ", ".join(
        counted(result[key], key[:-1]) for key in ("zones", "patterns", "keys", "remotes", "acls") if result[key]
    )
    carried = f"carried over: {numbers or 'no zones'}"
    more = f"; not carried: {len(result['not_carried'])}; zones left out: {len(result['left_out'])}"
    say(carried + more)
    if result["configuration"] is not None:
        click.echo(result["configuration"], nl=False)
        return
    for path in result["secret_files"]:
        say(f"{path}: a secret, for its owner and group alone")
    say(f"{result['output']} is written; `appliance check-config {result['output']}` looks at its zone files too")
