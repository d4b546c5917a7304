# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns as templates: what zones and other patterns take over from those that they name.

A value of its own stands instead of that of a template, the last template named counts first; lists add up, as they do
with NSD's include-pattern.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from appliance.config.nearest import nearest
from appliance.config.patterns import file_of
from appliance.config.places import Path
from appliance.config.schema import Config, Pattern, ZoneEntry

ReportError = Callable[[Path, str], None]

LISTS: Final = ("primaries", "notify", "allow_transfer", "allow_notify")
DEPTH: Final = 32


def resolved(config: Config, error: ReportError) -> Config:
    """Return a configuration in which each zone and pattern has what its templates give; tell what cannot be found."""
    named: dict[str, Pattern] = {}
    for index, pattern in enumerate(config.pattern):
        if pattern.name in named:
            error(("pattern", index, "name"), f"pattern {pattern.name!r} is there twice")
        if pattern.name:
            named.setdefault(pattern.name, pattern)
    patterns = tuple(_pattern(named, pattern, index, error) for index, pattern in enumerate(config.pattern))
    whole = {pattern.name: pattern for pattern in reversed(patterns) if pattern.name}
    zones = tuple(_zone(whole, zone, index, error) for index, zone in enumerate(config.zone))
    return msgspec.structs.replace(config, pattern=patterns, zone=zones)


def _pattern(named: Mapping[str, Pattern], pattern: Pattern, index: int, error: ReportError) -> Pattern:
    wrong: list[str] = []
    chain = list(_chain(named, pattern, (), wrong))
    for reason in dict.fromkeys(wrong):
        error(("pattern", index, "include_pattern"), reason)
    file = next((one.file for one in chain if one.file), "")
    return msgspec.structs.replace(pattern, file=file, **_added_up(chain))


def _chain(
    named: Mapping[str, Pattern], pattern: Pattern, above: tuple[str, ...], wrong: list[str]
) -> Iterator[Pattern]:
    """Yield a pattern and what it includes, whose values count first before those whose do later."""
    yield pattern
    for name in reversed(pattern.include_pattern):
        if name in above or name == pattern.name or len(above) >= DEPTH:
            way = " → ".join((*above, *((pattern.name,) if pattern.name else ()), name))
            wrong.append(f"include_pattern goes in a circle: {way}")
        elif name not in named:
            wrong.append(f"there is no pattern {name!r}" + nearest(name, list(named)))
        else:
            yield from _chain(named, named[name], (*above, *((pattern.name,) if pattern.name else ())), wrong)


def _zone(whole: Mapping[str, Pattern], zone: ZoneEntry, index: int, error: ReportError) -> ZoneEntry:
    pattern = whole.get(zone.pattern)
    if zone.pattern and pattern is None:
        error(("zone", index, "pattern"), f"there is no pattern {zone.pattern!r}" + nearest(zone.pattern, list(whole)))
        return zone
    file = zone.file or (file_of(pattern, zone.name.lower()) if pattern is not None and pattern.file else "")
    if not file:
        error(("zone", index), f"[[zone]] {zone.name} lacks file, and its pattern has none")
    chain: tuple[ZoneEntry | Pattern, ...] = (zone,) if pattern is None else (zone, pattern)
    return msgspec.structs.replace(zone, file=file, **_added_up(chain))


def _added_up(chain: "list[Pattern] | tuple[ZoneEntry | Pattern, ...]") -> dict[str, tuple[str, ...]]:
    """Return the lists of templates and of their users together, those of the templates first."""
    return {key: tuple(dict.fromkeys(value for one in reversed(chain) for value in getattr(one, key))) for key in LISTS}
