# SPDX-License-Identifier: GPL-3.0-or-later
"""Other sockets and other workers while the server runs: what waits in a socket's queue is answered before it goes."""

from typing import Any

import msgspec

from appliance.config.schema import Config
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.server.rebinding import left, rebound
from appliance.server.sockets import Listening


class Rewiring:
    """The sockets and workers of one server."""

    def __init__(self, pool: WorkerPool, listening: Listening, publication: Publication) -> None:
        """Let workers of `pool` serve what is in `listening`, from the store that is published."""
        self.pool = pool
        self.listening = listening
        self.publication = publication

    def steps(self, running: Config, config: Config) -> "Wiring":
        """Return what leads from one configuration to another."""
        return Wiring(self, running, config)

    async def settle(self) -> None:
        """Close the sockets that nobody serves any more, once the workers that had them have ended."""
        if self.pool.leaving:
            await self.pool.drained()
            for one in self.pool.leaving:
                one.close()
            self.pool.leaving = []


class Wiring:
    """One change of sockets and workers."""

    def __init__(self, owner: Rewiring, running: Config, config: Config) -> None:
        self._owner = owner
        self._pool = owner.pool
        self._running = running
        self._config = config
        self._before = Listening(owner.listening.workers, list(owner.listening.endpoints))
        self._starts = owner.pool.starts

    async def open(self) -> None:
        """Bind what is new; workers that are started from now on serve it. Raises ListenError."""
        before, after = self._running.listen, self._config.listen
        if _sockets(self._running) != _sockets(self._config):
            port = after.port if after.port != before.port else 0
            fresh = rebound(self._before, after.addresses, port, after.tcp_workers)
            self._pool.leaving = left(self._before, fresh)
            self._owner.listening.become(fresh)
        if before != after or _work(self._running) != _work(self._config):
            self._pool.configure(self._config)

    async def close(self) -> None:
        """Go back to the sockets and workers that there were."""
        listening = self._owner.listening
        failed = Listening(listening.workers, list(listening.endpoints))
        listening.become(self._before)
        self._pool.leaving = left(failed, self._before)
        self._pool.configure(self._running)
        if self._pool.starts != self._starts:
            self._pool.start(self._owner.publication.store)
        await self._owner.settle()

    async def start(self) -> None:
        """Start workers, unless the ones that serve do as is wanted, or are new already. Raises OSError."""
        if _work(self._running) != _work(self._config) and self._pool.starts == self._starts:
            self._pool.start(self._owner.publication.store)


def _sockets(config: Config) -> tuple[Any, ...]:
    listen = config.listen
    return listen.addresses, listen.port, listen.tcp_workers


def _work(config: Config) -> tuple[Any, ...]:
    """Return what a worker is started with."""
    limits, server = config.limits, config.server
    listen = msgspec.structs.replace(config.listen, worker_silence_s=0.0)
    return listen, limits.edns_size, limits.nsec3_rate, limits.nsec3_rate_per_prefix, server.identity, server.version
