# SPDX-License-Identifier: GPL-3.0-or-later
"""OUTSIDE nodes: names above zones that no loaded zone covers, so that the search by depth passes them."""

from appliance.compiler.neighbours.family import is_outside, outside
from appliance.compiler.neighbours.world import World
from appliance.store import hashing
from appliance.store.layout import FOREVER, GRANULE, NODE, NODE_OUTSIDE
from appliance.store.shape import types_offset
from appliance.store.store import Store
from appliance.zone import names


def add(world: World, origin: bytes) -> None:
    """Write OUTSIDE nodes for the names above a zone that have no node."""
    for name in outside(world.origins, origin):
        add_record(world.store, name)


def add_for_gone(world: World, origin: bytes) -> None:
    """Write nodes for the names that need them when a zone is gone, before it goes; its origin is no apex then."""
    store, origins = world.store, world.origins
    origins.discard(origin)
    if origin != names.ROOT and is_outside(origins, origin):
        add_record(store, origin)
    if origins.at_or_above(origin) is None:
        for name in origins.between(origin):
            add_record(store, name)


def add_record(store: Store, name: bytes) -> None:
    """Write the OUTSIDE node of a name if there is none."""
    if name in store.outside:
        return
    granules = _granules(name)
    start, _ = store.heap.take(granules, granules)
    head = NODE.pack(len(name), names.label_count(name), NODE_OUTSIDE, 0, 0, 0, FOREVER, 0, 0, 0, 0, 0, 0)
    size = types_offset(len(name), NODE_OUTSIDE)
    store.octets[start * GRANULE : start * GRANULE + size] = head + name + bytes(size - NODE.size - len(name))
    store.insert(start, hashing.name_hash(store.seed, name))
    store.outside[name] = start


def drop(world: World, origin: bytes) -> None:
    """Take out the OUTSIDE nodes that are superfluous since a zone came or went."""
    store, origins = world.store, world.origins
    if not store.outside:
        return
    for name in (*names.suffixes(origin), *origins.between(origin)):
        if name not in store.outside or is_outside(origins, name):
            continue
        ref = store.outside.pop(name)
        store.unlink(ref)
        store.abandoned.append((ref, ref + _granules(name)))


def _granules(name: bytes) -> int:
    return (types_offset(len(name), NODE_OUTSIDE) + GRANULE - 1) // GRANULE
