# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb write, and the same at intervals: zones that no file feeds any more are put back as master files."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from appliance.control.channel import check_begun
from appliance.control.frozen import is_frozen, note_file
from appliance.control.outcomes import failure
from appliance.control.reload import Reloader
from appliance.control.update import Update
from appliance.errors import StateError
from appliance.publish.uncancelled import to_the_end
from appliance.served import stamps, zone_files
from appliance.served.frozen_source import FrozenSource
from appliance.served.zones import ServedZone
from appliance.state.zone_rows import NOT_ROLLED_BACK, Frozen
from appliance.zone.packed.zone import PackedZone

_log = logging.getLogger(__name__)

_LOOK_S: Final = 5.0
"""After which another interval in the configuration counts."""


class Writing:
    """Writes zones back; those that were rolled back are the ones that no file feeds."""

    def __init__(self, update: Update, reloader: Reloader) -> None:
        """Work on the zones of an update."""
        self._update = update
        self._reloader = reloader
        self._said: dict[bytes, str] = {}
        """Why a zone could not be written at the last interval."""

    async def write(self, name: str, begin: Callable[[], bool]) -> list[dict[str, Any]]:
        """Write one zone, or all that no file feeds; return what came of each. Raises StateError for no such zone."""
        async with self._update.turn:
            check_begun("write", begin)
            if name:
                return [await self._write(self._reloader.find(name))]
            return [await self._write(served) for served in self._not_fed()]

    async def keep_writing(self) -> None:
        """Write what can be written at the intervals of the configuration that runs; a failure is told once."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(min(self._interval() or _LOOK_S, _LOOK_S))
            every_s = self._interval()
            if every_s and loop.time() < began + every_s:
                continue
            began = loop.time()
            if not every_s:
                continue
            async with self._update.turn:
                for served in self._not_fed():
                    self._tell(served, await self._write(served))

    def _interval(self) -> float:
        return self._update.config.journal.zonefiles_write_s

    def _tell(self, served: ServedZone, outcome: dict[str, Any]) -> None:
        said = "" if outcome["ok"] else str(outcome["outcome"])
        if said and self._said.get(served.origin) != said:
            _log.warning("zone %s: %s", served.name, said)
        self._said[served.origin] = said

    def _not_fed(self) -> list[ServedZone]:
        rows, zones = self._update.dynamic.frozen, self._update.zones
        return [zones[origin] for origin, row in rows.items() if row.serial != NOT_ROLLED_BACK and origin in zones]

    async def _write(self, served: ServedZone) -> dict[str, Any]:
        row = self._update.dynamic.frozen.get(served.origin)
        source = served.source
        if row is None or row.serial == NOT_ROLLED_BACK or not isinstance(source, FrozenSource) or source.is_lost:
            how = "frozen, and as its file was" if is_frozen(served) else "served from its file"
            return {"zone": served.name, "ok": True, "outcome": f"nothing to write: it is {how}"}
        if not row.stamp:
            reason = "its file had another version than was served, or includes others, when it was rolled back"
            return failure(served.name, f"{served.file} is left as it is: {reason}")
        try:
            stamp, is_written = await to_the_end(self._put_back, served, source, row)
            note_file(served, stamp)
            if stamp != row.stamp:
                await to_the_end(self._update.dynamic.freeze, {served.origin: row._replace(stamp=stamp)})
        except StateError as error:
            return failure(served.name, str(error))
        if not is_written:
            return {"zone": served.name, "ok": True, "outcome": f"{served.file} has serial {served.serial} already"}
        _log.info("zone %s: written to %s", served.name, served.file)
        return {"zone": served.name, "ok": True, "outcome": f"serial {served.serial} written to {served.file}"}

    def _put_back(self, served: ServedZone, source: FrozenSource, row: Frozen) -> tuple[bytes, bool]:
        """Write a zone; return the stamp of its file, and whether that did not have it already. Raises StateError."""
        zone = source.again(source.digest, served.serial)
        if not isinstance(zone, PackedZone):
            raise StateError(f"zone {served.name}: what is served of it is not kept, so that it cannot be written")
        path = Path(served.file)
        stamp = stamps.of_file(served.file)
        if stamp is not None and zone_files.has(path, zone):
            return stamp, False
        return zone_files.write(path, zone, row.stamp), True
