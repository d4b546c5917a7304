# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators do with versions of single zones: freeze, thaw, look at them, and roll back to one."""

import time
from typing import Any, Final

from appliance.control.channel import Begin, check_begun
from appliance.control.frozen import freeze_in_memory, is_frozen, thaw_in_memory, why_frozen
from appliance.control.outcomes import plain
from appliance.control.reload import Reloader
from appliance.control.update import BATCH, Arrival, Update
from appliance.errors import StateError
from appliance.publish.uncancelled import to_the_end
from appliance.served.frozen_source import FrozenSource
from appliance.served.signatures import moment
from appliance.served.zone_files import known_stamp
from appliance.served.zones import ServedZone
from appliance.state.zone_rows import Frozen
from appliance.zone.model import Zone

_SERIALS: Final = 1 << 32
_TOLD: Final = 1000
"""Frozen zones that are told one by one, at most."""
_LOST: Final = "what is served cannot be kept, so that a start reads the file"


class Freezing:
    """The verbs freeze, thaw, zone versions and zone rollback."""

    def __init__(self, update: Update, reloader: Reloader) -> None:
        """Work on the zones of an update."""
        self._update = update
        self._reloader = reloader

    async def freeze(self, name: str, begin: Begin) -> list[dict[str, Any]]:
        """Read the file of a zone, or of all that are served, no more; return what came of each. Raises StateError."""
        update = self._update
        async with update.turn:
            check_begun("freeze", begin)
            if name:
                chosen = [self._reloader.find(name)]
                if is_frozen(chosen[0]):
                    return [_done(chosen[0], f"is {why_frozen(update, chosen[0])}")]
                if chosen[0].state != "serving":
                    raise StateError(f"zone {chosen[0].name}: nothing is served of it, so there is nothing to freeze")
            else:
                chosen = [one for one in update.zones.values() if one.state == "serving" and not is_frozen(one)]
            await update.keep_loaded()
            for at in range(0, len(chosen), BATCH):
                await to_the_end(update.history.record, chosen[at : at + BATCH])
            rows, digests = await to_the_end(self._looked_at, chosen)
            await to_the_end(update.dynamic.freeze, rows)
            told = [self._frozen(served, digests.get(served.origin, (0, b""))[1]) for served in chosen]
            return told if len(told) <= _TOLD else _shortened(told)

    def _looked_at(self, chosen: list[ServedZone]) -> tuple[dict[bytes, Frozen], dict[bytes, tuple[int, bytes]]]:
        now = int(time.time())
        rows = {served.origin: Frozen(now, stamp=known_stamp(served)) for served in chosen}
        return rows, self._update.history.known_versions(rows)

    def _frozen(self, served: ServedZone, kept: bytes) -> dict[str, Any]:
        is_kept = bool(kept) and kept == served.digest
        freeze_in_memory(self._update, served, kept if is_kept else b"")
        lost = "" if is_kept else f"; {_LOST}"
        return _done(served, f"frozen at serial {served.serial}{lost}")

    async def thaw(self, name: str, begin: Begin) -> list[dict[str, Any]]:
        """Read the file of a zone, or of all that are frozen, again; return what came of each. Raises StateError."""
        update = self._update
        async with update.turn:
            check_begun("thaw", begin)
            chosen = [self._reloader.find(name)] if name else [one for one in update.zones.values() if is_frozen(one)]
            if name and not is_frozen(chosen[0]):
                return [_done(chosen[0], "was not frozen")]
            await to_the_end(update.dynamic.thaw, [served.origin for served in chosen])
            for served in chosen:
                thaw_in_memory(served)
            return plain(await self._reloader.reload_some(chosen))

    async def versions(self, name: str) -> dict[str, Any]:
        """Return the versions of a zone that are kept, the newest first. Raises StateError."""
        update = self._update
        async with update.turn:
            served = self._reloader.find(name)
            steps = await to_the_end(update.history.steps, served.origin)
            back = await to_the_end(update.dynamic.rollbacks, served.origin)
        found: list[dict[str, Any]] = []
        for step in reversed(steps):
            found.append({"serial": step.after, "since": step.made, "source": _source(served, back, step.after)})
        if steps:
            found.append({"serial": steps[0].before, "since": None, "source": _source(served, back, steps[0].before)})
        elif served.serial is not None:
            found.append({"serial": served.serial, "since": None, "source": _source(served, back, served.serial)})
        return {"zone": served.name, "served": served.serial, "versions": found}

    async def rollback(self, name: str, serial: str, begin: Begin, *, force: bool = False) -> dict[str, Any]:
        """Serve an earlier version of a zone again, and freeze the zone; return what came of it. Raises StateError."""
        update = self._update
        if not serial.isascii() or not serial.isdecimal() or int(serial) >= _SERIALS:
            raise StateError(f"{serial!r} is no serial: it is a number from 0 to {_SERIALS - 1}")
        async with update.turn:
            check_begun("rollback", begin)
            served = self._reloader.find(name)
            if served.state != "serving" or served.serial is None:
                raise StateError(f"zone {served.name}: nothing is served of it, so there is no version to go back from")
            if served.serial == int(serial):
                raise StateError(f"zone {served.name}: serial {serial} is what is served")
            await update.keep_loaded()
            if not is_frozen(served):
                await to_the_end(update.history.record, [served])
            zone, keeps_serial = await to_the_end(self._earlier, served, int(serial), force)
            return await self._roll_back(served, zone, int(serial), keeps_serial=keeps_serial)

    def _earlier(self, served: ServedZone, serial: int, force: bool) -> tuple[Zone, bool]:
        """Return the version that had a serial as it is to be served, and whether it keeps that. Raises StateError."""
        assert served.serial is not None
        found = self._update.history.earlier(served, serial, None)
        if found.dnssec is None and found.scheme == "unsigned":
            return self._update.history.earlier(served, serial, (served.serial + 1) % _SERIALS), False
        _check_signed(served, found, force)
        return found, True

    async def _roll_back(self, served: ServedZone, zone: Zone, serial: int, *, keeps_serial: bool) -> dict[str, Any]:
        update = self._update
        known = update.dynamic.frozen.get(served.origin)
        stamp = known.stamp if known else await to_the_end(known_stamp, served)
        row = Frozen(int(time.time()), serial, stamp)
        was_frozen = is_frozen(served)
        await to_the_end(update.dynamic.freeze, {served.origin: row}, zone.serial)
        if not was_frozen:
            freeze_in_memory(update, served, served.digest)
        try:
            told = await update.accept(Arrival(served, zone))
        except Exception:  # whatever the version makes the compiler raise; the caller gets it
            if not was_frozen:
                await to_the_end(update.dynamic.thaw, [served.origin])
                thaw_in_memory(served)
            elif known is not None:
                await to_the_end(update.dynamic.freeze, {served.origin: known})
            raise
        kept = (await to_the_end(update.history.known_versions, [served.origin])).get(served.origin, (0, b""))[1]
        is_kept = bool(kept) and kept == served.digest
        if isinstance(served.source, FrozenSource):
            served.source.digest = served.digest if is_kept else b""
        told["outcome"] += f"; rolled back to serial {serial}, and frozen until `appliance thaw {served.name}`"
        if keeps_serial:
            told["outcome"] += "; secondaries will not follow, since a signed zone keeps its serial"
        if not is_kept:
            told["outcome"] += f"; it cannot be kept, so that a start reads the file: {update.history.failure}"
        return {"ok": is_kept, "zones": plain([told])}


