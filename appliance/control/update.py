# SPDX-License-Identifier: GPL-3.0-or-later
"""Read zone files and publish what is in them, one request at a time; a bad file never replaces what is served."""

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

from appliance import crash
from appliance.compiler.neighbours.world import World
from appliance.config.schema import Config
from appliance.control.stage import Stage
from appliance.errors import ApplianceError, StateError, WireError, ZoneError
from appliance.publish.batch import as_served, reload_together
from appliance.publish.budget import check_size
from appliance.publish.compaction import Compaction
from appliance.publish.images import Images
from appliance.publish.loading import Loading
from appliance.publish.progress import Progress
from appliance.publish.publication import COMPARED, OPCODES_PASSED_UP, Publication
from appliance.served.history import History
from appliance.served.zone_set import ZoneSet
from appliance.served.zones import ServedZone
from appliance.state.journal import Entry, is_newer
from appliance.store.store import Store
from appliance.zone import names
from appliance.zone.diff.difference import Difference
from appliance.zone.model import Zone

_BATCH: Final = 500
"""Zones that are kept in one transaction."""

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Reloader:
    """The only one that changes what is served."""

    def __init__(
        self, config: Config, publication: Publication, progress: Progress, stage: Stage | None = None
    ) -> None:
        """Start without zones, which load_all() finds."""
        self.zone_set = ZoneSet(config)
        self.zones = self.zone_set.zones
        self._config = config
        self._publication = publication
        self._progress = progress
        self._stage = stage
        self._images = Images(config)
        self.history = History(config)
        self._turn = asyncio.Lock()
        self._asked: set[asyncio.Task[Any]] = set()
        self._loading: Loading | None = None
        self._changed = asyncio.Event()
        """Set while what is served is not what is saved."""
        self.compaction = Compaction(publication, self.zones, self._turn, self._changed.set, self.history.kept)

    async def load_all(self) -> None:
        """Serve every zone, those that did not change from the saved store, bad ones as they were kept, else SERVFAIL.

        Raises ApplianceError.
        """
        async with self._turn:
            await asyncio.to_thread(self._find_zones)
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
                world = await asyncio.to_thread(loading.run, None if saved is None else World(saved))
            finally:
                self._progress.end()
            if saved is not None:
                _log.info("%d zones are as they were saved, %d were read", len(self.zones) - fresh, fresh)
            world.fetch = self._fetch
            if fresh or gone:
                self._changed.set()
            await self._publication.publish(world, world.store is not saved, self._set_aside)
            for served in self.zones.values():
                _tell_doubts(served)
            del saved, world
            gc.collect()  # models and the arrays that were moved from point at themselves
            gc.freeze()

    def _find_zones(self) -> None:
        """Find what is to be served, and keep nothing of other zones: one that was taken out must not come back."""
        self.history.remove(self.zone_set.start(self.history.known()))
        for problem in self.zone_set.problems():
            _log.warning("%s", problem)

    def _set_aside(self, store: Store) -> Store | None:
        kept = self._images.set_aside(store, self.zones.values())
        if kept is not None:
            self._changed.clear()
        return kept

    def cancel(self) -> None:
        """Give a load up that is under way."""
        if self._loading is not None:
            self._loading.cancel()

    def _fetch(self, origin: bytes) -> Zone:
        return self.zones[origin].again(self.history.kept)

    async def reload(self, name: str = "", allow_removal: str = "") -> list[dict[str, Any]]:
        """Read the file of one zone, or of all that may have changed or failed; return what came of each.

        Without a name lists and folders are looked at again too: zones come and go with them, and what is wrong with a
        line or a file name is told each time. allow_removal is the number of a set of zones that are to go though they
        are many. Raises StateError for a zone that is not configured.
        """
        if name and allow_removal:
            raise StateError("--allow-removal is for a reload of all zones: leave the name of the zone out")
        async with self._turn:
            await self._publication.reconcile()
            if name:
                return _plain(await self._reload_some([self._find(name)]))
            told = await self._look_again(allow_removal)
            chosen = await asyncio.to_thread(self._chosen)
            return told + _plain([one for one in await self._reload_some(chosen) if not one.get("same")])

    def _chosen(self) -> list[ServedZone]:
        """Return the zones whose files have to be looked into; not those that nothing names and that have none."""
        unlisted = self.zone_set.unlisted
        return [
            served
            for served in list(self.zones.values())
            if (served.origin not in unlisted or os.path.exists(served.file)) and served.may_have_changed()  # noqa: PTH110
        ]

    async def _look_again(self, allow_removal: str) -> list[dict[str, Any]]:
        """Remove the zones that are not configured any more and take up new ones, which are read next."""
        plan = await asyncio.to_thread(self.zone_set.look_again, allow_removal)
        self.zone_set.failed = ""
        told = [
            _failure(f"{one.file}:{one.line}" if one.line else one.file, one.reason)
            for one in self.zone_set.findings
            if one.severity == "error"
        ]
        removed, going = [], list(plan.gone)
        while going:  # one that must be compiled again because another one goes may be going itself
            outcomes = [await self._remove(origin) for origin in going]
            done = [origin for origin, one in zip(going, outcomes, strict=True) if one["ok"]]
            told += [one for one in outcomes if one["ok"] or not done]
            removed += done
            going = [origin for origin in going if origin not in done] if done else []
            if done:
                self.zone_set.failed = ""
        await _to_the_end(self.history.remove, removed)
        for served in plan.fresh:
            if served.origin in self.zones:
                self.zones[served.origin].place = served.place
            else:
                self.zones[served.origin] = served
        held = self.zone_set.limit.held
        if plan.refused or held:
            told.append(_failure("removal", plan.refused or str(held)))
        return told

    async def _remove(self, origin: bytes) -> dict[str, Any]:
        served = self.zones[origin]
        try:
            if origin in self._publication.store.numbers:  # one that never could be read may have no place there
                await self._publication.remove(origin)
        except ApplianceError as error:
            _tell(error)
            reason = f"{error}; it is still served"
            self.zone_set.failed = f"zone {served.name} cannot be removed: {reason}"
            self.zone_set.unlisted.add(origin)
            return _failure(served.name, reason)
        del self.zones[origin]
        self._note_change()
        _log.info("zone %s: removed", served.name)
        return {"zone": served.name, "ok": True, "outcome": "removed"}

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
        self._say(f"{len(chosen)} zones")
        done = await reload_together(self._publication, chosen, self._config.store.memory_mib, _tell_doubts)
        if done:
            _log.info("%d zones were read and replaced together", len(done))
            self._note_change()
        for number, served in enumerate(chosen, 1):
            self._say(f"zone {served.name} ({number} of {len(chosen)})")
            told.append(done.get(served.origin) or await self._reload_one(served))
            if told[-1].pop("small", False):
                small[served.origin] = told[-1]
        changed = [self.zones[origin] for origin in small]
        self._say("" if not changed else f"what {len(changed)} zones have changed")
        if len(changed) > _BATCH:
            self._ask(self._keep(changed))  # to compare as many with what was kept takes longer than to serve them
            return told
        for origin, found in (await _to_the_end(self.history.record, changed)).items():
            _describe(small[origin], found)
        return told

    async def _keep(self, changed: list[ServedZone]) -> None:
        """Keep what is served of many zones, some at a time; reloads take turns with it."""
        for at in range(0, len(changed), _BATCH):
            async with self._turn:
                some = [served for served in changed[at : at + _BATCH] if served.origin in self.zones]
                await _to_the_end(self.history.record, some)

    async def _reload_one(self, served: ServedZone) -> dict[str, Any]:
        before = served.serial
        is_other = bool(served.error) or served.has_changed()
        draft = None
        try:
            zone = await asyncio.to_thread(served.read)
            if served.state == "serving" and served.digest and zone.digest == served.digest:
                return as_served(served)
            large = len(zone.nodes) >= COMPARED or served.is_large() or bool(zone.includes)
            check_size(zone, self._config.store.memory_mib)  # before what it changes takes memory too
            if large:
                draft = await _to_the_end(self.history.draft, served, zone)
            if draft is None or not draft.is_same:
                changed = await asyncio.to_thread(draft.changed, len(zone.nodes)) if draft else None
                await self._publication.replace(zone, changed)
        except Exception as error:  # noqa: BLE001 - whatever one zone does, the others are reloaded
            self.history.discard(draft)
            return await self._refused(served, _as_told(served, error))
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
            told["same"] = draft.is_same and not is_other
        return told

    async def _refused(self, served: ServedZone, error: ApplianceError) -> dict[str, Any]:
        """Go on with what is served of a zone, or with its kept version; without either its names answer SERVFAIL."""
        served.error = str(error)
        _tell(error)
        try:
            if served.state != "serving":
                await self._serve_without_file(served)
        except Exception as more:  # noqa: BLE001 - as above
            served.error += f"; {_as_told(served, more)}"
        known = f"serial {served.serial} is still served" if served.state == "serving" else "the zone is not served"
        return _failure(served.name, f"{error}; {known}")

    async def _serve_without_file(self, served: ServedZone) -> None:
        kept = await _to_the_end(self.history.kept, served)
        if kept is not None:
            await self._publication.replace(kept)
            served.published(kept, served.error)
        elif served.origin not in self._publication.store.numbers:
            await self._publication.expect(served.placeholder())
        else:
            return
        self._note_change()

    async def record(self) -> None:
        """Keep what a load has served, some zones at a time; reloads take turns with it."""
        zones = list(self.zones.values())
        async with self._turn:
            await self._keep_loaded()
        for at in range(0, len(zones), _BATCH):
            async with self._turn:
                still = [one for one in zones[at : at + _BATCH] if self.zones.get(one.origin) is one]
                await _to_the_end(self.history.record, still)
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
        self._ask(self._reload_on_signal())

    def _ask(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have something done that nobody waits for before the end."""
        task = asyncio.get_running_loop().create_task(work)
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _reload_on_signal(self) -> None:
        """Reload; nobody waits for the outcome, so what is not wrong with single zones is kept for the verb status."""
        try:
            for one in await self.reload():
                (_log.info if one["ok"] else _log.warning)("%s: %s", one["zone"], one["outcome"])
        except ApplianceError as error:
            self.zone_set.failed = f"the reload that SIGHUP asked for failed: {error}"
            _log.error("%s", self.zone_set.failed)
        except Exception as error:  # noqa: BLE001 - a signal has no caller who could report it
            crash.log(error, "reloading on SIGHUP")
            self.zone_set.failed = f"the reload that SIGHUP asked for failed: {type(error).__name__}; the log has more"

    def _say(self, doing: str) -> None:
        if self._stage is not None:
            self._stage.reloading = doing

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


def _as_told(served: ServedZone, error: Exception) -> ApplianceError:
    if isinstance(error, ApplianceError):
        return error
    _log.error("zone %s: unexpected %r", served.name, error)
    return ZoneError(f"zone {served.name}: it cannot be served: {str(error) or type(error).__name__}")


def _plain(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return outcomes without what only this module asks for."""
    for one in told:
        one.pop("same", None)
    return told


def _failure(what: str, outcome: str) -> dict[str, Any]:
    return {"zone": what, "ok": False, "outcome": outcome}


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
