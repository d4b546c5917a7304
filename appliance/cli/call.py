# SPDX-License-Identifier: GPL-3.0-or-later
"""One call to the server for a command: which socket, how long, and what is shown while it lasts."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from appliance.cli.boundary import INTERRUPTED, end, fail, not_running
from appliance.cli.options import DEFAULT_CONFIG
from appliance.control.verb_table import Row
from appliance.errors import ApplianceError, ConfigError

if TYPE_CHECKING:
    from appliance.config.schema import Config

_FIRST_LINE_S: Final = 10.0
_NEXT_LINE_S: Final = 30.0
_CLEAR: Final = "\r\x1b[K"


def ask(
    row: Row,
    config: Path,
    timeout: float,
    arguments: dict[str, Any],
    take: Callable[[list[Any]], None] | None = None,
) -> Any:
    """Return the server's result, or exit with the error; where no server runs, status shows what it has left.

    `take` gets a long list in parts as they come.
    """
    from appliance.cli import client

    shown = Shown()

    def call() -> Any:
        try:
            path = _socket(reached(config), row)
            return client.ask(path, row.name, limit_s=timeout, say=shown.show, take=take, **arguments)
        finally:
            shown.clear()

    return told(call, config, (lambda: _left(config)) if row.name == "status" else None)


def stop(row: Row, config: Path, timeout: float, arguments: dict[str, Any]) -> Any:
    """Stop the server, and wait until it has ended."""
    from appliance.cli.client import stop as stop_server

    return told(lambda: stop_server(reached(config).control_socket, limit_s=timeout), config)


def detach(row: Row, config: Path, timeout: float, arguments: dict[str, Any]) -> Any:
    """Take programs off through the server, or without one."""
    from appliance.cli.detach import detach as take_off

    try:
        socket = reached(config).control_socket
    except ApplianceError as error:  # a broken configuration is no reason to let a program answer
        click.echo(f"appliance: {error}; going on without a server", err=True)
        socket = None
    interface, force = arguments.get("interface", ""), arguments.get("force", False)
    return told(lambda: take_off(socket, interface, force=force, limit_s=timeout))


def _left(config: Path) -> list[dict[str, Any]]:
    from appliance.control.left import left_on_interfaces

    return left_on_interfaces(reached(config, "server", "interface"))


def _unheard(config: Path, error: ApplianceError) -> None:
    """Exit where a server lives that cannot be reached, as when its sockets were removed; it is not told to be gone."""
    from appliance.control.lock import holder

    server = reached(config).server
    pid = next(filter(None, (holder(Path(folder)) for folder in (server.run_dir, server.state_dir))), 0)
    if pid:
        said = str(error).partition(";")[0]
        fail(
            ApplianceError(
                f"{said}, but the server lives (process {pid}): it begins, it ends, or its socket was removed; ask "
                f"again in some seconds. If it stays so, `kill {pid}` ends it in order, and it can be started again"
            )
        )


def told(
    call: Callable[[], Any], config: Path | None = None, left: Callable[[], list[dict[str, Any]]] | None = None
) -> Any:
    """Return what a call returns, or exit with what it raises; where no server runs, with what is `left` of it."""
    from appliance.cli.client import GivenUpError, NobodyListensError, NotRunningError

    try:
        return call()
    except GivenUpError as error:
        end(str(error), INTERRUPTED)
    except NotRunningError as error:
        if config is not None and isinstance(error, NobodyListensError):
            _unheard(config, error)
            _tell_mistakes(config)
        not_running(error, left() if left is not None else ())
    except ApplianceError as error:
        fail(error)


def _tell_mistakes(config: Path) -> None:
    """Say what is wrong with a configuration that told only where a server would be."""
    try:
        configured(config)
    except ConfigError as error:
        click.echo(f"appliance: {error}", err=True)


def _socket(config: "Config", row: Row) -> Path:
    """Return the socket for a verb: that for reading where it will do, so that no queue of reloads is in the way."""
    if row.access == "read" and os.access(config.read_socket, os.W_OK):
        return config.read_socket
    return config.control_socket


def configured(config: Path) -> "Config":
    """Return the configuration in a file; without a file at the default place, the default. Raises ConfigError."""
    from appliance import crash
    from appliance.config.load import load_config
    from appliance.config.schema import Config

    found = Config() if config == DEFAULT_CONFIG and not config.exists() else load_config(config)
    crash.keep_reports_in(Path(found.server.state_dir))
    return found


def reached(config: Path, *needed: str) -> "Config":
    """Return the tables that find a running server, also of a file that is broken elsewhere. Raises ConfigError.

    Someone who has just broken the file wants to know what the server does; the server says what is wrong with it.
    """
    from appliance.config.salvage import salvage

    try:
        return configured(config)
    except ConfigError:
        if (found := salvage(config, needed or ("server",))) is None:
            raise
        return found


class Shown:
    """What the server says while it works: one line that changes on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + _FIRST_LINE_S
        self._dirty = False

    def show(self, note: str) -> None:
        """Show what the server says."""
        if self._terminal:
            click.echo(f"{_CLEAR}{note}", err=True, nl=False)
            self._dirty = True
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _NEXT_LINE_S
            click.echo(f"appliance: {note}", err=True)

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self._dirty:
            click.echo(_CLEAR, err=True, nl=False)
