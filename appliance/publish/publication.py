# SPDX-License-Identifier: GPL-3.0-or-later
"""From zones to what clients see: a store compiled into the NIC path's arrays, or into memory, and workers on it."""

import asyncio
import gc
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from appliance.compiler.change.change import Changed
from appliance.compiler.expected import larger_than
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones, remove_zone, replace_zone
from appliance.config.schema import Config
from appliance.errors import ApplianceError, DatapathError, StateError
from appliance.publish.budget import MIB, check_budget, octets, shared_store
from appliance.publish.nic_path import NicPath, configure, interfaces, may_do_without, needs_generation, wanted
from appliance.publish.replay import Replay, check_same
from appliance.publish.uncancelled import to_the_end
from appliance.publish.workers import WorkerPool
from appliance.served.memory import trim
from appliance.server.respond import OPCODE_NOTIFY
from appliance.store.capacity import Capacity
from appliance.store.layout import ZONE_SERVING
from appliance.store.move import move, room_for
from appliance.store.store import Retired, Store, StoreFull
from appliance.store.waste import Waste, waste_of
from appliance.zone.model import Zone

GRACE_S: Final = 1.0
"""How long replaced records stay: longer than any lookup, also of a worker that had to wait for a CPU."""
_ATTEMPTS: Final = 4
_END_LOADERS_S: Final = 0.05
COMPARED: Final = 1000
"""Owners from which on only what differs is written; below that the whole zone is as fast."""
OPCODES_PASSED_UP: Final = 1 << OPCODE_NOTIFY
"""Opcodes, as bits, that userspace answers better than with NOTIMP."""


Change = Callable[[World], Retired]
SetAside = Callable[[Store], Store | None]

_log = logging.getLogger(__name__)


