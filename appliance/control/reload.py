# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what operators have edited, one request at a time; a bad file never replaces what is served."""

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from typing import Any

from appliance import crash
from appliance.control.channel import check_begun
from appliance.control.config_file import ConfigFile
from appliance.control.frozen import frozen_and_changed, frozen_outcome, is_frozen
from appliance.control.outcomes import as_told, describe, failure, plain, tell_doubts
from appliance.control.stage import Stage
from appliance.control.update import BATCH, Arrival, Update
from appliance.errors import ApplianceError, StateError, WireError
from appliance.publish.batch import reload_together
from appliance.publish.uncancelled import to_the_end
from appliance.served.zone_set import Foreseen, Plan
from appliance.served.zones import ServedZone
from appliance.state.journal import Entry
from appliance.wording import counted, visible, without_zone
from appliance.zone import names

_log = logging.getLogger(__name__)


class Reloader:
    """Looks at lists, folders and files again, and hands on what has come."""

    def __init__(self, file: ConfigFile, update: Update, stage: Stage | None = None) -> None:
        """Serve what is in the configuration file; stage is told how far a reload is."""
        self.config_file = file
        self._update = update
        self._zone_set = update.zone_set
        self._zones = update.zones
        self._stage = stage

    async def reload(
        self, name: str = "", allow_removal: str = "", begin: Callable[[], bool] = lambda: True
    ) -> list[dict[str, Any]]:
        """Read the file of one zone, or of all that may have changed or failed; return what came of each.

        Without a name lists and folders are looked at again too: zones come and go with them, and what is wrong with a
        line or a file name is told each time. allow_removal is the number of a set of zones that are to go though they
        are many. `begin` is asked when the turn comes: where it says no, nothing is done. Raises StateError then, and
        for a zone that is not configured.
        """
        if name and allow_removal:
            raise StateError("--allow-removal is for a reload of all zones: leave the name of the zone out")
        async with self._update.turn:
            check_begun("reload", begin)
            await self._update.publication.reconcile()
            if name:
                return plain(await self.reload_some([self.find(name)]))
            told = await self._look_again(allow_removal)
            told += await asyncio.to_thread(frozen_and_changed, self._update)
            chosen = await asyncio.to_thread(self._chosen)
            return told + plain([one for one in await self.reload_some(chosen) if not one.get("same")])

    def _chosen(self) -> list[ServedZone]:
        """Return the zones whose files have to be looked into; not those that nothing names and that have none."""
        unlisted = self._zone_set.unlisted
        return [
            served
            for served in list(self._zones.values())
            if (served.origin not in unlisted or os.path.exists(served.file)) and served.may_have_changed()  # noqa: PTH110
        ]

    async def _look_again(self, allow_removal: str) -> list[dict[str, Any]]:
        """Remove the zones that are not configured any more and take up new ones, which are read next."""
        plan = await asyncio.to_thread(self._zone_set.look_again, allow_removal)
        told = await self._follow(plan)
        if edited := await asyncio.to_thread(self.config_file.change):
            told.append(failure("configuration", edited))
        return told

    async def take_up(self, foreseen: Foreseen, judged: Collection[ServedZone]) -> list[dict[str, Any]]:
        """Do what a look at another configuration has found, and judge some zones anew; return what came of each.

        The caller holds the turn of Update.
        """
        plan = await asyncio.to_thread(self._zone_set.follow, foreseen)
        told = await self._follow(plan)
        told += plain(await self.reload_some([self._zones[one.origin] for one in plan.fresh]))
        fresh = {one.origin for one in plan.fresh}
        for served in judged:
            if served.origin in self._zones and served.origin not in fresh:
                self._say(f"zone {served.name}")
                told += plain([one for one in [await self._reload_one(served)] if not one.get("same")])
        return told

    async def _follow(self, plan: Plan) -> list[dict[str, Any]]:
        """Remove zones and take up new ones; return what came of it, and what is wrong with lists and folders."""
        self._zone_set.failed = ""
        told = [
            failure(visible(f"{one.file}:{one.line}" if one.line else one.file), visible(one.reason))
            for one in self._zone_set.findings
            if one.severity == "error"
        ]
        outcomes, removed = await self._update.remove_all(list(plan.gone))
        told += outcomes
        await to_the_end(self._update.history.remove, removed)
        await to_the_end(self._update.forget_frozen, removed)
        for served in plan.fresh:
            if served.origin in self._zones:
                self._zones[served.origin].read_from(served.source)
            else:
                self._zones[served.origin] = served
        held = self._zone_set.limit.held
        if plan.refused or held:
            told.append(failure("removal", plan.refused or str(held)))
        return told

    async def steps(self, name: str) -> list[Entry]:
        """Return the journal of a zone, the oldest step first. Raises StateError."""
        async with self._update.turn:
            return await to_the_end(self._update.history.steps, self.find(name).origin)

    def find(self, name: str) -> ServedZone:
        """Return the zone of a name. Raises StateError where there is none."""
        try:
            origin = names.fold(names.from_text(name))
        except WireError as error:
            raise StateError(str(error)) from error
        served = self._zones.get(origin)
        if served is None:
            edited = self.config_file.change()
            raise StateError(f"zone {names.to_text(origin)} is not in the configuration{edited and f'; {edited}'}")
        return served

    async def reload_some(self, chosen: list[ServedZone]) -> list[dict[str, Any]]:
        """Serve what is in the files of some zones, and keep it; return what came of each."""
        await self._update.keep_loaded()
        told = [frozen_outcome(self._update, served) for served in chosen if is_frozen(served)]
        chosen = [served for served in chosen if not is_frozen(served)]
        small: dict[bytes, dict[str, Any]] = {}
        self._say(counted(len(chosen), "zone"))
        done = await reload_together(
            self._update.publication, chosen, self._update.config.store.memory_mib, tell_doubts
        )
        if done:
            _log.info("read and replaced together: %s", counted(len(done), "zone"))
            self._update.note_change()
        for number, served in enumerate(chosen, 1):
            self._say(f"zone {served.name} ({number} of {len(chosen)})")
            told.append(done.get(served.origin) or await self._reload_one(served))
            if told[-1].pop("small", False):
                small[served.origin] = told[-1]
        changed = [self._zones[origin] for origin in small]
        self._say("" if not changed else f"what has changed in {counted(len(changed), 'zone')}")
        if len(changed) > BATCH:
            # To compare so large a number with the kept versions takes longer than to serve them.
            self._update.ask(self._update.keep(changed))
            return told
        for origin, found in (await to_the_end(self._update.history.record, changed)).items():
            describe(small[origin], found)
        return told

    async def _reload_one(self, served: ServedZone) -> dict[str, Any]:
        is_news = bool(served.error) or served.source.changed()
        try:
            zone = await asyncio.to_thread(served.read)
            return await self._update.accept(Arrival(served, zone, is_news=is_news))
        except Exception as error:  # noqa: BLE001 - whatever one zone does, the others are reloaded
            return await self._update.refuse(served, as_told(served, error))

    async def reload_on_signal(self) -> None:
        """Reload what has changed; nobody waits for it, so what is not wrong with single zones is kept for status."""
        try:
            for one in await self.reload():
                said = without_zone(one["zone"], one["outcome"])
                (_log.info if one["ok"] else _log.warning)("%s: %s", one["zone"], said)
        except ApplianceError as error:
            self._zone_set.failed = f"the reload that SIGHUP asked for failed: {error}"
            _log.error("%s", self._zone_set.failed)
        except Exception as error:  # noqa: BLE001 - a signal has no caller who could report it
            crash.log(error, "reloading on SIGHUP")
            self._zone_set.failed = f"the reload that SIGHUP asked for failed: {type(error).__name__}; the log has more"

    def _say(self, doing: str) -> None:
        if self._stage is not None:
            self._stage.reloading = doing