def _check_signed(served: ServedZone, zone: Zone, force: bool) -> None:
    """Raise StateError where a signed version may not be served again."""
    summary, now = zone.dnssec, time.time()
    ends = summary.earliest_expiration if summary else None
    if summary is None or summary.expired or summary.not_yet_valid or (ends is not None and ends <= now):
        raise StateError(
            f"zone {served.name}: the signatures of serial {zone.serial} are not valid now; sign that version again "
            "and reload it"
        )
    if not force:
        until = f" (until {moment(ends)})" if ends is not None else ""
        raise StateError(
            f"zone {served.name} is signed: serial {zone.serial} stays what it is, since another SOA would break its "
            f"signatures, so that secondaries will not follow; its signatures are valid{until}: --force does it"
        )


def _shortened(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of very many outcomes that are not as usual, and how many there are."""
    odd = [one for one in told if _LOST in one["outcome"]]
    return [*odd[:_TOLD], {"zone": f"{len(told)} zones", "ok": True, "outcome": "frozen"}]


def _source(served: ServedZone, back: dict[int, int], serial: int) -> str:
    return f"rollback to {back[serial]}" if serial in back else f"file {served.file}"


def _done(served: ServedZone, outcome: str) -> dict[str, Any]:
    return {"zone": served.name, "ok": True, "outcome": outcome}
