# SPDX-License-Identifier: GPL-3.0-or-later
"""A command for each row of the verb table: what was given on the command line becomes one request."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from appliance.cli.boundary import ERROR, OK, UNHEALTHY, fail, print_json
from appliance.cli.call import ask, detach, stop
from appliance.cli.options import config_option, json_option, timeout_option
from appliance.control.verb_table import VERBS, Argument, Row
from appliance.errors import ApplianceError

Call = Callable[[Row, Path, float, dict[str, Any]], dict[str, Any]]

_CALLS: Final[Mapping[str, Call]] = {"detach": detach, "stop": stop}
"""The verbs that take more than one request."""


def add_verbs(cli: click.Group, zone: click.Group) -> None:
    """Add the commands; those of two words to the group `zone`."""
    for row in VERBS:
        for words in row.commands:
            group, _, name = words.rpartition(" ")
            (zone if group else cli).add_command(_command(row, name, names_a_zone=bool(group)))


def _command(row: Row, name: str, *, names_a_zone: bool) -> click.Command:
    def run(timeout: float | None, config: Path, as_json: bool, **given: Any) -> None:
        for key, value in given.items():
            if value == "" and key in words:  # as of a variable that is not set: no reason to mean all
                fail(ApplianceError(f"the {key.upper()} given is empty; leave it out where all are meant"))
        call: Call = _CALLS.get(row.name) or ask
        result = call(row, config, timeout or 0.0, {key: value for key, value in given.items() if value})
        if as_json:
            print_json(result)
        else:
            from appliance.cli import output

            getattr(output, row.rendering)(result)
        sys.exit(_status(result))

    words = {one.name for one in row.arguments if not one.option}
    parameters = [_parameter(one, names_a_zone and one.name == "zone") for one in row.arguments]
    command = click.Command(name, callback=run, help=row.help, params=parameters)
    return timeout_option(config_option(json_option(command)))


def _parameter(argument: Argument, required: bool) -> click.Parameter:
    if not argument.option:
        metavar = argument.metavar or ("NAME" if required else None)
        return click.Argument([argument.name], required=required or argument.required, default=None, metavar=metavar)
    flag = argument.name.replace("_", "-")
    if argument.kind == "flag":
        return click.Option([f"--{flag}"], is_flag=True, help=argument.help)
    return click.Option([f"--{flag}"], default="", metavar=argument.metavar, help=argument.help)


def _status(result: Mapping[str, Any]) -> int:
    """Return the exit status of a result."""
    if not result.get("healthy", True):
        return UNHEALTHY
    if not result.get("ok", True):
        return ERROR
    return UNHEALTHY if result.get("would_change") else OK
