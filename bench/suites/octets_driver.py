# SPDX-License-Identifier: GPL-3.0-or-later
"""Build stores with whatever `appliance` is imported, and print digests of their octets, for the suite octets.

Run as a program by each side. What differs between the sides' compilers is in `Side` alone.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from appliance.compiler import expected
from appliance.store.image import load, save
from appliance.store.store import Retired, Store
from appliance.zone import names, types
from appliance.zone.load import load_zone
from appliance.zone.model import RRsets, Zone
from bench.zones import octets as octets_zones
from bench.zones.octets import Nodes
from tests.stores.signing import signed

SEED = 0x5EED
_SIGNED: Mapping[str, Mapping[str, Any] | None] = {
    "unsigned": None,
    "nsec": {},
    "nsec3": {"nsec3": True, "salt": b"\xab"},
    "opt-out": {"nsec3": True, "opt_out": True},
}


class Side:
    """A store, and the calls by which this side's compiler writes it."""

    def __init__(self, store: Store, fetch: Callable[[bytes], Zone] | None = None) -> None:
        """Write into a store; fetch gives zones that a neighbour needs again."""
        self.store = store

        def compiler(name: str) -> Any:
            return importlib.import_module(f"appliance.compiler.{name}")

        template = compiler("template.template")
        try:
            self._copying = (template.Templates, compiler("template.replacement").Replacements)
        except AttributeError:  # until December 2026 they had other names
            self._copying = (template.Stamper, compiler("template.restamp").Restamper)
        try:
            self._calls = compiler("plan")
            self._into: Any = compiler("neighbours.world").World(store, fetch)
            self._change = self._calls.replace_zone
        except ModuleNotFoundError:  # until December 2026 the store knew its zones
            self._calls, self._into = compiler("compile"), store
            self._change = compiler("change.change").change_zone
            store.sources.fetch = fetch  # type: ignore[attr-defined]  # of the old tree

    def compile(self, zones: Iterable[Zone], loading: Iterable[Zone] = ()) -> None:
        """Serve zones, whole."""
        self.store.reclaim(self._calls.compile_zones(self._into, zones, loading))

    def change(self, zone: Zone, changed: Mapping[bytes, set[int]]) -> None:
        """Serve a version that differs in some RRsets only."""
        self.store.reclaim(self._change(self._into, zone, changed))

    def remove(self, origins: list[bytes]) -> None:
        """Serve zones no more."""
        self.store.reclaim(self._calls.remove_zones(self._into, origins))

    def copier(self, again: bool) -> Any:
        """Return what puts zones by their text; again: also those that are served already."""
        return self._copying[again](self._into)


def digests(store: Store) -> dict[str, str]:
    """Return a digest of each array, and of what the writer knows beside them."""
    found = {
        name: _digest(buffer)
        for name, buffer in zip(("ctl", "index", "heap", "zone table"), store.buffers, strict=True)
    }
    states: list[Any] = []
    for number in sorted(store.states):
        state: Any = store.states[number]
        if hasattr(state, "shared"):  # a copy
            states.append((number, state.start, state.shared))
        else:
            nodes = state.nodes if hasattr(state, "nodes") else state.records  # until December 2026
            found_of = (nodes.tobytes(), state.extents, sorted(state.chains), state.tally, state.waste)
            states.append((number, *found_of))
    free = (store.heap.free, store.heap.highest, store.abandoned)
    beside = (store.depths, sorted(store.numbers.items()), sorted(store.outside.items()), free, states)
    found["beside"] = _digest(repr(beside).encode())
    return found


def _digest(octets: Any) -> str:
    return hashlib.blake2b(octets, digest_size=16).hexdigest()


def room(zones: list[Zone]) -> Store:
    """Return an empty store for zones and their next versions."""
    size = expected.capacity(zones)
    return Store.sized(size._replace(chunks=size.chunks + 8, zones=size.zones + 64), SEED)


def built(nodes: Nodes, origin: bytes, scheme: str) -> Zone:
    """Return a zone of objects, with a chain of proofs where its scheme has one."""
    zone = Zone.build(origin, {owner: dict(rrsets) for owner, rrsets in nodes.items()})
    options = _SIGNED[scheme]
    return zone if options is None else signed(zone, **options)


