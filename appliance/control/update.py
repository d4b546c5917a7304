# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door for a change: whatever arrives is checked, compiled, shown, told and recorded, in this order."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from appliance.config.schema import Config
from appliance.control.outcomes import as_told, describe, failure, tell, tell_doubts
from appliance.errors import ApplianceError, StateError
from appliance.publish.batch import as_served
from appliance.publish.budget import check_size
from appliance.publish.compaction import Compaction
from appliance.publish.images import Images
from appliance.publish.loading import Loading
from appliance.publish.publication import COMPARED, Publication
from appliance.publish.uncancelled import to_the_end
from appliance.served.drafts import Draft
from appliance.served.dynamic import DynamicZones
from appliance.served.history import History
from appliance.served.zone_set import ZoneSet
from appliance.served.zones import ServedZone
from appliance.store.store import Store
from appliance.wording import without_zone
from appliance.zone.model import Zone

BATCH: Final = 500
"""Zones that are kept in one transaction."""

_REST: Final = 20
"""Pause after a store was saved, in multiples of the time that it took."""
_KEEP_S: Final = 1.0
_KEEP_MOST: Final = 20
"""Zones that are added are kept when none has come for a second, or after twenty; a start in between reads files."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version of a zone that has come, from wherever; what is told of it depends on whether it is news."""

    served: ServedZone
    zone: Zone
    is_kept: bool = False
    """Whether it is the kept version, because the source has none that can be served."""
    is_news: bool = True
    """Whether something says that it is another version than is served; if not, equal records are not told."""


