# SPDX-License-Identifier: GPL-3.0-or-later
"""The loaded zones by origin: in memory while they are compiled, fetched again when a neighbour asks for one."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from appliance.compiler.neighbours.tree import NameTree
from appliance.errors import ApplianceError
from appliance.zone.model import Zone, placeholder

Fetch = Callable[[bytes], Zone]


class Sources(Mapping[bytes, Zone]):
    """All origins, and the models of those zones that are at hand.

    Without fetch every model stays. With it, a model is let go once its zone is compiled; fetch returns it as it is
    served, or raises ApplianceError when it cannot be had any more.
    """

    def __init__(self) -> None:
        self.origins = NameTree()
        self.fetch: Fetch | None = None
        self.loading: set[bytes] = set()
        """Origins that stand for zones whose data are not there yet."""
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
        """Take a zone up; tell whether its origin is new."""
        self._models[zone.origin] = zone
        return self.origins.add(zone.origin)

    def remove(self, origin: bytes) -> None:
        """Forget a zone."""
        self.origins.discard(origin)
        self.loading.discard(origin)
        self._models.pop(origin, None)

    def release(self) -> None:
        """Let go of all models that can be fetched again."""
        self._missing.clear()
        if self.fetch is not None:
            self._models.clear()

    def followed(self) -> "Followed":
        """Return the zones as alias chains see them."""
        return Followed(self, self._missing)


class Followed(Mapping[bytes, Zone]):
    """The zones for whoever can do without one: what cannot be fetched is a placeholder, and among the unknown."""

    def __init__(self, sources: Sources, missing: set[bytes]) -> None:
        self._sources = sources
        self.unknown = Unknown(sources.loading, missing)
        self._missing = missing

    def __contains__(self, origin: object) -> bool:
        return origin in self._sources.origins

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._sources.origins)

    def __len__(self) -> int:
        return len(self._sources.origins)

    def __getitem__(self, origin: bytes) -> Zone:
        try:
            return self._sources[origin]
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
