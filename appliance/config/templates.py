# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns as templates: what zones and other patterns take over from those that they name.

A value of its own stands instead of that of a template, the last template named counts first; lists add up, as they do
with NSD's include-pattern.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from appliance.config.nearest import nearest
from appliance.config.patterns import file_of
from appliance.config.places import Path
from appliance.config.schema import Config, Pattern, ZoneEntry

ReportError = Callable[[Path, str], None]

LISTS: Final = ("primaries", "notify", "allow_transfer", "allow_notify")
DEPTH: Final = 32
"""Patterns that may include each other in a row."""


def resolved(config: Config, error: ReportError) -> Config:
    """Return a configuration in which each zone and pattern has what its templates give; tell what cannot be found."""
    templates = _Templates(config.pattern, error)
    patterns = tuple(templates.whole(index) for index in range(len(config.pattern)))
    zones = tuple(
        _zone(templates, zone, index, error) if zone.pattern else zone for index, zone in enumerate(config.zone)
    )
    return msgspec.structs.replace(config, pattern=patterns, zone=zones)


class _Templates:
    """The patterns of a configuration; each is made whole once, however many include it."""

    def __init__(self, patterns: tuple[Pattern, ...], error: ReportError) -> None:
        self._patterns = patterns
        self._error = error
        self._whole: dict[int, tuple[Pattern, int]] = {}
        """Whole patterns by their place, each with the number of patterns in a row below it."""
        self.places: dict[str, int] = {}
        for index, pattern in enumerate(patterns):
            if pattern.name in self.places:
                error(("pattern", index, "name"), f"pattern {pattern.name!r} is there twice")
            elif pattern.name:
                self.places[pattern.name] = index

    def whole(self, index: int, above: tuple[int, ...] = ()) -> Pattern:
        """Return a pattern with what it includes; `above` are the places of those that include it."""
        if index not in self._whole:
            pattern, way = self._patterns[index], (*above, index)
            found = [at for name in pattern.include_pattern if (at := self._included(name, way)) is not None]
            included = [self.whole(at, way) for at in found]
            depth = max((self._whole[at][1] + 1 for at in found), default=0)
            if depth == DEPTH:
                self._error(("pattern", index, "include_pattern"), f"more than {DEPTH} patterns include each other")
            chain = (*included, pattern)
            file = next((one.file for one in reversed(chain) if one.file), "")
            self._whole[index] = msgspec.structs.replace(pattern, file=file, **_added_up(chain)), depth
        return self._whole[index][0]

    def _included(self, name: str, way: tuple[int, ...]) -> int | None:
        """Return the place of a pattern that the last one of a way includes; tell why it is none."""
        at = self.places.get(name)
        path: Path = ("pattern", way[-1], "include_pattern")
        if at is None:
            self._error(path, f"there is no pattern {name!r}" + nearest(name, list(self.places)))
        elif at in way:
            circle = [self._patterns[one].name for one in way[way.index(at) :]]
            self._error(path, f"include_pattern goes in a circle: {' → '.join([*circle, name])}")
        elif len(way) >= DEPTH:
            self._error(path, f"more than {DEPTH} patterns include each other")
        else:
            return at
        return None


def _zone(templates: _Templates, zone: ZoneEntry, index: int, error: ReportError) -> ZoneEntry:
    at = templates.places.get(zone.pattern)
    if at is None:
        known = nearest(zone.pattern, list(templates.places))
        error(("zone", index, "pattern"), f"there is no pattern {zone.pattern!r}{known}")
        return zone
    pattern = templates.whole(at)
    file = zone.file or (file_of(pattern, zone.name.lower()) if pattern.file else "")
    if not file:
        error(("zone", index), f"[[zone]] {zone.name} lacks file, and its pattern has none")
    return msgspec.structs.replace(zone, file=file, **_added_up((pattern, zone)))


def _added_up(chain: Iterable[ZoneEntry | Pattern]) -> dict[str, tuple[str, ...]]:
    """Return the lists of templates and of their users together, in this order."""
    return {key: tuple(dict.fromkeys(value for one in chain for value in getattr(one, key))) for key in LISTS}
