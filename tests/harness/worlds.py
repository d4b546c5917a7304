# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiler's calls for tests that hold a store, and change it again and again: each store has one world."""

from collections.abc import Collection, Iterable

from appliance.compiler import plan
from appliance.compiler.change.change import Changed
from appliance.compiler.change.reach import Reach
from appliance.compiler.neighbours.world import World
from appliance.store.store import Retired, Store
from appliance.zone.model import Zone


def world_of(store: Store) -> World:
    """Return the world of a store, made when it is first asked for; it goes with the store."""
    known: dict[str, World] = vars(store)
    if "world" not in known:
        known["world"] = World(store)
    return known["world"]


def compile_zones(store: Store, zones: Iterable[Zone], loading: Iterable[Zone] = ()) -> Retired:
    """Put zones into a store."""
    return plan.compile_zones(world_of(store), zones, loading)


def replace_zone(store: Store, zone: Zone) -> Retired:
    """Serve a zone, compiled whole."""
    return plan.replace_zone(world_of(store), zone)


def change_zone(store: Store, zone: Zone, changed: Changed, reach: Reach | None = None) -> Retired:
    """Serve a zone that differs in some RRsets only."""
    return plan.replace_zone(world_of(store), zone, changed, reach)


def remove_zone(store: Store, origin: bytes) -> Retired:
    """Serve a zone no more."""
    return plan.remove_zones(world_of(store), [origin])


def remove_zones(store: Store, origins: Collection[bytes]) -> Retired:
    """Serve zones no more."""
    return plan.remove_zones(world_of(store), origins)
