# SPDX-License-Identifier: GPL-3.0-or-later
"""All zone files into a new store in memory: large zones one by one, small ones in batches, none kept longer than that.

A bad file makes its zone a placeholder; what stops the whole is a full store, the bound on its size, or cancel().
"""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Final

from appliance.compiler.bulk.zone import RecordsSpent
from appliance.compiler.expected import larger_than
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones, remove_zones
from appliance.compiler.template.template import Templates
from appliance.errors import ApplianceError, StateError, ZoneError
from appliance.publish.budget import check_budget, check_size, shared_store
from appliance.publish.paging import pages_ahead
from appliance.publish.progress import Progress
from appliance.served.drafts import Draft, Drafting
from appliance.served.history import History
from appliance.served.memory import give_back, physical_octets, uncollected
from appliance.served.zones import ServedZone
from appliance.store.capacity import Capacity, index_bits
from appliance.store.layout import HEAP_CHUNK
from appliance.store.move import move
from appliance.store.store import Store, StoreFull
from appliance.wording import of_zone
from appliance.zone import digests
from appliance.zone.master.files import MAX_TEXT, Batch, Files
from appliance.zone.model import Zone
from appliance.zone.packed.zone import PackedZone

_BATCH: Final = 500
_TURN_S: Final = 0.0002
"""Time after which the thread that reads gets its turn: it needs the interpreter for a moment, to start."""
_TOGETHER: Final = 1 << 25
"""Octets of zone files whose models are held at the same time."""
_SPENT: Final = 1 << 26
"""Octets of packed records from which on records are released while the zone is compiled."""
_SPREAD: Final = 8
"""Octets of address space for each octet of text; pages that are never written take no memory.

Never more than three quarters of what the machine has: the kernel refuses what is more than all of it.
"""

_log = logging.getLogger(__name__)

TellError = Callable[[ZoneError], None]
_digest = lru_cache(1)(digests.of_text)
"""Zones that follow each other often have the same text."""

_Sized = tuple[int, ServedZone]
"""The octets of a file, and its zone."""


