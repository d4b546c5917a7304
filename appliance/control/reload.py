# SPDX-License-Identifier: GPL-3.0-or-later
"""Read zone files and publish what is in them, one request at a time; a bad file never replaces what is served."""

import asyncio
import gc
import logging
from typing import Any

from appliance.answers.store import Store
from appliance.config.schema import Config
from appliance.control.compaction import Compaction
from appliance.control.images import Images
from appliance.control.loading import Loading
from appliance.control.progress import Progress
from appliance.control.publish import OPCODES_PASSED_UP, Publication
from appliance.control.zones import ServedZone, compared, configured
from appliance.errors import ApplianceError, StateError, WireError, ZoneError
from appliance.zone import names
from appliance.zone.model import Zone

_log = logging.getLogger(__name__)


class Reloader:
    """The only one that changes what is served."""

    def __init__(self, config: Config, publication: Publication, progress: Progress) -> None:
        """Find the zones of the configuration. Raises ConfigError."""
        self.zones = configured(config)
        self._config = config
        self._publication = publication
        self._progress = progress
        self._images = Images(config)
        self._turn = asyncio.Lock()
        self._asked: set[asyncio.Task[Any]] = set()
        self._loading: Loading | None = None
        self._changed = asyncio.Event()
        """Set while what is served is not what is saved."""
        self.compaction = Compaction(publication, self.zones, self._turn, self._changed.set)

    async def load_all(self) -> None:
        """Serve every zone, those that did not change from the saved store; SERVFAIL for bad ones.

        Raises ApplianceError.
        """
        async with self._turn:
            saved = await asyncio.to_thread(self._images.load, self.zones)
            if saved is None:
                for served in self.zones.values():
                    served.forget()
            fresh = sum(served.state != "serving" for served in self.zones.values())
            gone = saved is not None and any(origin not in self.zones for origin in saved.numbers)
            self._loading = Loading(self.zones, OPCODES_PASSED_UP, self._config.store.memory_mib, _tell, self._progress)
            try:
                store = await asyncio.to_thread(self._loading.run, saved)
            finally:
                self._progress.end()
            if saved is not None:
                _log.info("%d zones are as they were saved, %d were read", len(self.zones) - fresh, fresh)
            store.sources.fetch = self._fetch
            if fresh or gone:
                self._changed.set()
            await self._publication.publish(store, store is not saved, self._set_aside)
            for served in self.zones.values():
                _tell_doubts(served)
            del saved, store
            gc.collect()  # models and the arrays that were moved from point at themselves
            gc.freeze()

    def _set_aside(self, store: Store) -> Store | None:
        kept = self._images.set_aside(store, self.zones.values())
        if kept is not None:
            kept.sources.fetch = self._fetch
            self._changed.clear()
        return kept

    def cancel(self) -> None:
        """Give a load up that is under way."""
        if self._loading is not None:
            self._loading.cancel()

    def _fetch(self, origin: bytes) -> Zone:
        return self.zones[origin].again()

    async def reload(self, name: str = "") -> list[dict[str, Any]]:
        """Read the file of one zone, or of all whose file has changed; return what came of each.

        Without a name the patterns are looked at again too: zones come and go with their lists and folders. Raises
        StateError for a zone that is not configured, ConfigError for patterns that cannot be read.
        """
        async with self._turn:
            if name:
                return [await self._reload_one(self._find(name))]
            told = []
            if self._config.pattern:
                told = await self._look_again()
            chosen = [served for served in self.zones.values() if served.has_changed()]
            return told + [await self._reload_one(served) for served in chosen]

    async def _look_again(self) -> list[dict[str, Any]]:
        """Remove the zones that are not configured any more and take up new ones, which are read next."""
        now = await asyncio.to_thread(configured, self._config)
        gone, new = compared(self.zones, now)
        told = []
        for origin in gone:
            served = self.zones[origin]
            try:
                await self._publication.remove(origin)
            except ApplianceError as error:
                _tell(error)
                told.append({"zone": served.name, "ok": False, "outcome": f"{error}; it is still served"})
                continue
            del self.zones[origin]
            self._note_change()
            told.append({"zone": served.name, "ok": True, "outcome": "removed"})
        for served in new:
            if served.origin in self.zones:
                self.zones[served.origin].place = served.place
            else:
                self.zones[served.origin] = served
        return told

    def _find(self, name: str) -> ServedZone:
        try:
            origin = names.fold(names.from_text(name))
        except WireError as error:
            raise StateError(str(error)) from error
        served = self.zones.get(origin)
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
        self._note_change()
        _log.info("zone %s: %s", served.name, outcome)
        return {"zone": served.name, "ok": True, "outcome": outcome}

    def _note_change(self) -> None:
        self._changed.set()
        self.compaction.note()

    def on_signal(self) -> None:
        """Reload what has changed (SIGHUP)."""
        task = asyncio.get_running_loop().create_task(self.reload())
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def keep_saving(self) -> None:
        """Save the store some time after each change, for as long as this runs."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(self._config.store.image_delay_s)
            await self._save()

    async def _save(self) -> None:
        async with self._turn:
            if not self._changed.is_set():
                return
            self._changed.clear()
            zones = list(self.zones.values())
            work = asyncio.ensure_future(asyncio.to_thread(self._images.save, self._publication.store, zones))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await work  # a thread does not stop half-way, and nobody may write to the store before it has ended
                raise

    async def close(self) -> None:
        """Wait for a reload under way, and save what was not saved yet."""
        async with self._turn:
            await asyncio.gather(*self._asked, return_exceptions=True)
        await self._save()


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
