# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb detach: programs leave the interfaces, through the running server, or without one."""

import asyncio
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from appliance.cli import client
from appliance.cli.client import LateError, NotRunningError
from appliance.datapath.door import Door
from appliance.datapath.interfaces import Interfaces
from appliance.datapath.taking import Taken, take_off
from appliance.errors import ApplianceError

PATIENCE_S: Final = 10.0
"""How long a server may take to answer: one that does not is to be ended, or passed over with --force."""


async def take_off_by_server(kept: Interfaces, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the verb in the server; what was taken off stays off until a reload."""
    interface, force = request.get("interface", ""), request.get("force", "") == "yes"
    if not isinstance(interface, str):
        raise ApplianceError("interface must be a name")
    _check(interface, force)
    return _described(await asyncio.to_thread(kept.take_off, interface, force), by_server=True)


def detach(socket: Path | None, interface: str, *, force: bool) -> dict[str, Any]:
    """Take our programs off an interface, or off all, and return what came of each. Raises ApplianceError.

    The server on `socket` does it if it runs, so that it does not put them back; with `force` one that does not answer
    is passed over.
    """
    _check(interface, force)
    if socket is not None:
        try:
            forced = "yes" if force else ""
            return dict(client.ask(socket, "detach", limit_s=PATIENCE_S, interface=interface, force=forced))
        except NotRunningError:
            pass
        except LateError as error:
            if not force:
                raise ApplianceError(
                    f"{error}; `appliance detach --force INTERFACE` takes its program off without it"
                ) from None
    if os.geteuid() != 0:
        raise ApplianceError("without a running server programs are taken off by root only: sudo appliance detach")
    return _described(take_off(Door(()), interface, force), by_server=False)


def _check(interface: str, force: bool) -> None:
    if force and not interface:
        raise ApplianceError("--force takes off whatever runs on an interface: name the INTERFACE")


def _described(taken: list[Taken], *, by_server: bool) -> dict[str, Any]:
    return {"ok": all(one.ok for one in taken), "by_server": by_server, "programs": [asdict(one) for one in taken]}
