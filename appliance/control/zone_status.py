# SPDX-License-Identifier: GPL-3.0-or-later
"""One record a zone: where it comes from, what is served of it and since when, what is wrong, what happens next.

`record` makes it, column by column, so that whoever needs three columns of a hundred thousand zones pays for three.
A listing is made in a thread. Where a file system hangs, only the client that asked for the listing waits.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.control.channel import Listing
from appliance.control.status import Told
from appliance.control.zone_choice import Choice, chosen, parsed
from appliance.errors import ApplianceError
from appliance.served.frozen_source import FrozenSource
from appliance.served.source import ZoneSource
from appliance.served.zone_set import DYNAMIC
from appliance.served.zones import ServedZone
from appliance.store.store import Store
from appliance.store.tally import zone_octets
from appliance.zone import names

PART: Final = 500
"""Zones described at a time."""


@dataclass(frozen=True, slots=True)
class View:
    """What the records of one request are made from, besides the zones."""

    store: Store
    nic_path: bool
    """Whether an interface runs the program."""
    now: float
    started: tuple[float, float]
    """When the start of the server began and ended."""
    unlisted: Collection[bytes] = ()
    patterns: Mapping[str, str] = field(default_factory=dict)
    """What each pattern is called, by what it is known as."""
    templates: Mapping[bytes, str] = field(default_factory=dict)
    """The patterns of zones that have tables of their own."""


def _source(zone: ServedZone, view: View) -> str:
    if isinstance(zone.source, FrozenSource) and not zone.source.is_lost:
        return "frozen"
    return "kept" if zone.is_kept else "file"


def _pattern(zone: ServedZone, view: View) -> str:
    if zone.pattern.startswith(DYNAMIC):
        return zone.pattern.removeprefix(DYNAMIC)
    return view.patterns.get(zone.pattern) or view.templates.get(zone.origin, "")


def _read_from(zone: ServedZone) -> ZoneSource:
    """Return the source of a zone as it is without a freeze."""
    return zone.source.beneath if isinstance(zone.source, FrozenSource) else zone.source


def _pending(zone: ServedZone, view: View) -> str:
    if isinstance(zone.source, FrozenSource):
        newer = ", and its file is another version" if zone.source.beneath.changed() else ""
        return f"frozen{newer}; `appliance thaw {zone.name}` has the file read again"
    if zone.origin in view.unlisted:
        return "nothing names it any more, and its removal is held; `appliance status` says why"
    if zone.error or not zone.source.changed():
        return ""
    if not os.path.lexists(zone.file):
        return f"its file is missing; serial {zone.serial} is served on"
    return f"its file is newer than what is served; `appliance reload {zone.name}` reads it"


def _path(zone: ServedZone, view: View) -> str:
    if not view.nic_path:
        return "userspace"
    proofs = zone.dnssec is not None and zone.dnssec.proofs_from_userspace
    return "NIC path, proofs by userspace" if proofs else "NIC path"


def _since_start(zone: ServedZone, view: View) -> bool:
    began, ended = view.started
    return zone.served_since is not None and int(began) <= zone.served_since <= ended


def _next_try(zone: ServedZone, view: View) -> str:
    if isinstance(zone.source, FrozenSource):
        return "when it is thawed"
    return "with the next reload" if zone.error or _pending(zone, view) else ""


def _problem(zone: ServedZone, view: View) -> str:
    told = [zone.problem()] if zone.error else []
    told += [doubt for level, doubt in zone.doubts(view.now) if level == "error"]
    if not told and zone.state != "serving":
        told.append("nothing is served of it yet (SERVFAIL)")
    return "; ".join(told)


def is_bad(zone: ServedZone, now: float) -> bool:
    """Return whether something is wrong with a zone, so that somebody should see to it."""
    if zone.error or zone.state != "serving":
        return True
    return zone.dnssec is not None and any(level == "error" for level, _ in zone.doubts(now))


_Column = Callable[[ServedZone, View], Any]

COLUMNS: Final[Mapping[str, _Column]] = {
    "name": lambda zone, view: zone.name,
    "source": _source,
    "pattern": _pattern,
    "added": lambda zone, view: zone.pattern.startswith(DYNAMIC),
    "frozen": lambda zone, view: isinstance(zone.source, FrozenSource),
    "file": lambda zone, view: zone.file,
    "file_is_served": lambda zone, view: not (zone.error or _read_from(zone).changed()),
    "state": lambda zone, view: zone.state,
    "serial": lambda zone, view: zone.serial,
    "since": lambda zone, view: zone.served_since,
    "since_start": _since_start,
    "pending": _pending,
    "last_success": lambda zone, view: zone.last_success,
    "last_failure": lambda zone, view: zone.last_failure[0] if zone.last_failure else None,
    "failure": lambda zone, view: zone.last_failure[1] if zone.last_failure else "",
    "failing_since": lambda zone, view: int(zone.since) if zone.since is not None else None,
    "next_try": lambda zone, view: None,  # a file is read when somebody asks for it; a time of the clock has no file
    "next_try_when": _next_try,
    "names": lambda zone, view: zone.names,
    "octets": lambda zone, view: zone_octets(view.store, zone.origin),
    "signed": lambda zone, view: zone.dnssec.scheme if zone.dnssec else "",
    "signatures_end": lambda zone, view: zone.dnssec.earliest_expiration if zone.dnssec else None,
    "path": _path,
    "bad": lambda zone, view: is_bad(zone, view.now),
    "problem": _problem,
    "warnings": lambda zone, view: [doubt for level, doubt in zone.doubts(view.now) if level == "warning"],
}
"""The columns of a record; times are seconds since 1970, None where there was none."""


def record(zone: ServedZone, view: View, columns: Sequence[str] = tuple(COLUMNS)) -> dict[str, Any]:
    """Return what there is to know of a zone."""
    return {column: COLUMNS[column](zone, view) for column in columns}


async def zone_status(told: Told, request: Mapping[str, Any]) -> dict[str, Any] | Listing:
    """Return the records that the verb zonestatus asks for. Raises ApplianceError for what there is not."""
    choice = parsed(request, COLUMNS)
    view = await _view(told)
    result: dict[str, Any] = {"healthy": True, "bad": 0, "now": int(view.now)}
    if not request["zone"]:
        return Listing(result, "zones", _records(told.zones, view, choice, result), in_thread=True)
    zone = _named(told.zones, request["zone"])
    bad = is_bad(zone, view.now)
    result |= {
        "healthy": not bad,
        "bad": int(bad),
        "zones": [await asyncio.to_thread(record, zone, view, choice.columns)],
        "listening": [{"address": address, "port": port} for address, port in told.endpoints],
    }
    return result


def _named(zones: Mapping[bytes, ServedZone], name: str) -> ServedZone:
    origin = names.fold(names.from_text(name))
    if (found := zones.get(origin)) is None:
        label = names.to_text(origin).partition(".")[0]
        raise ApplianceError(
            f"zone {names.to_text(origin)} is none of this server; `appliance zone status --filter '*{label}*'` looks "
            "for names"
        )
    return found


async def _view(told: Told) -> View:
    interfaces, _ = await told.interfaces()
    zone_set = told.zone_set
    return View(
        told.publication.store,
        any(one["mode"] != "off" for one in interfaces),
        time.time(),
        (told.stage.began, told.stage.ready),
        zone_set.unlisted,
        zone_set.pattern_names(),
        zone_set.templates(),
    )


def _records(
    zones: Mapping[bytes, ServedZone], view: View, choice: Choice, result: dict[str, Any]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the records, some at a time, and count in the result which are bad; zones that go meanwhile are left out.

    The result is sent behind the last part.
    """
    found: Iterator[ServedZone] = (zone for origin in list(zones) if (zone := zones.get(origin)) is not None)
    if choice.bad:
        found = (zone for zone in found if is_bad(zone, view.now))
    found = chosen(found, choice, lambda zone, column: COLUMNS[column](zone, view))
    while part := list(itertools.islice(found, PART)):
        result["bad"] += sum(is_bad(zone, view.now) for zone in part)
        result["healthy"] = not result["bad"]
        yield [record(zone, view, choice.columns) for zone in part]
