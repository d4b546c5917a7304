# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion in a shell: what `appliance completion` prints, and the zones that a word may become."""

from contextlib import suppress
from typing import Final, Literal

import click
from click.shell_completion import BashComplete, CompletionItem, ShellComplete, ZshComplete

from appliance.cli.options import DEFAULT_CONFIG
from appliance.errors import ApplianceError

LIMIT_S: Final = 1.0
"""Time that a server may take to say which zones there are: somebody has pressed a key and waits."""
_VARIABLE: Final = "_APPLIANCE_COMPLETE"
_SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": BashComplete, "zsh": ZshComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: Literal["bash", "zsh"]) -> None:
    """Print what lets SHELL complete commands, options and names of zones.

    For bash: appliance completion bash > /etc/bash_completion.d/appliance. For zsh: appliance completion zsh >
    /usr/local/share/zsh/site-functions/_appliance.
    """
    made = _SHELLS[shell](context.find_root().command, {}, "appliance", _VARIABLE)
    click.echo(ShellComplete.source(made))  # without the look for a bash, which need not be here


def zones(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the zones whose names begin so, some of them where they are many; none where no server says so in time."""
    from appliance.cli.call import reached
    from appliance.cli.client import ask

    with suppress(ApplianceError, OSError, KeyError, TypeError):
        config = reached(context.params.get("config") or DEFAULT_CONFIG)
        return [
            CompletionItem(name) for name in ask(config.read_socket, "names", limit_s=LIMIT_S, begun=begun)["names"]
        ]
    return []
