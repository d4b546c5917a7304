# SPDX-License-Identifier: GPL-3.0-or-later
"""A command for each row of the verb table: what was given on the command line becomes one request."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from appliance.cli import zone_status
from appliance.cli.boundary import ERROR, OK, UNHEALTHY, fail, print_json
from appliance.cli.call import ask, detach, stop
from appliance.cli.completion import zones
from appliance.cli.options import config_option, json_option, timeout_option
from appliance.cli.remote import ask as ask_remote
from appliance.cli.remote import server_named
from appliance.control.verb_table import VERBS, Argument, Row
from appliance.errors import ApplianceError

Call = Callable[[Row, Path, float, dict[str, Any]], dict[str, Any]]

_CALLS: Final[Mapping[str, Call]] = {"detach": detach, "stop": stop}
"""The verbs that take more than one request."""
_PRINTING: Final[Mapping[str, Callable[[Row, Path, float, dict[str, Any], bool], int]]] = {
    "zonestatus": zone_status.run,
}
"""The verbs whose results are printed as they come, and not when all is there; they return the exit status."""


def add_verbs(cli: click.Group, zone: click.Group) -> None:
    """Add the commands; those of two words to the group `zone`."""
    for row in VERBS:
        for words in row.commands:
            group, _, name = words.rpartition(" ")
            (zone if group else cli).add_command(_command(row, name, names_a_zone=bool(group) and not row.lists))


def _command(row: Row, name: str, *, names_a_zone: bool) -> click.Command:
    def run(timeout: float | None, config: Path, as_json: bool, **given: Any) -> None:
        for key, value in given.items():
            if value == "" and key in words:  # as of a variable that is not set: no reason to mean all
                fail(ApplianceError(f"the {key.upper()} given is empty; leave it out where all are meant"))
        arguments = {key: value for key, value in given.items() if value}
        if (printing := _PRINTING.get(row.name)) is not None:
            sys.exit(printing(row, config, timeout or 0.0, arguments, as_json))
        call: Call = _CALLS.get(row.name) or ask
        if server_named():
            call = ask_remote
        elif row.bulk:
            from appliance.cli.bulk import feed
            from appliance.cli.zone_list import take_json

            if row.name == "import":
                take_json()
            call = partial(feed, as_json=as_json)
        result = call(row, config, timeout or 0.0, arguments)
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
        metavar = argument.metavar or None
        complete = zones if argument.name == "zone" else None
        # A default, also None, is what click takes for a required argument that is missing.
        optional: dict[str, Any] = {} if required or argument.required else {"required": False, "default": None}
        return click.Argument([argument.name], metavar=metavar, shell_complete=complete, **optional)
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
