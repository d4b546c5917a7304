# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that come and go while the server runs, without a look at all the others.

What is answered is on the disk: a change is written first, then served. A server that is killed in between serves all
that was written at its next start.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from appliance.config.patterns import ROOT_FILE, origin_of
from appliance.config.schema import Pattern
from appliance.control.channel import Begin, check_begun
from appliance.control.frozen import is_frozen, why_frozen
from appliance.control.outcomes import as_told, failure, plain, tell_doubts
from appliance.control.update import Arrival, Update
from appliance.errors import ApplianceError, StateError
from appliance.publish.batch import reload_together
from appliance.publish.uncancelled import to_the_end
from appliance.served.dynamic import pattern_for
from appliance.served.zone_set import Maker, dynamic_zone, rules_of
from appliance.served.zones import ServedZone
from appliance.state.zone_rows import NOT_ROLLED_BACK, Frozen
from appliance.wording import without_zone
from appliance.zone import names

Outcome = dict[str, Any]
"""What came of one zone: `zone`, `ok`, `outcome`, and `served` where it is not what is served."""

_ROOT: Final = names.from_text(f"{ROOT_FILE}.")

_log = logging.getLogger(__name__)


class ZoneChanges:
    """Adds zones, removes them, and gives them other patterns; some at a time, each batch one transaction."""

    def __init__(self, update: Update) -> None:
        """Change the zones of an update."""
        self._update = update

    async def add(self, wanted: Sequence[tuple[str, str]], begin: Begin, *, again: bool = False) -> list[Outcome]:
        """Add zones, given their names and patterns, at most BATCH; return what came of each, in this order.

        With `again`, a zone that is there already with the same pattern is no error. Raises StateError.
        """
        async with self._update.turn:
            check_begun("addzone", begin)
            batch = _Batch(self._update, again=again)
            for name, pattern in wanted:
                batch.look_at(name, pattern)
            try:
                await to_the_end(self._update.dynamic.put, batch.rows(), batch.patterns)
            except StateError as error:
                return batch.refused(str(error))
            self._update.zones.update(batch.fresh)
            for origin, told in (await self._serve(list(batch.fresh.values()))).items():
                batch.told[origin] = told
            return batch.outcomes()

    async def _serve(self, fresh: list[ServedZone]) -> dict[bytes, Outcome]:
        """Serve zones that are new; return what came of each."""
        update = self._update
        done = await reload_together(update.publication, fresh, update.config.store.memory_mib, tell_doubts)
        if done:
            update.changed.set()
        found: dict[bytes, Outcome] = {}
        for served in fresh:
            one = done.get(served.origin) or await self._serve_one(served)
            if one.pop("small", False):
                update.keep_soon(served)
            said = without_zone(served.name, str(one["outcome"]))
            found[served.origin] = {"zone": served.name, "ok": True, "outcome": f"added; {said}", "served": one["ok"]}
        return found

    async def _serve_one(self, served: ServedZone) -> Outcome:
        try:
            zone = await asyncio.to_thread(served.read)
            return await self._update.accept(Arrival(served, zone))
        except Exception as error:  # noqa: BLE001 - whatever one zone does, the others are served
            return await self._update.refuse(served, as_told(served, error))

    async def remove(self, wanted: Sequence[str], begin: Begin) -> list[Outcome]:
        """Remove zones that were added, at most BATCH; return what came of each. Raises StateError."""
        update = self._update
        async with update.turn:
            check_begun("delzone", begin)
            found = [self._to_remove(name) for name in wanted]
            going = dict.fromkeys(one for one in found if isinstance(one, bytes))
            before = {origin: update.dynamic.zones[origin] for origin in going}
            frozen = {origin: update.dynamic.frozen[origin] for origin in going if origin in update.dynamic.frozen}
            shadowed = {one for one in going if one in update.zone_set.shadowed}
            try:
                await to_the_end(update.dynamic.drop, list(going), shadowed)
            except StateError as error:
                return [_refused(one, str(error)) for one in found]
            told, removed = await update.remove_all(
                [one for one in going if one not in shadowed and one in update.zones]
            )
            await to_the_end(update.history.remove, removed)
            by_name = {str(one["zone"]): one for one in told}
            for origin in shadowed:
                del update.zone_set.shadowed[origin]
                name = names.to_text(origin)
                by_name[name] = {"zone": name, "ok": True, "outcome": "removed; it is served as it is configured"}
            left = {one: before[one] for one in going if not by_name.get(names.to_text(one), {"ok": True})["ok"]}
            if left:
                await self._put_back(left, {one: row for one, row in frozen.items() if one in left})
            return [_outcome(one, by_name) for one in found]

    async def _put_back(self, left: dict[bytes, str], frozen: dict[bytes, Frozen]) -> None:
        """Keep zones after all that are still served, because they cannot be taken out of the store."""
        dynamic = self._update.dynamic
        try:
            await to_the_end(dynamic.put, left, {})
            for origin, row in frozen.items():
                serial = None if row.serial == NOT_ROLLED_BACK else self._update.zones[origin].serial
                await to_the_end(dynamic.freeze, {origin: row}, serial)
        except StateError as error:
            _log.error("zones that are still served will be gone after the next start: %s", error)

    def _to_remove(self, name: str) -> bytes | Outcome:
        """Return the origin of a zone that was added, or why it is none."""
        try:
            origin = origin_of(name, "")
        except ApplianceError as error:
            return failure(name, str(error))
        if origin in self._update.dynamic.zones:
            return origin
        text = names.to_text(origin)
        if origin in self._update.zones:
            reason = "is configured, not added: take it out of the configuration, the list or the folder that names it"
            return failure(text, f"zone {text} {reason}")
        return failure(text, f"zone {text} is not served")

    async def change(self, name: str, pattern: str, begin: Begin) -> list[Outcome]:
        """Give a zone that was added another pattern; return what came of it. Raises StateError."""
        update = self._update
        async with update.turn:
            check_begun("changezone", begin)
            origin = self._to_remove(name)
            if not isinstance(origin, bytes):
                raise StateError(str(origin["outcome"]).replace("take it out of", "give it another pattern in"))
            if origin in update.zone_set.shadowed:
                raise StateError(f"zone {names.to_text(origin)} is configured too, which counts: change it there")
            known = update.zones.get(origin)  # none where nobody knows the file of its pattern
            if known is not None and is_frozen(known):
                raise StateError(f"zone {known.name} is {why_frozen(update, known)}")
            found = pattern_for(update.config, pattern)
            fresh = dynamic_zone(Maker(rules_of(update.config)), origin, found)
            was = known.file if known is not None else ""
            await to_the_end(update.dynamic.put, {origin: pattern}, {pattern: found})
            served = update.zone_set.take(fresh)
            told = await self._serve_one(served)
            if told.pop("small", False):
                update.keep_soon(served)
            moved = f"read from {served.file} now: " if served.file != was else ""
            outcome = f"pattern {pattern}; {moved}{without_zone(served.name, str(told['outcome']))}"
            return plain([{**told, "ok": True, "outcome": outcome, "served": told["ok"]}])