class Publication:
    """What is served now. Its methods are called one after the other (Update sees to it)."""

    def __init__(self, config: Config, use_xdp: bool, pool: WorkerPool) -> None:
        self._config = config
        self._pool = pool
        self._world: World | None = None
        self._retired: deque[tuple[float, Retired]] = deque()
        self._replay: Replay | None = None
        self.nic_path: NicPath | None = None
        self.interfaces = interfaces(config, use_xdp)
        self._given_up = False
        self.failed = False
        """Whether the configuration wants a NIC path and there is none."""
        self._use_xdp = use_xdp
        self.no_nic_path = self._why_none_is_wanted(config)
        self.lease_changed = asyncio.Event()
        """Set when leases last longer or shorter than before."""
        self.since = time.time()
        """When it was decided that there is no NIC path."""

    def _why_none_is_wanted(self, config: Config) -> str:
        """Return why a configuration wants no NIC path, "" where it wants one."""
        if not self._use_xdp:
            return "--no-xdp was given"
        return "" if wanted(config) else "the configuration names no interface for it"

    @property
    def lease_s(self) -> float:
        """Seconds that a lease of the NIC path lasts; 0: without end."""
        return self._config.server.lease_s

    @property
    def world(self) -> World:
        """The zones that are served, as the compiler knows them. Raises StateError before the first publish()."""
        if self._world is None:
            raise StateError("nothing is served yet")
        return self._world

    @property
    def store(self) -> Store:
        """What is served. Raises StateError before the first publish()."""
        return self.world.store

    async def publish(self, world: World, stays: bool, set_aside: SetAside) -> None:
        """Serve what is in a store, at once from userspace, then with the NIC path too. Raises ApplianceError.

        `stays` tells whether workers may share the store as it is; a private map of a file must be moved. `set_aside`
        makes such a map of a store, or returns None.
        """
        store = world.store
        sizes = room_for(store)
        check_budget(sizes, self._config.store.memory_mib)
        self._pool.start(store)  # before the NIC path passes anything up
        await to_the_end(self._take_old_programs_off)
        if stays and not self.no_nic_path and octets(sizes) >= self._config.store.set_aside_mib * MIB:
            kept = await asyncio.to_thread(set_aside, store)
            if kept is not None:
                await self._let_go(store, kept)
                world.store, stays = kept, False
        await self._settle(world, sizes, stays)

    def _take_old_programs_off(self) -> None:
        """Take off the programs that an ended server left where none is to serve: their answers are old."""
        try:
            self.interfaces.begin() if not self.no_nic_path else self.interfaces.serve(None)
        except DatapathError as error:
            _log.warning("the interfaces cannot be looked at: %s", error)

    async def _let_go(self, store: Store, kept: Store) -> None:
        """Serve from a file instead of memory, so that this memory is free when the arrays of the NIC path are made."""
        self._pool.start(kept)
        await self._pool.drained()
        gc.collect()  # writers and their views of the arrays
        store.close()

    async def _settle(self, world: World, sizes: Capacity, stays: bool) -> None:
        """Move a store to where it stays, and serve it from there; what was served is served until then."""
        former, store = self.nic_path, world.store
        served = None if self._world is None else self._world.store
        check_budget(sizes, self._config.store.memory_mib)
        settled, nic_path = await self._load(store, sizes, stays)
        if nic_path is not None and not await to_the_end(self._attach, nic_path, former):
            nic_path = None
            settled = await asyncio.to_thread(self._in_memory, settled, sizes)
        if former is not None and nic_path is not None:
            nic_path.go_on_counting(former)
        left = [one for one in (served, store) if one is not None and one is not settled]
        world.store = settled
        self._world, self.nic_path = world, nic_path
        gc.unfreeze()
        gc.collect()  # writers and their views of the arrays
        for one in left:
            one.close()
        if former is not None:
            former.close()
        trim()  # workers that are forked keep what is there
        gc.freeze()  # what a later collection looks through is there once more in each worker
        if left:
            self._pool.start(settled)

    async def _load(self, store: Store, sizes: Capacity, stays: bool) -> tuple[Store, NicPath | None]:
        """Move a store to where it stays; when this is cancelled, what was loaded for it goes again."""
        work = asyncio.ensure_future(asyncio.to_thread(self._moved, store, sizes, stays))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._given_up = True
            while not work.done():  # the thread may be about to start a loader
                self.interfaces.give_up()
                await asyncio.wait((work,), timeout=_END_LOADERS_S)
            if work.exception() is None and (nic_path := work.result()[1]) is not None:
                await to_the_end(nic_path.discard)
            raise

    def _attach(self, nic_path: NicPath, former: NicPath | None) -> bool:
        """Attach where that can be; return whether it worked. Raises DatapathError if one must not do without."""
        try:
            nic_path.attach(forced=former is None and not may_do_without(self._config))
        except DatapathError as error:
            nic_path.discard()
            if former is not None:
                raise
            self._do_without(error)
            return False
        return True

    def _moved(self, store: Store, sizes: Capacity, stays: bool) -> tuple[Store, NicPath | None]:
        if not self.no_nic_path:
            try:
                nic_path = NicPath(self._config, self.interfaces, sizes, OPCODES_PASSED_UP)
            except DatapathError as error:
                if self._given_up:
                    raise
                self._do_without(error)
            else:
                try:
                    move(store, nic_path.store)
                except BaseException:
                    nic_path.discard()
                    raise
                return nic_path.store, nic_path
        return (store if stays else self._in_memory(store, sizes)), None

    def _in_memory(self, store: Store, sizes: Capacity) -> Store:
        target = shared_store(sizes, OPCODES_PASSED_UP)
        move(store, target)
        return target

    def _do_without(self, error: DatapathError) -> None:
        """Go on in userspace if the configuration allows it."""
        if self.nic_path is not None:
            raise error  # what it answers must not grow stale beside a newer store
        if not may_do_without(self._config):
            raise DatapathError(f'{error}; mode = "auto" or --no-xdp would serve from userspace')
        self.failed = True
        self.no_nic_path, self.since = str(error), time.time()
        _log.warning("no NIC path, serving from userspace: %s", error)
        self._take_old_programs_off()

    async def replace(self, zone: Zone, changed: Changed | None = None) -> None:
        """Serve another version of one zone; readers see the old or the new one. Raises ApplianceError.

        `changed` are the RRsets in which it differs from what is served, if these are known.
        """
        known = changed if len(zone.nodes) >= COMPARED else None
        await self._change(lambda world: replace_zone(world, zone, known), zone)
        set_state(self.store, zone.origin, ZONE_SERVING)
        if self._replay is not None:
            self._replay.replaced(zone, known)

    async def expect(self, zone: Zone) -> None:
        """Answer SERVFAIL for a zone whose data are not there yet, given a placeholder. Raises ApplianceError."""
        await self._change(lambda world: compile_zones(world, [], [zone]), zone)
        if self._replay is not None:
            self._replay.removed(zone.origin)  # a store that is being compiled does not know the zone, and is given up

    async def change_many(self, change: Callable[[World], tuple[Retired, bool]]) -> bool:
        """Change many zones as far as they have room, again with more room until all are done; return whether they are.

        A change goes on where it stopped. Nothing is done while changes are noted one by one.
        """
        for attempt in range(_ATTEMPTS):
            if self._replay is not None:
                return False
            self._reclaim(self.store)
            retired, done = await asyncio.to_thread(change, self.world)
            self._retired.append((time.monotonic(), retired))
            if done:
                return True
            if attempt:
                _log.info("the store is full; moving to a larger one")
                await self._settle(self.world, larger_than(self.store), False)
            else:
                await asyncio.sleep(GRACE_S)
        return False

    async def remove(self, origin: bytes) -> None:
        """Serve a zone no more. Raises ApplianceError."""
        await self._change(lambda world: remove_zone(world, origin), None)
        if self._replay is not None:
            self._replay.removed(origin)

    async def waste(self) -> Waste | None:
        """Return the waste in the store, None where it is too little to compile the store anew."""
        limits = self._config.store
        self._reclaim(self.store)
        found = await asyncio.to_thread(waste_of, self.store)
        enough = found.octets >= limits.compact_mib << 20 and found.octets * 100 >= limits.compact_percent * found.used
        return found if limits.compact_percent and enough else None

    def note_changes(self) -> None:
        """Begin to note changes, for a store that is compiled from what is served at this moment."""
        self._replay = Replay()

    def forget_changes(self) -> None:
        """Note no more changes."""
        self._replay = None

    async def take_over(self, fresh: Store, others: set[bytes]) -> int:
        """Serve what is served from a store that was compiled anew since note_changes(). Raises ApplianceError.

        `others` are zones that it has in another version. Returns the number of zones that have changed since then.
        """
        assert self._replay is not None
        world = World(fresh, self.world.fetch)
        await asyncio.to_thread(self._replay.follow, world, others)
        check_same(fresh, self.store)
        await self._settle(world, room_for(fresh), True)
        self._retired.clear()  # room of the store before
        return len(self._replay)

    async def _change(self, change: Change, zone: Zone | None) -> None:
        self._reclaim(self.store)
        retired = await self._tried(change)
        for attempt in range(_ATTEMPTS):
            if retired is not None:
                break
            _log.info("the store is full; moving to a larger one")
            await self._settle(self.world, larger_than(self.store, zone), False)
            retired = await self._fits(change, last=attempt == _ATTEMPTS - 1)
        assert retired is not None
        self._retired.append((time.monotonic(), retired))

    async def _tried(self, change: Change) -> Retired | None:
        """Change within the store; when that is full, once more with the room of what was replaced just before."""
        retired = await self._fits(change)
        if retired is None and self._retired:
            await asyncio.sleep(GRACE_S)
            self._reclaim(self.store)
            retired = await self._fits(change)
        return retired

    async def _fits(self, change: Change, last: bool = False) -> Retired | None:
        """Change within the store; None if that is full, which the last attempt raises instead.

        The exception must be gone before the store is moved from: its traceback knows who looks at the arrays.
        """
        try:
            return await asyncio.to_thread(change, self.world)
        except StoreFull:
            if last:
                raise
            return None

    def _reclaim(self, store: Store) -> None:
        """Free what was replaced long enough ago."""
        while self._retired and time.monotonic() - self._retired[0][0] >= GRACE_S:
            store.reclaim(self._retired.popleft()[1])

    async def reconcile(self) -> None:
        """Put back on the interfaces what was taken off, and give every address its place; zones do not wait for it."""
        try:
            await asyncio.to_thread(self.interfaces.reconcile, anew=True)
            if self.nic_path is not None and self.interfaces.are_crowded:
                await self._settle(self.world, room_for(self.store), False)
        except ApplianceError as error:
            _log.error("the NIC path stays as it is: %s", error)

    async def configure(self, config: Config) -> None:
        """Serve the same zones on the interfaces and within the limits of another configuration.

        Raises ApplianceError; configure() with what was there before leads back then.
        """
        before = self._config
        if before.store.memory_mib != config.store.memory_mib:
            check_budget(room_for(self.store), config.store.memory_mib)
        self._config = config
        if self._use_xdp and _concerns_interfaces(before, config):
            await self._follow(before, config)
        if self.nic_path is not None:
            self.nic_path.limit(config.limits.pass_rate, config.limits.pass_burst)
            self.nic_path.lease_s = self.lease_s
            self.nic_path.renew_lease()
        self.lease_changed.set()

    async def _follow(self, before: Config, config: Config) -> None:
        """Attach, detach, tell the program, or replace it by one that is compiled anew."""
        none = self._why_none_is_wanted(config)
        stays = self.nic_path is not None and not none and not needs_generation(before, config)
        await to_the_end(partial(configure, self.interfaces, config, act=stays or bool(none)))
        if stays or (none and self.nic_path is None):
            self.no_nic_path = none
            self.failed = self.failed and not none
            return
        self.no_nic_path, self.failed, self.since = none, False, time.time()
        await self._settle(self.world, room_for(self.store), self.nic_path is None)
        if none:  # workers answer from memory by now
            await to_the_end(self.interfaces.serve, None)

    async def withdraw(self, failure: type[BaseException] | None = None, *_: object) -> None:
        """End, after a start that failed or in order: take off what is not to stay on the interfaces."""
        may_leave = not self._config.server.detach_on_stop
        nic_path = self.nic_path
        leave = nic_path is not None and may_leave
        in_vain = failure is not None or (self._world is None and may_leave)  # what is there is no older than before
        self.nic_path = None
        if leave and nic_path is not None:
            lease_s = self._config.server.lease_s
            until = f"for {lease_s:.0f} s (lease_s)" if lease_s else "without end (lease_s = 0)"
            nic_path.renew_lease()
            _log.info("the NIC path goes on answering %s (detach_on_stop = false)", until)
        try:
            await asyncio.to_thread(self.interfaces.end, leave=leave, failed=in_vain)
        except DatapathError as error:
            _log.error("the XDP program could not be taken off: %s", error)


def _concerns_interfaces(before: Config, after: Config) -> bool:
    """Return whether a change of the configuration is one for the interfaces, or the program on them."""
    same = before.interface == after.interface and before.listen.addresses == after.listen.addresses
    return not same or needs_generation(before, after)


def set_state(store: Store, origin: bytes, value: int) -> None:
    """Set the state of a zone in the store."""
    with store.flipping():
        store.set_zone_word(store.numbers[origin], "state", value)
