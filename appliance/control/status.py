# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs status and stats tell."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance import __version__
from appliance.answers.tally import as_dict, holdings
from appliance.control.datapath import described
from appliance.control.history import History
from appliance.control.publish import Publication
from appliance.control.workers import WorkerPool
from appliance.control.zones import ServedZone
from appliance.errors import DatapathError


@dataclass(frozen=True, slots=True)
class Told:
    """Where status and stats come from."""

    started: float
    zones: Mapping[bytes, ServedZone]
    pool: WorkerPool
    endpoints: Sequence[tuple[str, int]]
    publication: Publication
    history: History

    async def status(self) -> dict[str, Any]:
        """Return the state of the server; `problems` says why it is not healthy, `warnings` what is doubtful."""
        pool = self.pool
        path = self.publication.nic_path
        interfaces, doubts = await self._interfaces()
        problems = [f"zone {zone.name}: {zone.error}" for zone in self.zones.values() if zone.error]
        warnings = doubts
        for zone in self.zones.values():
            for level, doubt in zone.doubts(time.time()):
                (problems if level == "error" else warnings).append(f"zone {zone.name}: {doubt}")
        if self.publication.failed:
            problems.append(f"no NIC path: {self.publication.no_nic_path}")
        serves = any(one["mode"] != "off" for one in interfaces)
        if self.history.failure:
            warnings.append(self.history.failure)
        problems += [f"interface {one['name']}: {one['problem']}" for one in interfaces if one["problem"]]
        warnings += [f"interface {one['name']}: {remark}" for one in interfaces for remark in one["remarks"]]
        if pool.alive < pool.wanted:
            problems.append(f"{pool.wanted - pool.alive} of {pool.wanted} workers are down")
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self.started, 3),
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
            "listening": [{"address": address, "port": port} for address, port in self.endpoints],
            "workers": {"alive": pool.alive, "wanted": pool.wanted, "restarts": pool.restarts},
            "zones": [zone.described() for zone in self.zones.values()],
        }

    async def _interfaces(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return what runs on the interfaces now, and what is doubtful beside it."""
        try:
            return await asyncio.to_thread(described, self.publication.interfaces)
        except DatapathError as error:
            return [], [f"the interfaces cannot be looked at: {error}"]

    def stats(self) -> dict[str, Any]:
        """Return the counters: `verdicts` of the NIC path, `userspace` of the workers, and sums of both."""
        path = self.publication.nic_path
        verdicts = path.counters() if path else {}
        userspace = self.pool.counters.totals()
        answered = sum(value for name, value in verdicts.items() if name.startswith("answer_"))
        queries = answered + userspace["udp_queries"]
        return {
            "verdicts": verdicts,
            "userspace": userspace,
            "misses": {name: value for name, value in verdicts.items() if name.startswith("pass_") and value},
            "store": as_dict(holdings(self.publication.store)),
            "nic_path_share": answered / queries if queries and path else None,
        }
