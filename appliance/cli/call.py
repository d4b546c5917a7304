# SPDX-License-Identifier: GPL-3.0-or-later
"""One call to the server for a command: which socket, how long, and what is shown while it lasts."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from appliance.cli.boundary import fail, not_running
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from appliance.config.schema import Config

DEFAULT_CONFIG: Final = Path("/etc/appliance/appliance.toml")

_READING: Final = frozenset({"status", "stats", "journal"})
_FIRST_LINE_S: Final = 10.0
_NEXT_LINE_S: Final = 30.0
_CLEAR: Final = "\r\x1b[K"


def ask(config: Path, verb: str, timeout: float, **arguments: Any) -> Any:
    """Return what the server says, or exit with what keeps it from saying it; status also with what it has left."""
    from appliance.cli import client

    shown = Shown()

    def call() -> Any:
        try:
            return client.ask(_socket(configured(config), verb), verb, limit_s=timeout, say=shown.show, **arguments)
        finally:
            shown.clear()

    return told(call, (lambda: _left(config)) if verb == "status" else None)


def _left(config: Path) -> list[dict[str, Any]]:
    from appliance.control.left import left_on_interfaces

    return left_on_interfaces(configured(config))


def told(call: Callable[[], Any], left: Callable[[], list[dict[str, Any]]] | None = None) -> Any:
    """Return what a call returns, or exit with what it raises; where no server runs, with what is `left` of it."""
    from appliance.cli.client import NotRunningError

    try:
        return call()
    except NotRunningError as error:
        not_running(error, left() if left is not None else ())
    except ApplianceError as error:
        fail(error)


def _socket(config: "Config", verb: str) -> Path:
    """Return the socket for a verb: that for reading where it will do, so that no queue of reloads is in the way."""
    if verb in _READING and os.access(config.read_socket, os.W_OK):
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
