# SPDX-License-Identifier: GPL-3.0-or-later
"""Which zones a listing shows, in which order, with which columns: what an operator gave, checked and done."""

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.config.nearest import nearest
from appliance.errors import ApplianceError
from appliance.served.zones import ServedZone

Value = Callable[[ServedZone, str], Any]
"""Returns what a zone has in a column."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for; an empty `sort` leaves the zones as they come."""

    columns: tuple[str, ...]
    bad: bool = False
    column: str = ""
    """The column that must match, if any."""
    matches: re.Pattern[str] | None = None
    sort: str = ""
    downwards: bool = False


def parsed(request: Mapping[str, Any], known: Mapping[str, Any]) -> Choice:
    """Return what a request chooses of the known columns. Raises ApplianceError for others."""
    columns = tuple(dict.fromkeys(one.strip() for one in request["columns"].split(",") if one.strip())) or tuple(known)
    for one in columns:
        _check(one, known)
    column, matches = _filter(request["filter"], known)
    sort = request["sort"].removeprefix("-")
    if sort:
        _check(sort, known)
    return Choice(columns, request["bad"], column, matches, sort, request["sort"].startswith("-"))


def _filter(given: str, known: Mapping[str, Any]) -> tuple[str, re.Pattern[str] | None]:
    """Return the column and what it must be like: KEY=PATTERN, or a pattern of names."""
    if not given:
        return "", None
    column, sign, pattern = given.partition("=")
    if not sign:
        column, pattern = "name", given
    _check(column, known)
    return column, re.compile(fnmatch.translate(pattern.lower()))


def _check(column: str, known: Mapping[str, Any]) -> None:
    if column not in known:
        raise ApplianceError(f"zones have no column {column!r}{nearest(column, list(known))}")


def chosen(zones: Iterator[ServedZone], choice: Choice, value: Value) -> Iterator[ServedZone]:
    """Return the zones that match, in the order that was asked for; those without a value come last."""
    if choice.matches is not None:
        match, column = choice.matches.match, choice.column
        zones = (zone for zone in zones if match(_as_text(value(zone, column))))
    if not choice.sort:
        return zones
    keyed = [(value(zone, choice.sort), zone) for zone in zones]
    there = [one for one in keyed if not _is_nothing(one[0])]
    there.sort(key=lambda one: one[0], reverse=choice.downwards)
    return iter([zone for _, zone in there] + [zone for found, zone in keyed if _is_nothing(found)])


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [])


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value).lower()
