# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb detach: the server takes programs off its interfaces."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from appliance.datapath.interfaces import Interfaces
from appliance.datapath.taking import Taken
from appliance.errors import ApplianceError


async def take_off_by_server(kept: Interfaces, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the verb in the server; what was taken off stays off until a reload."""
    interface, force = request.get("interface", ""), request.get("force", "") == "yes"
    if not isinstance(interface, str):
        raise ApplianceError("interface must be a name")
    check(interface, force)
    taken, kept_off = await asyncio.to_thread(kept.take_off, interface, force)
    return described(interface, taken, by_server=True, kept_off=kept_off)


def check(interface: str, force: bool) -> None:
    """Raise ApplianceError where the arguments do not go together."""
    if force and not interface:
        raise ApplianceError("--force takes off whatever runs on an interface: name the INTERFACE")


def described(
    interface: str, taken: Sequence[Taken], *, by_server: bool, kept_off: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the result of the verb as the command prints it.

    `kept_off` are the interfaces that the server keeps without a program until it is told to reload.
    """
    return {
        "ok": all(one.ok for one in taken),
        "interface": interface,
        "by_server": by_server,
        "programs": [asdict(one) for one in taken],
        "kept_off": [*kept_off],
    }