class _Batch:
    """Zones that are to be added together, and what came of each."""

    def __init__(self, update: Update, *, again: bool) -> None:
        self._update = update
        self._again = again
        self._make = Maker(rules_of(update.config))
        self._order: list[bytes | Outcome] = []
        self._wrong: dict[str, str] = {}
        self.patterns: dict[str, Pattern] = {}
        self.fresh: dict[bytes, ServedZone] = {}
        self._named: dict[bytes, str] = {}
        self.told: dict[bytes, Outcome] = {}

    def look_at(self, name: str, pattern: str) -> None:
        """Take one zone, or note why it cannot be added."""
        try:
            origin = origin_of(name, "")
        except ApplianceError as error:
            self._order.append(failure(name, str(error)))
            return
        try:
            found = self._pattern(pattern)
            self._check(origin, pattern)
        except StateError as error:
            self._order.append(failure(names.to_text(origin), str(error)))
            return
        self._order.append(origin)
        known = self._update.dynamic.zones.get(origin)
        if known == pattern:
            self.told[origin] = {"zone": names.to_text(origin), "ok": True, "outcome": "is there already"}
            return
        self.fresh[origin] = dynamic_zone(self._make, origin, found)
        self._named[origin] = pattern

    def _pattern(self, name: str) -> Pattern:
        if name in self._wrong:
            raise StateError(self._wrong[name])
        if name not in self.patterns:
            try:
                self.patterns[name] = pattern_for(self._update.config, name)
            except StateError as error:
                self._wrong[name] = str(error)
                raise
        return self.patterns[name]

    def _check(self, origin: bytes, pattern: str) -> None:
        """Raise StateError where a zone cannot be added."""
        zone = names.to_text(origin)
        if origin in self.fresh:
            raise StateError(f"zone {zone} is named twice")
        known = self._update.dynamic.zones.get(origin)
        if known is not None and not (self._again and known == pattern):
            raise StateError(
                f"zone {zone} is there already, with pattern {known}; `appliance changezone` gives it another pattern"
            )
        if known is None and origin in self._update.zones:
            raise StateError(f"zone {zone} is configured already, in {self._update.zones[origin].file}")
        if origin == _ROOT:
            raise StateError(f"{ROOT_FILE} in the name of a file stands for the root zone; give zone root. a [[zone]]")

    def rows(self) -> dict[bytes, str]:
        """Return the zones that are new, with their patterns."""
        return self._named

    def refused(self, reason: str) -> list[Outcome]:
        """Return the outcomes where nothing could be written."""
        return [
            failure(names.to_text(one), f"not added: {reason}")
            if isinstance(one, bytes) and one in self.fresh
            else _outcome(one, self._by_name())
            for one in self._order
        ]

    def outcomes(self) -> list[Outcome]:
        """Return what came of each zone, in the order in which they were taken."""
        by_name = self._by_name()
        return [_outcome(one, by_name) for one in self._order]

    def _by_name(self) -> dict[str, Outcome]:
        return {str(one["zone"]): one for one in self.told.values()}


def _outcome(one: bytes | Outcome, by_name: dict[str, Outcome]) -> Outcome:
    if isinstance(one, bytes):
        name = names.to_text(one)
        return by_name.get(name) or {"zone": name, "ok": True, "outcome": "removed"}
    return one


def _refused(one: bytes | Outcome, reason: str) -> Outcome:
    return failure(names.to_text(one), f"not removed: {reason}") if isinstance(one, bytes) else one


def result(zones: Iterable[Outcome]) -> dict[str, Any]:
    """Return outcomes as a verb tells them: ok where all was done, healthy where all of it is served."""
    zones = list(zones)
    ok = all(one["ok"] for one in zones)
    return {"ok": ok, "healthy": not ok or all(one.get("served", True) for one in zones), "zones": zones}
