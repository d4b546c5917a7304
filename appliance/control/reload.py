# SPDX-License-Identifier: GPL-3.0-or-later
"""Read zone files and publish what is in them, one request at a time; a bad file never replaces what is served."""

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from appliance.answers.store import Store
from appliance.config.schema import Config
from appliance.control.compaction import Compaction
from appliance.control.history import History
from appliance.control.images import Images
from appliance.control.loading import Loading
from appliance.control.progress import Progress
from appliance.control.publish import COMPARED, OPCODES_PASSED_UP, Publication
from appliance.control.sizes import check_size
from appliance.control.zones import ServedZone, compared, configured
from appliance.errors import ApplianceError, StateError, WireError, ZoneError
from appliance.state.journal import Entry, is_newer
from appliance.zone import names
from appliance.zone.difference import Difference
from appliance.zone.model import Zone

_BATCH: Final = 500
"""Zones that are kept in one transaction."""

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Reloader:
    """The only one that changes what is served."""

    def __init__(self, config: Config, publication: Publication, progress: Progress) -> None:
        """Find the zones of the configuration. Raises ConfigError."""
        self.zones = configured(config)
        self._config = config
        self._publication = publication
        self._progress = progress
        self._images = Images(config)
        self.history = History(config)
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
            limit = self._config.store.memory_mib
            loading = Loading(self.zones, OPCODES_PASSED_UP, limit, _tell, self._progress, history=self.history)
            self._loading = loading
            try:
                store = await asyncio.to_thread(loading.run, saved)
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
            await self._publication.reconcile()
            if name:
                return await self._reload_some([self._find(name)])
            told = []
            if self._config.pattern:
                told = await self._look_again()
            chosen = [served for served in self.zones.values() if served.has_changed()]
            return told + await self._reload_some(chosen)

    async def _look_again(self) -> list[dict[str, Any]]:
        """Remove the zones that are not configured any more and take up new ones, which are read next."""
        now = await asyncio.to_thread(configured, self._config)
        gone, new = compared(self.zones, now)
        told = []
        removed: list[bytes] = []
        for origin in gone:
            served = self.zones[origin]
            try:
                await self._publication.remove(origin)
            except ApplianceError as error:
                _tell(error)
                told.append({"zone": served.name, "ok": False, "outcome": f"{error}; it is still served"})
                continue
            del self.zones[origin]
            removed.append(origin)
            self._note_change()
            told.append({"zone": served.name, "ok": True, "outcome": "removed"})
        await _to_the_end(self.history.remove, removed)
        for served in new:
            if served.origin in self.zones:
                self.zones[served.origin].place = served.place
            else:
                self.zones[served.origin] = served
        return told

    async def steps(self, name: str) -> list[Entry]:
        """Return the journal of a zone, the oldest step first. Raises StateError."""
        async with self._turn:
            return await _to_the_end(self.history.steps, self._find(name).origin)

    def _find(self, name: str) -> ServedZone:
        try:
            origin = names.fold(names.from_text(name))
        except WireError as error:
            raise StateError(str(error)) from error
        served = self.zones.get(origin)
        if served is None:
            raise StateError(f"zone {names.to_text(origin)} is not in the configuration")
        return served

    async def _reload_some(self, chosen: list[ServedZone]) -> list[dict[str, Any]]:
        """Serve what is in the files of some zones, and keep it; return what came of each."""
        await self._keep_loaded()
        told = []
        small: dict[bytes, dict[str, Any]] = {}
        for served in chosen:
            told.append(await self._reload_one(served))
            if told[-1].pop("small", False):
                small[served.origin] = told[-1]
        changed = [self.zones[origin] for origin in small]
        for at in range(0, len(changed), _BATCH):
            for origin, found in (await _to_the_end(self.history.record, changed[at : at + _BATCH])).items():
                _describe(small[origin], found)
        return told

    async def _reload_one(self, served: ServedZone) -> dict[str, Any]:
        before, was = served.serial, served.was
        draft = None
        try:
            zone = await asyncio.to_thread(served.read)
            large = len(zone.nodes) >= COMPARED or served.is_large()
            check_size(zone, self._config.store.memory_mib)  # before what it changes takes memory too
            if large:
                draft = await _to_the_end(self.history.draft, served, was, zone)
            if draft is None or not draft.is_same:
                changed = await asyncio.to_thread(draft.changed, len(zone.nodes)) if draft else None
                await self._publication.replace(zone, changed)
        except ApplianceError as error:
            self.history.discard(draft)
            served.error = str(error)
            _tell(error)
            kept = f"serial {before} is still served" if before is not None else "the zone is not served"
            return {"zone": served.name, "ok": False, "outcome": f"{error}; {kept}"}
        served.published(zone)
        _tell_doubts(served)
        outcome = f"serial {zone.serial}" if before is None else f"serial {before} replaced by {zone.serial}"
        self._note_change()
        _log.info("zone %s: %s", served.name, outcome)
        told = {"zone": served.name, "ok": True, "outcome": outcome, "small": not large}
        if draft is not None:
            await _to_the_end(self.history.keep, [draft])
            if draft.difference is not None:
                _describe(told, draft.difference)
        return told

    async def record(self) -> None:
        """Keep what a load has served, some zones at a time; reloads take turns with it."""
        zones = list(self.zones.values())
        async with self._turn:
            await self._keep_loaded()
        for at in range(0, len(zones), _BATCH):
            async with self._turn:
                await _to_the_end(self.history.record, zones[at : at + _BATCH])
        async with self._turn:
            await _to_the_end(self.history.sweep, self.zones)

    async def _keep_loaded(self) -> None:
        loading, self._loading = self._loading, None
        if loading is not None:
            await _to_the_end(lambda: self.history.keep(loading.drafts()))

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
            # Nobody may write to the store before the thread has ended.
            await _to_the_end(self._images.save, self._publication.store, zones)

    async def close(self) -> None:
        """Wait for a reload under way, and save what was not saved yet."""
        await asyncio.gather(*self._asked, return_exceptions=True)  # each waits for its turn
        async with self._turn:
            await self._keep_loaded()
        await self._save()


async def _to_the_end(work: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """Do something in a thread, which does not stop half-way: when this is cancelled, that is waited for."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **more))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _describe(told: dict[str, Any], found: Difference) -> None:
    """Add to the outcome of a reload what the new version changes."""
    told["removed"], told["added"] = found.removed_records, found.added_records
    if found.is_empty:
        told["outcome"] += ", the same records"
    else:
        told["outcome"] += f": {found.removed_records} records removed, {found.added_records} added"
        before, after = found.serials()
        if not is_newer(after, before):
            told["outcome"] += f"; {after} is not newer than {before} (RFC 1982), so secondaries will not fetch it"


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
