# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the control sockets: what each does at every stage of the server's life."""

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from appliance.control import zone_verbs
from appliance.control.apply import Apply
from appliance.control.bulk import Bulk, BulkVerb, Streaming
from appliance.control.channel import Begin, Verb, Waiting, WaitingVerb
from appliance.control.detach import take_off_by_server
from appliance.control.reload import Reloader
from appliance.control.server_verbs import server_verbs
from appliance.control.stage import Stage
from appliance.control.stats_difference import StatsDifference
from appliance.control.status import Told, starting
from appliance.control.verb_table import VERBS, Row, checked
from appliance.control.zone_status import zone_status
from appliance.control.zone_verbs import ZoneVerbs
from appliance.errors import ApplianceError
from appliance.publish.workers import WorkerPool
from appliance.served.zones import ServedZone

NAMES: Final = 1000
"""Names of zones in the answer to `names`, which is for completion in a shell."""


class Verbs:
    """What operators may ask for; `control` for those who may change something, `reading` for the others."""

    def __init__(
        self, stage: Stage, pool: WorkerPool, endpoints: Sequence[tuple[str, int]], stop: asyncio.Event
    ) -> None:
        self._stage = stage
        self._pool = pool
        self._endpoints = endpoints
        self._stop = stop
        self._told: Told | None = None
        self._reloader: Reloader | None = None
        self._zones: ZoneVerbs | None = None
        self._applying: Apply | None = None
        self._turn = asyncio.Lock()
        self._coming: dict[str, _Coming] = {}
        """What has not begun, by verb and arguments: whoever wants the same waits for the same one."""
        self._functions: Mapping[str, Verb] = {
            "status": self._status,
            "stats": self._stats,
            "names": self._names,
            "journal": self._journal,
            "zonestatus": self._zone_status,
            "detach": self._detach,
            "stop": self._end,
            **server_verbs(stage),
            **dict.fromkeys(("notify", "transfer", "force_transfer"), self._ask_peers),
            **{name: partial(self._look_at_zones, name) for name in zone_verbs.READING},
        }
        self._waiting: Mapping[str, WaitingVerb] = {
            "reload": partial(self._in_turn, self._reload),
            "apply": partial(self._in_turn, self._apply),
            **{name: partial(self._change_zones, name) for name in zone_verbs.FUNCTIONS},
        }
        self._bulk: Mapping[str, BulkVerb] = {name: partial(self._take_zones, name) for name in zone_verbs.BULK}

    def serve(self, told: Told, reloader: Reloader, applying: Apply, zones: ZoneVerbs) -> None:
        """Answer in full from now on."""
        self._difference = StatsDifference(self._stage.began)
        self._told = told
        self._applying = applying
        self._reloader = reloader
        self._zones = zones

    @property
    def reading(self) -> Mapping[str, Verb | Waiting | Streaming]:
        """The verbs that change nothing."""
        return {row.name: self._bound(row) for row in VERBS if row.access == "read"}

    @property
    def control(self) -> Mapping[str, Verb | Waiting | Streaming]:
        """All verbs."""
        return {row.name: self._bound(row) for row in VERBS}

    def _bound(self, row: Row) -> Verb | Waiting | Streaming:
        """Return what answers a request: arguments are checked before anything is done."""
        if row.name in self._bulk:
            taking = self._bulk[row.name]

            async def take(request: dict[str, Any], bulk: Bulk) -> Any:
                return await taking(checked(row, request), bulk)

            return Streaming(take)
        if row.name in self._waiting:
            late = self._waiting[row.name]

            async def answer_late(request: dict[str, Any], begin: Begin) -> Any:
                return await late(checked(row, request), begin)

            return Waiting(answer_late)
        function = self._functions[row.name]

        async def answer(request: dict[str, Any]) -> Any:
            return await function(checked(row, request))

        return answer

    async def _status(self, request: dict[str, Any]) -> Any:
        if self._told is None or self._stage.state == "starting":
            return starting(self._stage, self._pool, self._endpoints)
        return await self._told.status(request["zones"])

    async def _stats(self, request: dict[str, Any]) -> Any:
        stats = self._served()[0].stats()
        return self._difference.of(stats) if request["diff"] else stats

    async def _ask_peers(self, request: dict[str, Any]) -> Any:
        if request["zone"]:
            self._served()[1].find(request["zone"])
        raise ApplianceError(
            "no transfers are configured: this version makes none, zones come from files alone; `appliance reload` "
            "reads those that have changed"
        )

    async def _names(self, request: dict[str, Any]) -> Any:
        zones = list(self._served()[0].zones.values())
        found = await asyncio.to_thread(_beginning, zones, request["begun"].lower())
        return {"names": found}

    async def _journal(self, request: dict[str, Any]) -> Any:
        zone = request["zone"]
        steps = await self._served()[1].steps(zone)
        return {"zone": zone, "steps": [asdict(step) for step in steps]}

    async def _zone_status(self, request: dict[str, Any]) -> Any:
        return await zone_status(self._served()[0], request)

    async def _detach(self, request: dict[str, Any]) -> Any:
        if self._told is None:
            raise ApplianceError(f"{self._stage.doing()}; the interfaces are not served yet")
        return await take_off_by_server(self._told.publication.interfaces, request)

    async def _end(self, request: dict[str, Any]) -> Any:
        self._stage.end()
        self._stop.set()
        return {"stopping": True, "pid": os.getpid()}

    async def _look_at_zones(self, name: str, request: dict[str, Any]) -> Any:
        self._served()
        assert self._zones is not None
        return await self._zones.reading[name](request)

    async def _take_zones(self, name: str, request: dict[str, Any], bulk: Bulk) -> Any:
        await self._stage.decided.wait()
        self._served()
        assert self._zones is not None
        return await self._zones.bulk[name](request, bulk)

    async def _change_zones(self, name: str, request: dict[str, Any], begin: Begin) -> Any:
        self._stage.waiting += 1
        try:
            await self._stage.decided.wait()
            self._served()
            assert self._zones is not None
            return await self._zones.functions[name](request, begin)
        finally:
            self._stage.waiting -= 1

    def _served(self) -> tuple[Told, Reloader]:
        if self._stage.state != "serving" or self._told is None or self._reloader is None:
            raise ApplianceError(f"{self._stage.doing()}; `appliance status` says how far it is")
        return self._told, self._reloader

    async def _reload(self, request: dict[str, Any], begin: Begin) -> Any:
        zones = await self._served()[1].reload(request["zone"], request["allow_removal"], begin)
        return {"ok": all(one["ok"] for one in zones), "zones": zones}

    async def _apply(self, request: dict[str, Any], begin: Begin) -> Any:
        self._served()
        assert self._applying is not None
        applied = await self._applying.apply(
            dry_run=request["dry_run"], allow_removal=request["allow_removal"], begin=begin
        )
        if not request["dry_run"]:
            await self._stage.open_channel()
        return applied

    async def _in_turn(self, work: WaitingVerb, request: dict[str, Any], begin: Begin) -> Any:
        wanted = f"{work.__name__} {json.dumps(request, sort_keys=True)}"
        coming = self._coming.get(wanted)
        if coming is None:
            coming = self._coming[wanted] = _Coming()
            coming.work = asyncio.ensure_future(self._begun_in_turn(wanted, partial(work, request), coming))
            coming.work.add_done_callback(_look_at)
        coming.waiting.append(begin)
        assert coming.work is not None
        self._stage.waiting += 1
        try:
            return await asyncio.shield(coming.work)
        finally:
            self._stage.waiting -= 1

    async def _begun_in_turn(self, wanted: str, work: Callable[[Begin], Awaitable[Any]], coming: "_Coming") -> Any:
        try:
            await self._stage.decided.wait()
            await self._turn.acquire()
        finally:
            del self._coming[wanted]  # who asks from now on may have changed a file after it was looked at
        try:
            return await work(coming.begin)
        finally:
            self._stage.reloading = ""
            self._turn.release()


class _Coming:
    """A reload that has not begun, and those who wait for it."""

    def __init__(self) -> None:
        self.work: asyncio.Future[Any] | None = None
        self.waiting: list[Begin] = []

    def begin(self) -> bool:
        """Return whether anybody still waits for it; each is told that it begins."""
        answers = [one() for one in self.waiting]
        return any(answers)


def _beginning(zones: Sequence[ServedZone], begun: str) -> list[str]:
    """Return names that begin so, NAMES at most."""
    return list(itertools.islice((zone.name for zone in zones if zone.name.startswith(begun)), NAMES))


def _look_at(done: asyncio.Future[Any]) -> None:
    """Take the exception of a reload whose clients may all have gone, so that it is not reported as unseen."""
    with contextlib.suppress(asyncio.CancelledError):
        done.exception()