def packed(zone: Zone, folder: Path) -> Zone:
    """Return a zone as it comes from a file."""
    path = folder / "zone"
    with path.open("w") as file:
        for owner, rrset in zone.rrsets():
            for rdata in rrset.rdatas:
                file.write(f"{names.to_text(owner)} {rrset.ttl} IN TYPE{rrset.rtype} \\# {len(rdata)} {rdata.hex()}\n")
    return load_zone(path, zone.origin)


def differences(before: Zone, after: Zone) -> dict[bytes, set[int]]:
    """Return the types of the RRsets that differ, by owner."""
    found: dict[bytes, set[int]] = {}

    def compare(old: Mapping[bytes, RRsets], new: Mapping[bytes, RRsets], seen_as: int) -> None:
        for owner in sorted(old.keys() | new.keys()):
            was, now = old.get(owner, {}), new.get(owner, {})
            for rtype in was.keys() | now.keys():
                if was.get(rtype) != now.get(rtype):
                    found.setdefault(owner, set()).add(seen_as or rtype)

    compare(before.nodes, after.nodes, 0)
    compare(before.signatures, after.signatures, types.RRSIG)
    for owner in sorted(before.nsec3.keys() | after.nsec3.keys()):
        if before.nsec3.get(owner) != after.nsec3.get(owner):
            found.setdefault(owner, set()).add(types.NSEC3)
    return found