class Loading:
    """One load of all zones; run() belongs to a thread of its own."""

    def __init__(
        self,
        zones: Mapping[bytes, ServedZone],
        opcode_pass: int,
        memory_mib: int,
        tell: TellError,
        progress: Progress,
        fixed: bool = False,
        history: History | None = None,
    ) -> None:
        """Look at all zones of the configuration; those that are served already stay as they are.

        `fixed` forbids moving to a larger store. `history` gets the records of large zones.
        """
        self._history = history if history is not None and history.wanted else None
        self._drafting: dict[bytes, Drafting] = {}
        self._as_kept: set[bytes] = set()
        """Zones whose files cannot be loaded, and whose kept versions are served instead."""
        self._fixed = fixed
        self._zones = zones
        self._opcode_pass = opcode_pass
        self._memory_mib = memory_mib
        self._tell = tell
        self._progress = progress
        self._cancelled = threading.Event()
        self._files = Files()

    def cancel(self) -> None:
        """Give up as soon as possible; run() raises StateError then."""
        self._cancelled.set()

    def run(self, world: World | None = None) -> World:
        """Return a store with all zones, one that has some of them or a new one. Raises ApplianceError."""
        try:
            with uncollected():
                return self._run(world)
        except BaseException:
            self._discard_drafts()
            raise
        finally:
            self._note_digests()
            give_back()  # before workers are forked

    def drafts(self) -> list[Draft]:
        """Wait for the drafts of large zones, and return them; a second call returns none."""
        drafting, self._drafting = self._drafting, {}
        return [draft for one in drafting.values() if (draft := one.result()) is not None]

    def _note_digests(self) -> None:
        """Wait until nobody holds records any more, and note what is served by what was written of it."""
        for origin, one in self._drafting.items():
            one.until_written()
            served = self._zones[origin]
            if one.digest and served.state == "serving":
                served.digest = one.digest

    def _discard_drafts(self) -> None:
        for draft in self.drafts():
            if self._history is not None:
                self._history.discard(draft)

    def _run(self, world: World | None) -> World:
        if world is not None and not self._takes_out_what_is_gone(world):
            world = None
        waiting = [served for served in self._zones.values() if served.state != "serving"]
        sized = [(served.source.size(self._files), served) for served in waiting]
        total = sum(size for size, _ in sized)
        self._progress.begin(total, len(sized))
        large = [one for one in sized if one[0] > MAX_TEXT]
        small = [one for one in sized if one[0] <= MAX_TEXT]
        large.sort(key=lambda one: -one[0])
        if world is None:
            wanted = min(_SPREAD * total, physical_octets() * 3 // 4)
            chunks = 16 + (wanted + 4096 * len(sized)) // HEAP_CHUNK
            sizes = Capacity(index_bits(4 * len(small)), chunks, max(16, len(sized) * 5 // 4))
            world = World(shared_store(sizes, self._opcode_pass), self._fetch)
            world.expect(self._zones)
        while large:
            self._compile_large(world, large)
        self._compile_small(world, small)
        return world

    def _takes_out_what_is_gone(self, world: World) -> bool:
        """Take out of a saved store the zones that are not configured; False where it is of no use without them."""
        world.fetch = self._fetch
        gone = [origin for origin in world.store.numbers if origin not in self._zones]
        try:
            world.store.reclaim(remove_zones(world, gone))
        except ApplianceError as error:
            _log.warning("the saved store is not used, all zones are read: %s", error)
            for served in self._zones.values():
                served.forget()
            return False
        return True

    def _fetch(self, origin: bytes) -> Zone:
        """Return a zone that another one's chain leads to, or that has to be compiled once more."""
        served = self._zones[origin]
        if served.state == "serving":
            return served.again(self._kept)
        try:
            return served.read()
        except ZoneError:
            kept = self._kept(served)
            if kept is None:
                raise
            return kept

    def _kept(self, served: ServedZone, digest: bytes = b"") -> Zone | None:
        return self._history.kept(served, digest) if self._history is not None else None

    def _compile_large(self, world: World, waiting: list[_Sized]) -> None:
        """Compile the next large zones, together only while their files have at most _TOGETHER octets."""
        good: list[Zone] = []
        bad: list[Zone] = []
        octets = ahead = 0
        while waiting and (not octets or octets + waiting[0][0] <= _TOGETHER):
            size, served = waiting.pop(0)
            self._check()
            octets += size
            self._read(served, good, bad)
            ahead += self._weigh(served, good, bad)
            if good and good[-1].origin == served.origin:
                self._write_down(served, good[-1])
            self._progress.advance(size // 2)
        self._with_room(world, sum(len(zone.nodes) + len(zone.ents) for zone in good), ahead)
        self._compile(world, good, bad, ahead)
        self._progress.advance(octets - octets // 2)

    def _read(self, served: ServedZone, good: list[Zone], bad: list[Zone]) -> None:
        self._as_kept.discard(served.origin)
        try:
            good.append(served.read())
        except ZoneError as error:
            kept = self._kept(served)
            if kept is None:
                self._tell(error)
                bad.append(served.placeholder())
                return
            self._as_kept.add(served.origin)
            self._tell(ZoneError(f"{error}; serial {kept.serial} is served as it was kept", error.findings))
            good.append(kept)

    def _weigh(self, served: ServedZone, good: list[Zone], bad: list[Zone]) -> int:
        """Return about the octets that the zone read last takes; refuse this zone alone if it is surely too large."""
        if not good or good[-1].origin != served.origin:
            return 0
        try:
            return check_size(good[-1], self._memory_mib)
        except StateError as error:
            served.failed(str(error))
            self._tell(ZoneError(of_zone(served.name, str(error))))
            good.pop()
            bad.append(served.placeholder())
            return 0

    def _write_down(self, served: ServedZone, zone: Zone) -> None:
        """Let another thread write the records of a zone while they are compiled."""
        if served.origin in self._as_kept or not served.source.is_large():
            return
        if self._history is not None and isinstance(zone, PackedZone):
            write = partial(self._history.write_at_start, served, zone)
            drafting = Drafting(write, self._history.compare_at_start)
            zone.until_read = drafting.until_written
            self._drafting[served.origin] = drafting

    def _compile(self, world: World, good: list[Zone], bad: list[Zone], ahead: int = 0) -> None:
        """Compile, in a larger store if it must be; `ahead` octets are expected, 0 if it is not known."""
        spend = True
        while True:
            _spend(good, spend)
            try:
                with pages_ahead(world.store, ahead):
                    gone = compile_zones(world, good, bad)
                world.store.reclaim(gone)
            except (StoreFull, RecordsSpent) as error:
                if isinstance(error, StoreFull):
                    self._grow(world, larger_than(world.store))
                else:
                    spend = False
                self._read_again(good, bad)
            else:
                break
        for zone in good:
            self._zones[zone.origin].published(zone, as_kept=zone.origin in self._as_kept)
        check_budget(_taken(world.store), self._memory_mib)

    def _read_again(self, good: list[Zone], bad: list[Zone]) -> None:
        """Replace the zones whose records have gone."""
        gone = [zone.origin for zone in good if isinstance(zone, PackedZone) and zone.is_spent]
        good[:] = [zone for zone in good if zone.origin not in gone]  # before they are there a second time
        for origin in gone:
            drafting = self._drafting.pop(origin, None)  # of what was read before, which may be another version
            if drafting is not None and self._history is not None:
                self._history.discard(drafting.result())
            self._read(self._zones[origin], good, bad)
            if good and good[-1].origin == origin:
                self._write_down(self._zones[origin], good[-1])

    def _with_room(self, world: World, names: int, octets: int = 0) -> None:
        """Make sure that there is room for more names, and for what they are expected to take in the heap.

        To find out by filling one store after the other takes a multiple of the time: ENTs take more than their text.
        """
        store = world.store
        bits = max(store.bucket_bits, index_bits(store.get("nodes") + names))
        used = -(-store.heap.highest * 16 // HEAP_CHUNK)
        chunks = max(store.heap.chunks, used + 2 + (octets + octets // 2) // HEAP_CHUNK if octets else 0)
        if not self._fixed and (bits, chunks) != (store.bucket_bits, store.heap.chunks):
            self._grow(world, Capacity(bits, chunks, store.zone_slots - 1))

    def _grow(self, world: World, sizes: Capacity) -> None:
        """Move to a larger store."""
        if self._fixed:
            raise StateError("the store is too small")
        check_budget(_taken(world.store)._replace(bucket_bits=sizes.bucket_bits), self._memory_mib)
        target = shared_store(sizes, self._opcode_pass)
        move(world.store, target)
        world.store = target

    def _compile_small(self, world: World, small: list[_Sized]) -> None:
        templates = None
        at = 0
        with contextlib.closing(_read_ahead(small)) as batches:
            for batch, files in batches:
                self._check()
                if at == _BATCH:
                    self._with_room(world, world.store.get("nodes") * (len(small) - at) // at)
                at += len(batch)
                if templates is None or templates.store is not world.store:
                    templates = Templates(world)
                rest = [one for number, (_, one) in enumerate(batch) if not copied(templates, one, files, number)]
                templates.close()
                if rest:
                    good: list[Zone] = []
                    bad: list[Zone] = []
                    for served in rest:
                        self._read(served, good, bad)
                    if not self._as_kept.isdisjoint(zone.origin for zone in good):  # that may be much larger
                        self._with_room(world, sum(len(zone.nodes) + len(zone.ents) for zone in good))
                    self._compile(world, good, bad)
                check_budget(_taken(world.store), self._memory_mib)
                self._progress.advance(sum(size for size, _ in batch))

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise StateError("loading was cancelled; nothing is changed")


def _spend(zones: list[Zone], spend: bool) -> None:
    """Note which zones may release their records: one that is compiled alone, since nobody asks it afterwards."""
    for zone in zones:
        if isinstance(zone, PackedZone):
            zone.may_be_spent = spend and len(zones) == 1 and len(zone.packed.memory) >= _SPENT


def _read_ahead(small: list[_Sized]) -> Generator[tuple[list[_Sized], Batch], None, None]:
    """Yield the zones in batches, with what is in their files; another thread reads the next batch meanwhile."""
    parts = [small[at : at + _BATCH] for at in range(0, len(small), _BATCH)]
    batches = [Batch(MAX_TEXT, _BATCH) for _ in range(min(2, len(parts)))]
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        with ThreadPoolExecutor(1) as reader:
            reading: list[Future[None]] = []
            for number in range(len(parts) + 1):
                if number < len(parts):
                    batch = batches[number % 2]
                    batch.clear()
                    for _, served in parts[number]:
                        served.source.name_in(batch)
                    reading.append(reader.submit(batch.run))
                if number:
                    reading[number - 1].result()
                    yield parts[number - 1], batches[(number - 1) % 2]
    finally:
        sys.setswitchinterval(before)


def copied(templates: Templates, served: ServedZone, files: Batch, number: int) -> bool:
    """Serve a zone, one of a batch, by its text; return whether that could be done."""
    text = served.source.text(files, number)
    if not text:
        return False
    try:
        shape = templates.put(served.origin, text, partial(served.made_from, text))
    except (ZoneError, StoreFull):
        return False  # the zone is read and compiled by itself then, which tells what is wrong
    if shape is None:
        return False
    served.serves(shape.serial, shape.count, digest=_digest(text))
    return True


def _taken(store: Store) -> Capacity:
    """Return the sizes of what is in use."""
    return Capacity(store.bucket_bits, -(-store.heap.highest * 16 // HEAP_CHUNK), len(store.numbers))
