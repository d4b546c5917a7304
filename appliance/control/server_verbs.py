# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs about the server by itself, which knows no zone for them: they are answered at every stage."""

import os
from collections.abc import Mapping
from typing import Any

from appliance.control import log
from appliance.control.channel import Verb
from appliance.control.drain import Drain
from appliance.control.peers import ASKING
from appliance.control.stage import Stage
from appliance.control.verbosity import level, set_level
from appliance.errors import StateError
from appliance.publish.uncancelled import to_the_end


def server_verbs(stage: Stage) -> Mapping[str, Verb]:
    """Return the verbs by their names; `stage` is that of the server."""
    drain = _DrainVerbs(stage)
    return {
        "serverpid": _pid,
        "verbosity": _verbosity,
        "log_reopen": _reopen,
        "drain": drain.begin,
        "undrain": drain.end,
    }


async def _pid(request: dict[str, Any]) -> Any:
    return {"pid": os.getpid()}


async def _verbosity(request: dict[str, Any]) -> Any:
    before = level()
    if request["level"]:
        set_level(request["level"])
    return {"level": level(), "before": before}


async def _reopen(request: dict[str, Any]) -> Any:
    return log.reopen()


class _DrainVerbs:
    """Drain and undrain a server."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def begin(self, request: dict[str, Any]) -> Any:
        """Drain the server; what is not kept over a restart is an error all the same."""
        drain = self._drain()
        await to_the_end(drain.begin, ASKING.get(), request["reason"])
        return {"ok": not drain.unkept, "drained": drain.described(), "warnings": list(drain.warnings())}

    async def end(self, request: dict[str, Any]) -> Any:
        """Drain it no more."""
        drain = self._drain()
        await to_the_end(drain.end)
        return {"ok": True, "drained": None, "warnings": []}

    def _drain(self) -> Drain:
        if self._stage.drain is None:
            raise StateError("the server does not know its folders yet; ask again")
        return self._stage.drain
