# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand delegations of a large zone get other servers: the time from records to visible."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from appliance.compiler.change.reach import Reach
from appliance.compiler.expected import capacity
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones, replace_zone
from appliance.store.store import Store
from appliance.zone import names, types
from appliance.zone.load import load_zone
from appliance.zone.model import RRset, RRsets, Zone
from bench.figures import Figure, at_most
from bench.zones import large

CHANGED: Final = 1000
ROUNDS: Final = 15
_LIMIT_MS: Final = 15
_RATIO: Final = 1.5


class _Edited(Mapping[bytes, RRsets]):
    """The names of a zone, some of them as they were changed since it was loaded."""

    def __init__(self, base: Mapping[bytes, RRsets]) -> None:
        self._base = base
        self.changed: dict[bytes, RRsets] = {}

    def __getitem__(self, name: bytes) -> RRsets:
        found = self.changed.get(name)
        return self._base[name] if found is None else found

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)


class _Many(Zone):
    """Such a zone; counting its names takes no time."""

    def how_many(self) -> int:
        return len(self.nodes)


class Changing:
    """A large zone in a store of its own."""

    def __init__(self, path: Path) -> None:
        """Load and compile it."""
        base = load_zone(path, names.from_text(large.ORIGIN))
        self.store = Store.sized(capacity([base]), 1)
        self.world = World(self.store)
        compile_zones(self.world, [base])
        self.nodes = _Edited(base.nodes)
        kept = (base.signatures, base.nsec3, base.delegations, base.dnames, base.ents, base.scheme)
        self.zone = _Many(base.origin, base.serial, self.nodes, *kept)
        self.reach = Reach(self.zone)
        self.insecure = sorted(cut for cut in base.delegations if set(base.nodes[cut]) == {types.NS})
        self.spent: list[float] = []

    def change(self, number: int) -> None:
        """Give other servers to a thousand insecure delegations, and note the time."""
        zone, nodes, reach = self.zone, self.nodes.changed, self.reach
        records = dict(_records(random.Random(number).sample(self.insecure, CHANGED), number))
        begin = time.perf_counter()
        zone.serial += 1
        soa = zone.soa
        rdata = soa.rdatas[0][:-20] + zone.serial.to_bytes(4, "big") + soa.rdatas[0][-16:]
        nodes[zone.origin] = {**zone.nodes[zone.origin], types.SOA: RRset(types.SOA, soa.ttl, [rdata])}
        for cut, rrset in records.items():
            nodes[cut] = {types.NS: rrset}
            reach.note(zone, cut)
        changed = {zone.origin: {types.SOA, types.RRSIG}, **{cut: {types.NS} for cut in records}}
        retired = replace_zone(self.world, zone, changed, reach)
        self.spent.append(time.perf_counter() - begin)
        self.store.reclaim(retired)

    def figure(self, part: str) -> Figure:
        """Return the median time."""
        spent = sorted(self.spent)
        beside = {"quickest": spent[0] * 1e3, "slowest": spent[-1] * 1e3}
        return at_most(f"scale_change_1000_{part}", statistics.median(spent) * 1e3, "ms", _LIMIT_MS, **beside)


def _records(cuts: list[bytes], number: int) -> Iterator[tuple[bytes, RRset]]:
    for at, cut in enumerate(cuts):
        servers = [names.from_text(f"ns{server}.changed{number}-{at}.com.") for server in (1, 2)]
        yield cut, RRset(types.NS, 7200, servers)


def measure(paths: Mapping[str, Path], note: Callable[[str], None]) -> Iterator[Figure]:
    """Yield the figures of zones by their parts, measured in turn, and how they compare."""
    zones = {}
    for part, path in paths.items():
        zones[part] = Changing(path)
        note(f"changes: the zone of {part} is compiled")
    gc.collect()
    gc.freeze()  # as the server does when all is loaded
    for number in range(ROUNDS):
        for zone in zones.values():
            zone.change(number)
    gc.unfreeze()
    for part, zone in zones.items():
        yield zone.figure(part)
    if len(zones) == 2:
        one, other = (zone.spent for zone in zones.values())
        ratio = statistics.median(b / a for a, b in zip(one, other, strict=True))
        yield at_most("scale_change_1000_ratio", ratio, "x", _RATIO)
