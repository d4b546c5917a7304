# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs about single zones: which come and go, which are frozen, rolled back, or written."""

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from appliance.control.bulk import BulkVerb
from appliance.control.channel import Begin, Listing, WaitingVerb
from appliance.control.freezing import Freezing
from appliance.control.reload import Reloader
from appliance.control.update import Update
from appliance.control.writing import Writing
from appliance.control.zone_changes import ZoneChanges, result
from appliance.control.zone_lines import ZoneLines
from appliance.zone import names

_PART: Final = 1000
"""Zones of an export in one line."""


class ZoneVerbs:
    """What each of these verbs does, given checked arguments."""

    def __init__(self, update: Update, reloader: Reloader) -> None:
        """Work on the zones of an update."""
        self._update = update
        self.changes = ZoneChanges(update)
        self.freezing = Freezing(update, reloader)
        self.writing = Writing(update, reloader)
        self.functions: Mapping[str, WaitingVerb] = {
            "addzone": self._add,
            "delzone": self._remove,
            "changezone": self._change,
            "freeze": self._freeze,
            "thaw": self._thaw,
            "rollback": self._rollback,
            "write": self._write,
        }
        lines = ZoneLines(self.changes)
        self.bulk: Mapping[str, BulkVerb] = {"addzones": lines.add, "delzones": lines.remove, "import": lines.take_over}
        self.reading: Mapping[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "versions": self._versions,
            "export": self._export,
        }

    async def _add(self, request: dict[str, Any], begin: Begin) -> Any:
        return result(await self.changes.add([(request["zone"], request["pattern"])], begin))

    async def _remove(self, request: dict[str, Any], begin: Begin) -> Any:
        return result(await self.changes.remove([request["zone"]], begin))

    async def _change(self, request: dict[str, Any], begin: Begin) -> Any:
        return result(await self.changes.change(request["zone"], request["pattern"], begin))

    async def _freeze(self, request: dict[str, Any], begin: Begin) -> Any:
        return result(await self.freezing.freeze(request["zone"], begin))

    async def _thaw(self, request: dict[str, Any], begin: Begin) -> Any:
        return result(await self.freezing.thaw(request["zone"], begin))

    async def _rollback(self, request: dict[str, Any], begin: Begin) -> Any:
        force = request["force"]
        return await self.freezing.rollback(request["zone"], request["serial"], begin, force=force)

    async def _write(self, request: dict[str, Any], begin: Begin) -> Any:
        return result(await self.writing.write(request["zone"], begin))

    async def _versions(self, request: dict[str, Any]) -> Any:
        return await self.freezing.versions(request["zone"])

    async def _export(self, request: dict[str, Any]) -> Any:
        return Listing({"zones": []}, "zones", _parts(dict(self._update.dynamic.zones)))


FUNCTIONS: Final = ("addzone", "delzone", "changezone", "freeze", "thaw", "rollback", "write")
BULK: Final = ("addzones", "delzones", "import")
READING: Final = ("versions", "export")


def _parts(zones: Mapping[bytes, str]) -> Iterator[list[dict[str, str]]]:
    rows = iter(zones.items())
    while part := list(itertools.islice(rows, _PART)):
        yield [{"name": names.to_text(origin), "pattern": pattern} for origin, pattern in part]