class Cases:
    """The cases; each yields (step, store) whenever the store is to be looked at."""

    def __init__(self, given: Mapping[str, Any], folder: Path) -> None:
        """Take what was asked for: zone files, steps, copies, cuts."""
        self._files: list[list[str]] = given["files"]
        self._steps: int = given["steps"]
        self._copies: int = given["copies"]
        self._cuts: int = given["cuts"]
        self._folder = folder

    def all(self) -> Iterator[tuple[str, Callable[[], Iterator[tuple[str, Store]]]]]:
        """Yield the cases by name."""
        for path, origin in self._files:
            yield f"file {Path(path).name}", partial(self._file, path, origin)
        for scheme in _SIGNED:
            for large in (False, True):
                name = f"changes {scheme}{' as large' if large else ''}"
                yield name, partial(self._changes, scheme, large)
        yield "neighbours", self._neighbours
        yield "copies", partial(self._copied, self._copies)
        for scheme in ("unsigned", "opt-out"):
            yield f"{self._cuts} cuts {scheme}", partial(self._delegations, scheme)

    def _file(self, path: str, origin: str) -> Iterator[tuple[str, Store]]:
        """Compile a file whole, map it from an image, and go on with it by changes of its delegations and addresses."""
        wire = names.from_text(origin)
        zone = load_zone(path, wire)
        side = Side(room([zone]))
        side.compile([zone])
        yield "whole", side.store
        side.compile([load_zone(path, wire)])
        yield "whole again", side.store
        side = self._mapped(side.store)
        yield "mapped", side.store
        zone = Zone.build(wire, dict(zone.nodes.items()), dict(zone.signatures.items()), dict(zone.nsec3.items()))
        side.compile([zone])
        yield "by objects", side.store
        chance = random.Random(path.rsplit("/", 1)[-1])
        yield from self._run(side, zone, lambda nodes: octets_zones.some_cuts(chance, nodes, wire), chance)

    def _mapped(self, store: Store, fetch: Callable[[bytes], Zone] | None = None) -> Side:
        path = self._folder / "image"
        save(store, path)
        found, _ = load(path)
        path.unlink()
        return Side(found, fetch)

    def _run(
        self, side: Side, zone: Zone, mutate: Callable[[Nodes], None], chance: random.Random, steps: int = 0
    ) -> Iterator[tuple[str, Store]]:
        """Change a zone step by step where its proofs stay."""
        nodes: Nodes = {owner: dict(rrsets) for owner, rrsets in zone.nodes.items()}
        for number in range(steps or self._steps):
            mutate(nodes)
            octets_zones.next_serial(nodes, zone.origin)
            after = Zone.build(
                zone.origin, {one: dict(sets) for one, sets in nodes.items()}, zone.signatures, zone.nsec3
            )
            changed = differences(zone, after)
            if chance.random() < 0.9:
                side.change(after, changed)
            else:
                side.compile([after])
            zone = after
            yield f"step {number}", side.store

    def _changes(self, scheme: str, large: bool) -> Iterator[tuple[str, Store]]:
        """Change a zone that has a bit of everything."""
        usual = expected.LARGE
        if large:
            expected.LARGE = 0  # type: ignore[misc]  # Final for all others
        try:
            yield from self._changed(scheme, random.Random(scheme))
        finally:
            expected.LARGE = usual  # type: ignore[misc]  # as above

    def _changed(self, scheme: str, chance: random.Random) -> Iterator[tuple[str, Store]]:
        origin = octets_zones.ORIGIN
        nodes = octets_zones.mixed(chance)
        zone = built(nodes, origin, scheme)
        side = Side(Store.create(8, 16, 8, SEED))
        known = {one.origin: one for one in (octets_zones.stranger(), zone)}
        side.compile([octets_zones.stranger(), packed(zone, self._folder)])
        yield "whole", side.store
        for number in range(self._steps):
            octets_zones.mutate(chance, nodes, only_cuts=scheme in ("nsec", "opt-out") and chance.random() < 0.8)
            octets_zones.next_serial(nodes, origin)
            after = built(nodes, origin, scheme)
            kind = chance.random()
            if kind < 0.8:
                side.change(after, differences(zone, after))
            else:
                side.compile([packed(after, self._folder) if kind < 0.9 else after])
            if number == self._steps // 2:
                side = self._mapped(side.store, known.__getitem__)
                yield "mapped", side.store
            zone = known[origin] = after
            yield f"step {number}", side.store

    def _neighbours(self) -> Iterator[tuple[str, Store]]:
        """Zones above and below each other come, change and go."""
        chance = random.Random("neighbours")
        zones: dict[bytes, Zone] = {}
        side = Side(Store.create(6, 8, 20, SEED), zones.__getitem__)
        for number in range(self._steps):
            origin = chance.choice(octets_zones.FAMILY)
            if origin in zones and chance.random() < 0.3:
                del zones[origin]
                side.remove([origin])
            else:
                scheme = chance.choice(("unsigned", "unsigned", "nsec", "nsec3"))
                zone = built(octets_zones.relative(chance, origin), origin, scheme)
                waiting = chance.random() < 0.1
                zones[origin] = zone = octets_zones.waiting(origin) if waiting else zone
                side.compile([] if waiting else [zone], [zone] if waiting else [])
            yield f"step {number}", side.store
        side.remove(sorted(zones))
        yield "all gone", side.store

    def _copied(self, count: int) -> Iterator[tuple[str, Store]]:
        """Zones of one text, then some of them with another text, then some gone."""
        bits, chunks = max(8, (count * 2).bit_length()), 16 + count // 300
        store = Store.create(bits, chunks, count * 2, SEED)
        served: dict[bytes, bytes] = {}

        def read(origin: bytes, text: bytes) -> Zone:
            path = self._folder / "text"
            path.write_bytes(text)
            return load_zone(path, origin)

        side = Side(store, lambda origin: read(origin, served[origin]))
        for again in (False, True, True):
            copier = side.copier(again)
            text = octets_zones.text(again + len(served) % 7)
            chosen = random.Random(len(served)).sample(range(count), count // 3) if again else range(count)
            for number in chosen:
                origin = names.from_text(f"zone{number:06d}.example.")
                if copier.put(origin, text, lambda wire, text=text: read(wire, text)) is None:
                    side.compile([read(origin, text)])
                served[origin] = text
            copier.close()
            if again:
                store.reclaim(Retired(copier.take_retired()))
            yield f"copied, again: {again}", store
        gone = sorted(served)[::5]
        side.remove(gone)
        yield "some gone", store
        side = self._mapped(store)
        yield "mapped", side.store

    def _delegations(self, scheme: str) -> Iterator[tuple[str, Store]]:
        """A zone of cuts alone, as a country has."""
        chance = random.Random("cuts")
        origin = names.from_text("tld.")
        zone = built(octets_zones.delegations(chance, origin, self._cuts), origin, scheme)
        found = packed(zone, self._folder)
        side = Side(room([found, found]))
        side.compile([found])
        yield "whole", side.store
        side = self._mapped(side.store)
        steps = max(3, self._steps // 20)
        cuts = sorted(zone.delegations)
        yield from self._run(
            side, zone, lambda nodes: octets_zones.other_servers(chance, nodes, cuts, 200), chance, steps
        )


def main() -> None:
    """Print a line of JSON for each case: its name, its steps with their digests, the processor seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        for name, case in Cases(json.loads(sys.argv[1]), Path(folder)).all():
            began = time.process_time()
            steps = [(step, digests(store)) for step, store in case()]
            print(json.dumps([name, steps, round(time.process_time() - began, 2)]), flush=True)


if __name__ == "__main__":
    main()
