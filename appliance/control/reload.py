# SPDX-License-Identifier: GPL-3.0-or-later
"""Read zone files and publish what is in them, one request at a time; a bad file never replaces what is served."""

import asyncio
import logging
from typing import Any

from appliance.control.publish import Publication
from appliance.control.zones import ServedZone
from appliance.errors import ApplianceError, StateError, WireError, ZoneError
from appliance.zone import names
from appliance.zone.model import Zone

_log = logging.getLogger(__name__)


class Reloader:
    """The only one that changes what is served."""

    def __init__(self, zones: dict[bytes, ServedZone], publication: Publication) -> None:
        self._zones = zones
        self._publication = publication
        self._turn = asyncio.Lock()
        self._asked: set[asyncio.Task[Any]] = set()

    async def load_all(self) -> None:
        """Read every zone and publish them; zones that cannot be loaded answer SERVFAIL. Raises ApplianceError."""
        async with self._turn:
            good: list[Zone] = []
            bad: list[Zone] = []
            for served in self._zones.values():
                try:
                    good.append(await asyncio.to_thread(served.read))
                except ZoneError as error:
                    _tell(error)
                    bad.append(served.placeholder())
            await self._publication.publish(good, bad)
            for zone in good:
                self._zones[zone.origin].published(zone)
                _tell_doubts(self._zones[zone.origin])

    async def reload(self, name: str = "") -> list[dict[str, Any]]:
        """Read the file of one zone, or of all whose file has changed; return what came of each.

        Raises StateError for a zone that is not configured.
        """
        async with self._turn:
            if name:
                chosen = [self._find(name)]
            else:
                chosen = [served for served in self._zones.values() if served.has_changed()]
            return [await self._reload_one(served) for served in chosen]

    def _find(self, name: str) -> ServedZone:
        try:
            origin = names.fold(names.from_text(name))
        except WireError as error:
            raise StateError(str(error)) from error
        served = self._zones.get(origin)
        if served is None:
            raise StateError(f"zone {names.to_text(origin)} is not in the configuration")
        return served

    async def _reload_one(self, served: ServedZone) -> dict[str, Any]:
        before = served.serial
        try:
            zone = await asyncio.to_thread(served.read)
            await self._publication.replace(zone)
        except ApplianceError as error:
            served.error = str(error)
            _tell(error)
            kept = f"serial {before} is still served" if before is not None else "the zone is not served"
            return {"zone": served.name, "ok": False, "outcome": f"{error}; {kept}"}
        served.published(zone)
        _tell_doubts(served)
        outcome = f"serial {zone.serial}" if before is None else f"serial {before} replaced by {zone.serial}"
        _log.info("zone %s: %s", served.name, outcome)
        return {"zone": served.name, "ok": True, "outcome": outcome}

    def on_signal(self) -> None:
        """Reload what has changed (SIGHUP)."""
        task = asyncio.get_running_loop().create_task(self.reload())
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def close(self) -> None:
        """Wait for a reload under way."""
        async with self._turn:
            await asyncio.gather(*self._asked, return_exceptions=True)


def _tell_doubts(served: ServedZone) -> None:
    """Log how many findings of which class there are about the signatures of a zone that is served all the same."""
    if served.dnssec and served.dnssec.findings:
        counts = ", ".join(f"{kind} {count}" for kind, count in served.dnssec.findings.items())
        _log.warning("zone %s: findings about DNSSEC: %s; see appliance check-zone", served.name, counts)


def _tell(error: ApplianceError) -> None:
    """Log an error; every finding of a zone file, each with its line."""
    findings = error.findings if isinstance(error, ZoneError) else []
    for finding in findings:
        _log.log(logging.ERROR if finding.severity == "error" else logging.WARNING, "%s", finding)
    _log.error("%s", error)