class Update:
    """The only one that changes what is served. Who calls its methods holds `turn`, unless they say otherwise."""

    def __init__(self, config: Config, publication: Publication) -> None:
        """Start without zones."""
        self.config = config
        self.publication = publication
        self.dynamic = DynamicZones(config)
        self.zone_set = ZoneSet(config, self.dynamic)
        self.zones = self.zone_set.zones
        self.history = History(config)
        self.images = Images(config)
        self.turn = asyncio.Lock()
        self.loading: Loading | None = None
        """The load at the start, until what it has written down is kept."""
        self.changed = asyncio.Event()
        """Set while what is served is not what is saved."""
        self.compaction = Compaction(publication, self.zones, self.turn, self.changed.set, self.history.kept)
        self._asked: set[asyncio.Task[Any]] = set()
        self._to_keep: dict[bytes, ServedZone] = {}
        """Zones from small files that are served and not kept yet."""
        self._added = asyncio.Event()

    def configure(self, config: Config) -> None:
        """Take zones from where another configuration says, judge, keep and save them as it says, from now on.

        What follows for the zones that are served, `zone_set` tells. An image that no start would take is made again.
        """
        before, self.config = self.config, config
        self.dynamic.note_patterns(config)
        self.zone_set.configure(config)
        self.history.configure(config)
        self.images.configure(config)
        if before.checks != config.checks or before.store != config.store:
            self.note_change()
        if config.journal.keep and not before.journal.keep:
            self.ask(self.record())

    def fetch(self, origin: bytes) -> Zone:
        """Return a zone that has to be compiled once more, because of a neighbour. Raises StateError."""
        return self.zones[origin].again(self.history.kept)

    async def accept(self, arrival: Arrival) -> dict[str, Any]:
        """Serve a version, and keep it; return what came of it. What fails before it is shown leaves all as it was.

        Raises ApplianceError then, or whatever the zone makes the compiler raise.
        """
        served, zone = arrival.served, arrival.zone
        before = served.serial
        if not arrival.is_kept and served.state == "serving" and served.digest and zone.digest == served.digest:
            served.dnssec = zone.dnssec  # the same records may be judged by other rules
            return as_served(served)
        check_size(zone, self.config.store.memory_mib)  # before what it changes takes memory too
        large = len(zone.nodes) >= COMPARED or served.source.is_large() or bool(zone.includes)
        draft = await self._published(arrival, large)
        served.published(zone, as_kept=arrival.is_kept)
        tell_doubts(served)
        outcome = f"serial {zone.serial}" if before is None else f"serial {before} replaced by {zone.serial}"
        if before is None:
            self.changed.set()  # what comes leaves no waste
        else:
            self.note_change()
        _log.info("zone %s: %s", served.name, outcome)
        told = {"zone": served.name, "ok": True, "outcome": outcome, "small": not large}
        if draft is not None:
            await to_the_end(self.history.keep, [draft])
            if draft.difference is not None:
                describe(told, draft.difference)
            told["same"] = draft.is_same and not arrival.is_news
        return told

    async def _published(self, arrival: Arrival, large: bool) -> Draft | None:
        """Compile and show a version; return it as it is to be kept, where that is not done with others."""
        served, zone = arrival.served, arrival.zone
        draft = await to_the_end(self.history.draft, served, zone) if large and not arrival.is_kept else None
        try:
            if draft is None or not draft.is_same:
                changed = await asyncio.to_thread(draft.changed, len(zone.nodes)) if draft else None
                await self.publication.replace(zone, changed)
        except Exception:
            self.history.discard(draft)
            raise
        return draft

    async def refuse(self, served: ServedZone, error: ApplianceError) -> dict[str, Any]:
        """Go on with what is served of a zone, or with its kept version; without either its names answer SERVFAIL."""
        served.failed(str(error))
        tell(error)
        try:
            if served.state != "serving":
                await self._serve_without_file(served)
        except Exception as more:  # noqa: BLE001 - whatever the kept version does, the zone gets its placeholder
            served.failed(f"{served.error}; {served.without_name(str(as_told(served, more)))}")
        return failure(served.name, f"{served.error}; {served.fate()}")

    async def _serve_without_file(self, served: ServedZone) -> None:
        kept = await to_the_end(self.history.kept, served)
        if kept is not None:
            await self.accept(Arrival(served, kept, is_kept=True))
            return
        if served.origin not in self.publication.store.numbers:
            await self.publication.expect(served.placeholder())
            self.note_change()

    async def remove(self, origin: bytes) -> dict[str, Any]:
        """Serve a zone no more; return what came of it. One that cannot go is still served, and that is told."""
        served = self.zones[origin]
        try:
            if origin in self.publication.store.numbers:  # one that never could be read may have no place there
                await self.publication.remove(origin)
        except ApplianceError as error:
            tell(error)
            reason = f"{error}; it is still served"
            self.zone_set.failed = f"zone {served.name} cannot be removed: {without_zone(served.name, reason)}"
            self.zone_set.unlisted.add(origin)
            return failure(served.name, reason)
        del self.zones[origin]
        self.note_change()
        _log.info("zone %s: removed", served.name)
        return {"zone": served.name, "ok": True, "outcome": "removed"}

    async def remove_all(self, going: list[bytes]) -> tuple[list[dict[str, Any]], list[bytes]]:
        """Serve zones no more; return what came of each, and which of them have gone."""
        told: list[dict[str, Any]] = []
        removed: list[bytes] = []
        while going:  # one that must be compiled again because another one goes may be going itself
            outcomes = [await self.remove(origin) for origin in going]
            done = [origin for origin, one in zip(going, outcomes, strict=True) if one["ok"]]
            told += [one for one in outcomes if one["ok"] or not done]
            removed += done
            going = [origin for origin in going if origin not in done] if done else []
            if done:
                self.zone_set.failed = ""
        return told, removed

    def forget_frozen(self, removed: list[bytes]) -> None:
        """Forget that zones were frozen, which are served no more."""
        try:
            self.dynamic.drop(removed)
        except StateError as error:
            _log.warning("what is kept of zones that have gone stays for now: %s", error)

    async def write_list(self) -> None:
        """Write the list of added zones anew if it is not what the database is."""
        async with self.turn:
            await to_the_end(self.dynamic.write_list)

    def keep_soon(self, served: ServedZone) -> None:
        """Keep what is served of a zone from a small file, with others that come shortly after it."""
        self._to_keep[served.origin] = served
        self._added.set()

    async def keep_added(self) -> None:
        """Keep zones some time after they were added, for as long as this runs."""
        while True:
            await self._added.wait()
            for _ in range(_KEEP_MOST):
                self._added.clear()
                await asyncio.sleep(_KEEP_S)
                if not self._added.is_set():
                    break
            zones, self._to_keep = list(self._to_keep.values()), {}
            await self.keep(zones)

    async def keep(self, changed: list[ServedZone]) -> None:
        """Keep what is served of many zones, some at a time; reloads take turns with it."""
        for at in range(0, len(changed), BATCH):
            async with self.turn:
                some = [served for served in changed[at : at + BATCH] if self.zones.get(served.origin) is served]
                await to_the_end(self.history.record, some)

    async def record(self) -> None:
        """Keep what a load has served, some zones at a time; reloads take turns with it."""
        zones = list(self.zones.values())
        async with self.turn:
            await self.keep_loaded()
        for at in range(0, len(zones), BATCH):
            async with self.turn:
                still = [one for one in zones[at : at + BATCH] if self.zones.get(one.origin) is one]
                await to_the_end(self.history.record, still)
        async with self.turn:
            await to_the_end(self.history.sweep, self.zones)

    async def keep_loaded(self) -> None:
        """Keep what the load at the start has written down of large zones; once."""
        loading, self.loading = self.loading, None
        if loading is not None:
            await to_the_end(lambda: self.history.keep(loading.drafts()))

    def note_change(self) -> None:
        """Note that what is served is not what is saved, and that there may be waste."""
        self.changed.set()
        self.compaction.note()

    def set_aside(self, store: Store) -> Store | None:
        """Save a store and return what is in the file; None if that fails."""
        kept = self.images.set_aside(store, self.zones.values())
        if kept is not None:
            self.changed.clear()
        return kept

    def ask(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start work for which nobody waits before close(), and which takes its turn itself."""
        task = asyncio.get_running_loop().create_task(work)
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def keep_saving(self) -> None:
        """Save the store some time after each change, for as long as this runs."""
        pause = 0.0
        while True:
            await self.changed.wait()
            await asyncio.sleep(max(self.config.store.image_delay_s, pause))
            began = time.monotonic()
            await self._save()
            pause = _REST * (time.monotonic() - began)  # changes wait for it, and so do zones that are added

    async def _save(self) -> None:
        async with self.turn:
            if not self.changed.is_set():
                return
            self.changed.clear()
            zones = list(self.zones.values())
            # Nobody may write to the store before the thread has ended.
            await to_the_end(self.images.save, self.publication.store, zones)

    async def close(self) -> None:
        """Wait for a reload under way, and save what was not saved yet."""
        await asyncio.gather(*self._asked, return_exceptions=True)  # each waits for its turn
        async with self.turn:
            await self.keep_loaded()
            await to_the_end(self.history.record, [one for one in self._to_keep.values() if one.origin in self.zones])
            await to_the_end(self.dynamic.close)
            await to_the_end(self.history.remove, ())  # what could not be written before
        await self._save()
