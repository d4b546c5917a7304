# SPDX-License-Identifier: GPL-3.0-or-later
"""Which loaded zones lie below which, and the names that this takes: fillers, shadowed names, OUTSIDE nodes."""

from collections.abc import Iterable, Iterator

from appliance.compiler.neighbours.tree import NameTree
from appliance.zone import names
from appliance.zone.model import Zone


def between(child: bytes, above: bytes) -> Iterator[bytes]:
    """Yield the names strictly between a child's apex and a name above it, nearest to the child first."""
    name = names.parent(child)
    while len(name) > len(above):
        yield name
        name = names.parent(name)


def fillers(origins: NameTree, zone: Zone) -> set[bytes]:
    """Return the names that need a node only because another zone's apex lies under them."""
    return {name for name in origins.between(zone.origin) if not zone.exists(name)}


def borders(zone: Zone, below: Iterable[bytes]) -> set[bytes]:
    """Return the apexes below a zone and all names on the way to them."""
    return {name for child in below for name in (child, *between(child, zone.origin))}


def outside(origins: NameTree, origin: bytes) -> Iterator[bytes]:
    """Yield the names above a zone, without the root, that no loaded zone covers."""
    return between(origin, names.ROOT) if origins.above(origin) is None else iter(())


def is_outside(origins: NameTree, name: bytes) -> bool:
    """Return whether a name that no loaded zone covers needs a node because zones lie below it."""
    return origins.leads_down(name) and origins.at_or_above(name) is None


class Dependents:
    """Which zones' answers were written from what other zones say: where their alias chains lead."""

    def __init__(self) -> None:
        self._names = NameTree()
        self._origins: dict[bytes, set[bytes]] = {}

    def __bool__(self) -> bool:
        """Return whether any zone depends on anything."""
        return bool(self._origins)

    def note(self, origin: bytes, before: Iterable[bytes], now: Iterable[bytes]) -> None:
        """Note that a zone depends on other names than before: origins, or names in no loaded zone."""
        for name in before:
            found = self._origins[name]
            found.discard(origin)
            if not found:
                del self._origins[name]
                self._names.discard(name)
        for name in now:
            self._origins.setdefault(name, set()).add(origin)
            self._names.add(name)

    def on(self, name: bytes) -> set[bytes]:
        """Return the origins of the zones that depend on exactly this name."""
        return self._origins.get(name, set())

    def under(self, name: bytes) -> set[bytes]:
        """Return the origins of the zones that depend on a name or on any name below it."""
        found = set(self.on(name))
        for below in self._names.below(name):
            found |= self._origins[below]
        return found
