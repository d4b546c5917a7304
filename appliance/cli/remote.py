# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs for a server on another machine: its keys are made, and one of them proves who asks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from appliance.cli.boundary import fail, print_json
from appliance.cli.call import Shown, configured, told
from appliance.cli.options import config_option, json_option
from appliance.control.verb_table import VERBS, Row
from appliance.errors import ApplianceError

CLIENT: Final = "operator"
_FIRST_WORDS: Final = frozenset(words.split()[0] for row in VERBS for words in row.commands)


def check_server(context: click.Context, server: str) -> None:
    """Refuse a command that is about this machine, where a server on another one is named."""
    if server and context.invoked_subcommand not in _FIRST_WORDS:
        fail(ApplianceError(f"{context.invoked_subcommand} is about this machine: leave --server out, or use ssh"))


def server_named() -> str:
    """Return the server that was named with --server; "" for that of this machine."""
    context = click.get_current_context(silent=True)
    return str(context.find_root().params.get("server") or "") if context is not None else ""


def ask(
    row: Row,
    config: Path,
    timeout: float,
    arguments: dict[str, Any],
    take: Callable[[list[Any]], None] | None = None,
) -> Any:
    """Return the result of a server on another machine, or exit with the error; `take` gets a long list in parts."""
    from appliance.cli import tls_client

    if row.bulk:
        fail(
            ApplianceError(
                f"{row.name} reads lines of data, which goes over ssh: `ssh HOST appliance {row.name} < FILE`"
            )
        )
    root = click.get_current_context().find_root()
    shown = Shown()

    def call() -> Any:
        try:
            given: Path | None = root.params.get("client")
            certificate = given or Path(configured(config).control.folder) / "clients" / f"{CLIENT}.pem"
            return tls_client.ask(
                server_named(), certificate, row, limit_s=timeout, say=shown.show, take=take, **arguments
            )
        finally:
            shown.clear()

    return told(call)


@click.command("control-setup")
@click.option("--client", default=CLIENT, show_default=True, metavar="NAME", help="Name of the client.")
@config_option
@json_option
def control_setup(client: str, config: Path, as_json: bool) -> None:
    """Make the keys and certificates of the control channel over TLS; those that are there are kept.

    They are for [control] folder. To make another client, name it with --client. What is printed lists the client.
    """
    from appliance.control.tls_setup import Setup

    try:
        result = Setup(Path(configured(config).control.folder)).run(client)
    except ApplianceError as error:
        fail(error)
    if as_json:
        print_json(result)
        return
    for what in ("made", "kept"):
        for path in result[what]:
            click.echo(f"{what} {path}")
    click.echo(
        f'\nTo let {client} look, add this to the configuration; role = "operate" lets it change the server:\n\n'
        f'[[control_client]]\nname = "{client}"\nfingerprint = "{result["fingerprint"]}"\nrole = "read"'
    )
