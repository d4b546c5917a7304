# SPDX-License-Identifier: GPL-3.0-or-later
"""The command detach: programs leave the interfaces, through the running server, or without one."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from appliance.cli import client
from appliance.cli.client import LateError, NotRunningError
from appliance.control.detach import check, described
from appliance.datapath.door import Door
from appliance.datapath.taking import programs, take_off
from appliance.errors import ApplianceError

PATIENCE_S: Final = 10.0
"""Time that a server may take to answer; one that does not must be ended, or passed over with --force."""


def detach(socket: Path | None, interface: str, *, force: bool, limit_s: float = 0.0) -> dict[str, Any]:
    """Take our programs off an interface, or off all, and return what came of each. Raises ApplianceError.

    The server on `socket` does it if it runs, so that it does not put them back; with `force` one that does not answer
    is passed over. `limit_s` is the time that it may take to answer; 0: PATIENCE_S.
    """
    check(interface, force)
    hangs = False
    if socket is not None:
        try:
            return dict(client.ask(socket, "detach", limit_s=limit_s or PATIENCE_S, interface=interface, force=force))
        except NotRunningError:
            pass
        except LateError as error:
            hangs = True
            if not force:
                raise ApplianceError(
                    f"{error}; `appliance detach --force INTERFACE` takes its program off without it"
                ) from None
    door = Door(())
    if os.geteuid() != 0 and programs(door, interface):
        raise ApplianceError("without a running server programs are taken off by root only: sudo appliance detach")
    if hangs and socket is not None:  # when it goes on it finds what was asked, and puts nothing back
        client.leave(socket, "detach", interface=interface, force=force)
    taken = take_off(door, interface, force)
    if hangs:
        taken = [replace(one, reason="") if one.gone else one for one in taken]
    return described(interface, taken, by_server=False)
