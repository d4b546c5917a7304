# SPDX-License-Identifier: GPL-3.0-or-later
"""All zones in a few numbers, and what is wrong with which; a hundred thousand healthy ones take milliseconds."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.served.zones import ServedZone
from appliance.wording import of_zone

TOLD: Final = 100
"""Most zones whose problems are told one by one, and most zones whose warnings are."""
PART: Final = 500
"""Zones described at a time."""


@dataclass(slots=True)
class Summary:
    """What status says of the zones when nobody asks for each of them."""

    states: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    doubtful: int = 0
    signed: int = 0
    earliest: int | None = None
    """When the first signature of all zones ends."""
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def described(self) -> dict[str, Any]:
        """Return the numbers as the verb status shows them."""
        return {
            "configured": sum(self.states.values()),
            "states": dict(sorted(self.states.items())),
            "wrong": self.wrong,
            "doubtful": self.doubtful,
            "signed": self.signed,
            "earliest_expiration": self.earliest,
        }


def summary(zones: Iterable[ServedZone], now: float) -> Summary:
    """Return what there is to say of the zones at a moment."""
    found = Summary()
    states = found.states
    for zone in zones:
        states[zone.state] += 1
        if zone.error or zone.dnssec is not None:
            _look_closely(found, zone, now)
    _tell_more(found.problems, found.wrong)
    _tell_more(found.warnings, found.doubtful)
    return found


def _look_closely(found: Summary, zone: ServedZone, now: float) -> None:
    problems = [zone.problem()] if zone.error else []
    warnings: list[str] = []
    if zone.dnssec is not None:
        found.signed += 1
        ends = zone.dnssec.earliest_expiration
        if ends is not None:
            found.earliest = ends if found.earliest is None else min(ends, found.earliest)
        for level, doubt in zone.doubts(now):
            (problems if level == "error" else warnings).append(doubt)
    found.wrong += bool(problems)
    found.doubtful += bool(warnings)
    if problems and found.wrong <= TOLD:
        found.problems += [of_zone(zone.name, one) for one in problems]
    if warnings and found.doubtful <= TOLD:
        found.warnings += [of_zone(zone.name, one) for one in warnings]


def _tell_more(told: list[str], zones: int) -> None:
    if zones > TOLD:
        rest = zones - TOLD
        told.append(f"{rest} more {'zone' if rest == 1 else 'zones'}: `appliance status --zones` shows all")


def described(zones: Mapping[bytes, ServedZone]) -> Iterator[list[dict[str, Any]]]:
    """Yield the zones as the verb status shows them, some at a time; those that have gone meanwhile are left out."""
    origins = iter(list(zones))
    while part := list(itertools.islice(origins, PART)):
        yield [zones[origin].described() for origin in part if origin in zones]
