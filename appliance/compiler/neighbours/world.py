# SPDX-License-Identifier: GPL-3.0-or-later
"""A store and the zones in it, as the compiler knows them: who lies where, who depends on whom, and their models."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from appliance.compiler.neighbours.family import Dependents
from appliance.compiler.neighbours.tree import NameTree
from appliance.errors import ApplianceError
from appliance.store.layout import (
    ANSWER_KIND_AT,
    GRANULE,
    NODE_BELOW,
    NODE_CUT,
    NODE_FILLER,
    NODE_FLAGS_AT,
    NODE_FLAGS_PLACE,
    NODE_OTHER_PLACE,
    NODE_ZONE_PLACE,
    ZONE_LOADING,
    ZONE_SIZE,
    ZONE_STATE_WORD,
)
from appliance.store.store import Store
from appliance.store.verdict_names import KIND
from appliance.zone.model import Zone, placeholder

Fetch = Callable[[bytes], Zone]


class World(Mapping[bytes, Zone]):
    """A store, all origins in it, and the models of those zones that are at hand.

    Without fetch every model stays. With it, a model is let go once its zone is compiled; fetch returns it as it is
    served, or raises ApplianceError when it cannot be had any more. What a store says of its zones is enough to make
    a world of it, models aside.
    """

    def __init__(self, store: Store, fetch: Fetch | None = None) -> None:
        """Know the zones of a store; where all of it moves to other arrays, set .store."""
        self.store = store
        self.origins = NameTree(store.numbers)
        self.fetch = fetch
        states, row = store.zones[ZONE_STATE_WORD :: ZONE_SIZE // 4], store.numbers
        self.loading = {origin for origin, number in row.items() if states[number] == ZONE_LOADING}
        """Origins that stand for zones whose data are not there yet."""
        self.dependents = Dependents()
        depending = dict(store.states.depending())
        for origin, number in row.items() if depending else ():
            if number in depending:
                self.dependents.note(origin, (), depending[number])
        self._models: dict[bytes, Zone] = {}
        self._missing: set[bytes] = set()

    def __contains__(self, origin: object) -> bool:
        return origin in self.origins

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.origins)

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, origin: bytes) -> Zone:
        """Return a zone; StateError or ZoneError when it has to be fetched and cannot be."""
        zone = self._models.get(origin)
        if zone is None:
            if origin not in self.origins or self.fetch is None:
                raise KeyError(origin)
            zone = self._models[origin] = placeholder(origin) if origin in self.loading else self.fetch(origin)
        return zone

    def expect(self, origins: Iterable[bytes]) -> None:
        """Count zones among the loaded ones that are about to come."""
        for origin in origins:
            self.origins.add(origin)

    def put(self, zone: Zone) -> bool:
        """Add a zone; return whether its origin is new."""
        self._models[zone.origin] = zone
        return self.origins.add(zone.origin)

    def remove(self, origin: bytes) -> None:
        """Forget a zone."""
        self.origins.discard(origin)
        self.loading.discard(origin)
        self._models.pop(origin, None)

    def release(self) -> None:
        """Release all models that can be fetched again."""
        self._missing.clear()
        if self.fetch is not None:
            self._models.clear()

    def touched_by(self, origin: bytes, membership: bool) -> set[bytes]:
        """Return the other zones (origins) that a change of this one touches; membership: it is added or removed."""
        store, parent = self.store, self.origins.above(origin)
        found = self.dependents.under(origin)
        if membership and parent is not None:
            found |= self.dependents.on(parent)
            cut = _referral(store, origin, store.numbers.get(parent, 0))
            if not cut or self.origins.leads_down(origin):
                found.add(parent)
            else:
                store.octets[cut * GRANULE + NODE_FLAGS_AT] |= NODE_BELOW
        return {other for other in found if other != origin and other in store.numbers}

    def followed(self) -> "Followed":
        """Return the zones as alias chains see them."""
        return Followed(self, self._missing)


class Followed(Mapping[bytes, Zone]):
    """The zones for whoever can do without one: what cannot be fetched is a placeholder, and among the unknown."""

    def __init__(self, world: World, missing: set[bytes]) -> None:
        self._world = world
        self.unknown = Unknown(world.loading, missing)
        self._missing = missing

    def __contains__(self, origin: object) -> bool:
        return origin in self._world.origins

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._world.origins)

    def __len__(self) -> int:
        return len(self._world.origins)

    def __getitem__(self, origin: bytes) -> Zone:
        try:
            return self._world[origin]
        except ApplianceError:
            self._missing.add(origin)
            return placeholder(origin)


class Unknown(set[bytes]):
    """Origins of zones whose data are not at hand: no chain leads into them."""

    def __init__(self, loading: set[bytes], missing: set[bytes]) -> None:
        super().__init__()
        self._loading = loading
        self._missing = missing

    def __contains__(self, origin: object) -> bool:
        return origin in self._loading or origin in self._missing


def _referral(store: Store, name: bytes, number: int) -> int:
    """Return the node of a zone's own cut at a name, 0 where there is none."""
    for ref in store.nodes_of(name):
        fields = store.node(ref)
        if (
            fields[NODE_FLAGS_PLACE] & NODE_CUT
            and not fields[NODE_FLAGS_PLACE] & NODE_FILLER
            and fields[NODE_ZONE_PLACE] == number
        ):
            return ref if store.octets[fields[NODE_OTHER_PLACE] * GRANULE + ANSWER_KIND_AT] == KIND["referral"] else 0
    return 0
