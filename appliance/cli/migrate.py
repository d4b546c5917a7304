# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that takes another server's configuration over, and compares both servers."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from appliance.cli.boundary import ERROR, OK, UNHEALTHY, fail, print_json
from appliance.cli.options import DEFAULT_CONFIG, Number, json_option
from appliance.errors import ApplianceError, ConfigError


@click.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
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
@click.option("--compare", "old", metavar="HOST[@PORT]", help="Ask the old server there and ours the same questions.")
@click.option(
    "--with",
    "config",
    type=click.Path(path_type=Path, dir_okay=False, readable=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Our configuration, whose zones are compared.",
)
@click.option("--server", "new", metavar="ADDRESS[@PORT]", help="Where our server answers; else as [listen] has it.")
@click.option(
    "--samples",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="Names to ask for from each zone file.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which names are chosen.")
@click.option("--rate", type=Number(1, 10_000), default=200.0, show_default=True, help="Questions a second, to each.")
@click.option("--timeout", type=Number(1, 86400), default=300.0, show_default=True, help="Seconds for all questions.")
@json_option
def import_command(file: Path | None, program: str | None, output: Path, **options: Any) -> None:
    """Take over the configuration FILE of NSD, Knot DNS, BIND or PowerDNS (its bind backend).

    What is not carried over is listed with its line. Exit 2 if a zone is left out: one that not everybody may ask for,
    or that has no file that can be served. With --compare, no file is read: exit 2 if both servers answer differently.
    """
    from appliance.migration.run import carry

    if options["old"]:
        if file is not None:
            raise click.UsageError("--compare asks servers and reads no FILE; give one of both")
        _compare(options)
    if file is None:
        raise click.UsageError("which FILE? Name a configuration, or --compare HOST")
    target = None if str(output) == "-" else output
    try:
        result = carry(file, program or "", target, options["public"], force=options["force"])
    except ApplianceError as error:
        fail(error)
    if options["as_json"]:
        print_json(result)
    else:
        _show(result)
    sys.exit(UNHEALTHY if result["left_out"] else OK)


def _compare(options: dict[str, Any]) -> NoReturn:
    """Ask both servers, print what differs, and exit: 0 the same, 2 not, 1 where not all could be asked."""
    from appliance.cli.call import Shown
    from appliance.config.load import load_config
    from appliance.migration import comparison

    shown = Shown()
    try:
        config = load_config(options["config"])
        old = comparison.server(options["old"])
        new = comparison.server(options["new"]) if options["new"] else comparison.own_server(config)
        bounds = comparison.Bounds(options["samples"], options["rate"], options["timeout"], options["seed"])
        known = list(comparison.zones(config))
        if not known:
            raise ConfigError(f"{options['config']} has no zone to ask for; is it the imported one?")
        result = comparison.Comparison(old, new, bounds).run(known, shown.show)
    except ApplianceError as error:
        shown.clear()
        fail(error)
    shown.clear()
    if options["as_json"]:
        print_json(result)
    else:
        _show_comparison(result)
    sys.exit(UNHEALTHY if not result["same"] else ERROR if result["zones_not_asked"] else OK)


def _show_comparison(result: dict[str, Any]) -> None:
    from appliance.wording import counted, visible

    for group in result["differences"]:
        optional = ", which is optional" if group["optional"] else ""
        click.echo(f"{group['kind']}: {counted(group['count'], 'answer')}{optional}")
        for one in group["examples"]:
            click.echo(visible(f"  {one['name']} {one['type']}: old: {one['old']}; new: {one['new']}"))
        if group["count"] > len(group["examples"]):
            click.echo(f"  and {group['count'] - len(group['examples'])} more")
    asked = f"{counted(result['questions'], 'question')} about {counted(result['zones'], 'zone')}"
    said = "the same answers" if result["same"] else "the answers differ"
    click.echo(f"{asked} to {result['old']} (old) and {result['new']} (new): {said}")
    if result["zones_not_asked"]:
        left = counted(result["zones_not_asked"], "zone")
        click.echo(f"time was up before {left}: give more --timeout, or --rate, or fewer --samples", err=True)


def _show(result: dict[str, Any]) -> None:
    from appliance.migration.old import NotCarried, Place
    from appliance.migration.writer import PROGRAMS
    from appliance.wording import counted, visible

    def say(text: str) -> None:
        click.echo(visible(text), err=result["configuration"] is not None)

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
