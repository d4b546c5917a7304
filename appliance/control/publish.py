# SPDX-License-Identifier: GPL-3.0-or-later
"""From zones to what clients see: a store compiled into the NIC path's arrays, or into memory, and workers on it."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from appliance.answers.compile import Capacity, capacity, compile_zones, replace_zone
from appliance.answers.layout import ZONE_LOADING, ZONE_SERVING
from appliance.answers.store import Retired, Store, StoreFull
from appliance.config.schema import Config
from appliance.control import datapath
from appliance.control.datapath import NicPath
from appliance.control.sizes import shared_store
from appliance.control.workers import WorkerPool
from appliance.errors import DatapathError, StateError
from appliance.server.respond import OPCODE_NOTIFY
from appliance.zone.model import Zone

GRACE_S: Final = 1.0
"""How long replaced records stay: longer than any lookup, also of a worker that had to wait for a CPU."""
_ATTEMPTS: Final = 4
_PASSED_UP: Final = 1 << OPCODE_NOTIFY
"""Opcodes, as bits, that userspace answers better than with NOTIMP."""

_log = logging.getLogger(__name__)


class Publication:
    """What is served now. Its methods are called one after the other (Reloader sees to it)."""

    def __init__(self, config: Config, use_xdp: bool, pool: WorkerPool) -> None:
        self._config = config
        self._pool = pool
        self._store: Store | None = None
        self._retired: deque[tuple[float, Retired]] = deque()
        self.nic_path: NicPath | None = None
        self.failed = False
        """Whether the configuration wants a NIC path and there is none."""
        self.no_nic_path = "" if use_xdp else "--no-xdp was given"
        if use_xdp and not datapath.wanted(config):
            self.no_nic_path = "the configuration names no interface for it"

    async def publish(self, zones: Sequence[Zone], placeholders: Sequence[Zone]) -> None:
        """Serve these zones, and SERVFAIL for the placeholders, from a new store. Raises ApplianceError.

        What was served before is served until the new store is whole, and goes on when this fails.
        """
        former = self.nic_path
        store, nic_path = await asyncio.to_thread(self._build, zones, placeholders)
        if former is None:
            self._pool.start(store)  # before the NIC path passes anything up
        if nic_path is not None and not await asyncio.to_thread(self._attach, nic_path, former):
            nic_path = None
        if former is not None:
            self._pool.start(store)
            if nic_path is not None:
                nic_path.go_on_counting(former)
        self._store, self.nic_path = store, nic_path
        self._retired.clear()

    def _attach(self, nic_path: NicPath, former: NicPath | None) -> bool:
        """Attach; tell whether it worked. Raises DatapathError if one must not do without."""
        try:
            nic_path.attach()
        except DatapathError as error:
            nic_path.discard()
            if former is not None:
                former.attach()
                raise
            self._do_without(error)
            return False
        return True

    def _build(self, zones: Sequence[Zone], placeholders: Sequence[Zone]) -> tuple[Store, NicPath | None]:
        everything = [*zones, *placeholders]
        growth = 0
        while True:
            sizes = capacity(everything).grown(growth)
            store, nic_path = self._empty_store(sizes)
            try:
                compile_zones(store, zones, loading=placeholders)
            except BaseException as error:
                if nic_path is not None:
                    nic_path.discard()
                growth += 1
                if not isinstance(error, StoreFull) or growth == _ATTEMPTS:
                    raise
            else:
                return store, nic_path

    def _empty_store(self, sizes: Capacity) -> tuple[Store, NicPath | None]:
        if not self.no_nic_path:
            try:
                nic_path = NicPath(self._config, sizes, _PASSED_UP)
            except DatapathError as error:
                self._do_without(error)
            else:
                return nic_path.store, nic_path
        return shared_store(sizes, _PASSED_UP), None

    def _do_without(self, error: DatapathError) -> None:
        """Go on in userspace if the configuration allows it."""
        if self.nic_path is not None:
            raise error  # what it answers must not grow stale beside a newer store
        if not datapath.may_do_without(self._config):
            raise DatapathError(f'{error}; mode = "auto" or --no-xdp would serve from userspace')
        self.failed = True
        self.no_nic_path = str(error)
        _log.warning("no NIC path, serving from userspace: %s", error)

    async def replace(self, zone: Zone) -> None:
        """Serve another version of one zone; readers see the old or the new one. Raises ApplianceError."""
        store = self._store
        if store is None:
            raise StateError("nothing is served yet")
        self._reclaim(store)
        try:
            retired = await self._replace_in(store, zone)
        except StoreFull:
            _log.info("the store is full; moving to a larger one")
            others = {origin: one for origin, one in store.sources.items() if origin != zone.origin}
            loading = [one for origin, one in others.items() if state(store, origin) == ZONE_LOADING]
            serving = [one for origin, one in others.items() if state(store, origin) != ZONE_LOADING]
            await self.publish([*serving, zone], loading)
            return
        set_state(store, zone.origin, ZONE_SERVING)
        self._retired.append((time.monotonic(), retired))

    async def _replace_in(self, store: Store, zone: Zone) -> Retired:
        """Replace within a store; when that is full, once more with the room of what was replaced just before."""
        try:
            return await asyncio.to_thread(replace_zone, store, zone)
        except StoreFull:
            if not self._retired:
                raise
        await asyncio.sleep(GRACE_S)
        self._reclaim(store)
        return await asyncio.to_thread(replace_zone, store, zone)

    def _reclaim(self, store: Store) -> None:
        """Free what was replaced long enough ago."""
        while self._retired and time.monotonic() - self._retired[0][0] >= GRACE_S:
            store.reclaim(self._retired.popleft()[1])

    async def withdraw(self) -> None:
        """End: take the program off the interfaces, unless the configuration leaves it there."""
        nic_path, self.nic_path = self.nic_path, None
        if nic_path is None:
            return
        if not self._config.server.detach_on_stop:
            _log.info("the NIC path goes on answering (detach_on_stop = false)")
            return
        try:
            await asyncio.to_thread(nic_path.detach)
        except DatapathError as error:
            _log.error("the XDP program could not be taken off: %s", error)


def state(store: Store, origin: bytes) -> int:
    """Return the state of a zone."""
    return store.zone_word(store.numbers[origin], "state")


def set_state(store: Store, origin: bytes, value: int) -> None:
    """Set the state of a zone in the store."""
    with store.flipping():
        store.set_zone_word(store.numbers[origin], "state", value)
