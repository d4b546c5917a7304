# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs status and stats tell."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance import __version__, crash
from appliance.control.background import Background
from appliance.control.channel import Listing
from appliance.control.config_file import ConfigFile
from appliance.control.stage import Stage
from appliance.control.summary import described, summary
from appliance.errors import DatapathError
from appliance.publish import nic_path
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.served.history import History
from appliance.served.zone_set import ZoneSet
from appliance.served.zones import ServedZone
from appliance.store.tally import as_dict, holdings


@dataclass(frozen=True, slots=True)
class Told:
    """Where status and stats come from."""

    stage: Stage
    zones: Mapping[bytes, ServedZone]
    pool: WorkerPool
    endpoints: Sequence[tuple[str, int]]
    publication: Publication
    history: History
    background: Background
    zone_set: ZoneSet
    config_file: ConfigFile

    async def status(self, whole: bool = False) -> dict[str, Any] | Listing:
        """Return the state of the server; `problems` says why it is not healthy, `warnings` what is doubtful.

        whole lists every zone too.
        """
        path = self.publication.nic_path
        interfaces, doubts = await self.interfaces()
        found = summary(self.zones.values(), time.time())
        problems = list(found.problems) + self.zone_set.problems()
        problems += filter(None, [self.history.unrecorded])
        held = self.zone_set.limit.held
        warnings = [*self.stage.warnings, *doubts, *found.warnings, *self.zone_set.warnings()]
        if edited := await asyncio.to_thread(self.config_file.change):
            (problems if self.config_file.is_broken else warnings).append(edited)
        warnings += map(str, self.config_file.waiting)
        if self.publication.failed:
            problems.append(f"no NIC path: {self.publication.no_nic_path}")
        serves = any(one["mode"] != "off" for one in interfaces)
        if self.history.failure:
            warnings.append(self.history.failure)
        problems += [f"interface {one['name']}: {one['problem']}" for one in interfaces if one["problem"]]
        warnings += [f"interface {one['name']}: {remark}" for one in interfaces for remark in one["remarks"]]
        problems += self.pool.problems()
        warnings += [f"{one}; it was started again" for one in self.background.failures.values()]
        if self.stage.state != "serving":
            problems.insert(0, self.stage.doing())
        result = {
            **outline(self.stage, self.pool, self.endpoints),
            "healthy": not problems,
            "problems": problems,
            "warnings": warnings,
            "nic_path": {
                "on": serves,
                "generation": path.name if path else None,
                "reason": self.publication.no_nic_path or ("" if serves else "no interface runs it"),
                "since": self.publication.since,
            },
            "interfaces": interfaces,
            "removal_held": held.described() if held else None,
            "zone_summary": found.described(),
        }
        return Listing(result, "zones", described(self.zones)) if whole else result

    async def interfaces(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return what runs on the interfaces now, and what is doubtful beside that."""
        try:
            return await asyncio.to_thread(nic_path.described, self.publication.interfaces)
        except DatapathError as error:
            return [], [f"the interfaces cannot be looked at: {error}"]

    def stats(self) -> dict[str, Any]:
        """Return the counters: `verdicts` of the NIC path, `userspace` of the workers, and sums of both.

        `connections` are those that each worker has open now, `put_back` counts by interface how often the XDP program
        was put back that somebody else had taken off.
        """
        path = self.publication.nic_path
        verdicts = path.counters() if path else {}
        userspace = self.pool.counters.totals()
        answered = sum(value for name, value in verdicts.items() if name.startswith("answer_"))
        queries = answered + userspace["udp_queries"]
        return {
            "verdicts": verdicts,
            "userspace": userspace,
            "workers": {"restarts": self.pool.restarts, "silent": self.pool.replaced},
            "connections": self.pool.occupancy.all(),
            "put_back": self.publication.interfaces.put_back,
            "misses": {name: value for name, value in verdicts.items() if name.startswith("pass_") and value},
            "store": as_dict(holdings(self.publication.store)),
            "nic_path_share": answered / queries if queries and path else None,
        }


def outline(stage: Stage, pool: WorkerPool, endpoints: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return what can be told of a server at any stage of its life."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        "state": stage.state,
        "uptime_s": round(stage.uptime_s, 3),
        "listening": [{"address": address, "port": port} for address, port in endpoints],
        "workers": {"alive": pool.alive, "wanted": pool.wanted, "restarts": pool.restarts},
        "crashes": crash.known(),
        "drained": None if stage.drain is None else stage.drain.described(),
    }


def starting(stage: Stage, pool: WorkerPool, endpoints: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return the state of a server whose zones are not known yet, or not all loaded."""
    return {
        **outline(stage, pool, endpoints),
        "healthy": False,
        "problems": [stage.doing()],
        "warnings": stage.warnings,
        "nic_path": {"on": False, "generation": None, "reason": "the server is starting", "since": stage.began},
        "interfaces": [],
        "zone_summary": None,
        "progress": stage.described(),
    }
