# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands about the configuration: what it is as a whole, what a key means, the schema for editors."""

from pathlib import Path

import click

from appliance.cli.boundary import fail, print_json
from appliance.cli.call import configured
from appliance.cli.options import config_option, json_option
from appliance.errors import ApplianceError


@click.group("config")
def config_group() -> None:
    """Commands for the configuration file; check-config checks it."""


@config_group.command("show")
@click.option(
    "--explain", metavar="KEY", default="", help="Tell what KEY means, such as listen.port, or a whole table."
)
@config_option
@json_option
def show(explain: str, config: Path, as_json: bool) -> None:
    """Print the configuration as it counts: included files, patterns and defaults filled in."""
    from appliance.config import describe

    try:
        if explain:
            _say(describe.explain(explain), as_json)
            return
        tables = describe.effective(configured(config))
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(tables)
    else:
        click.echo(describe.as_toml(tables), nl=False)


def _say(said: str, as_json: bool) -> None:
    if as_json:
        print_json({"explained": said})
    else:
        click.echo(said)


@config_group.command("schema")
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors and other programs."""
    from appliance.config.describe import schema as made

    print_json(made())
