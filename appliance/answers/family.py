# SPDX-License-Identifier: GPL-3.0-or-later
"""Which loaded zones lie below which, and the names that this takes: fillers, shadowed names, OUTSIDE records."""

from collections.abc import Iterable, Iterator

from appliance.answers.context import World
from appliance.zone import names
from appliance.zone.model import Zone


def nearest_above(world: World, origin: bytes) -> bytes | None:
    """Return the origin of the closest loaded zone strictly above a name."""
    if origin == names.ROOT:
        return None
    return next((suffix for suffix in names.suffixes(names.parent(origin)) if suffix in world), None)


def descendants(world: World, origins: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """Return, for each of these loaded zones, the origins of the loaded zones strictly below it."""
    found: dict[bytes, set[bytes]] = {origin: set() for origin in origins}
    for below in world:
        above = nearest_above(world, below)
        while above is not None:
            if above in found:
                found[above].add(below)
            above = nearest_above(world, above)
    return found


def between(child: bytes, above: bytes) -> Iterator[bytes]:
    """Yield the names strictly between a child's apex and a name above it, nearest to the child first."""
    name = names.parent(child)
    while len(name) > len(above):
        yield name
        name = names.parent(name)


def fillers(world: World, zone: Zone, below: Iterable[bytes]) -> set[bytes]:
    """Return the names that need a node only because another zone's apex lies under them."""
    return {
        name
        for child in below
        if nearest_above(world, child) == zone.origin
        for name in between(child, zone.origin)
        if not zone.exists(name)
    }


def borders(zone: Zone, below: Iterable[bytes]) -> set[bytes]:
    """Return the apexes below a zone and all names on the way to them."""
    return {name for child in below for name in (child, *between(child, zone.origin))}


def outside(world: World, origins: Iterable[bytes]) -> set[bytes]:
    """Return the names above these zones, without the root, that no loaded zone covers."""
    return {name for origin in origins if nearest_above(world, origin) is None for name in between(origin, names.ROOT)}
