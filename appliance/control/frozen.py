# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones whose files are not read: what is told of them, and how they are frozen and thawed in memory."""

import contextlib
import logging
from functools import partial
from typing import Any

from appliance.control.update import Update
from appliance.errors import StateError
from appliance.served import stamps
from appliance.served.frozen_source import FrozenSource
from appliance.served.signatures import moment
from appliance.served.zones import ServedZone
from appliance.state.zone_rows import NOT_ROLLED_BACK, Frozen

_log = logging.getLogger(__name__)


def is_frozen(served: ServedZone) -> bool:
    """Return whether the zone's file is not read."""
    return isinstance(served.source, FrozenSource)


def frozen_outcome(update: Update, served: ServedZone) -> dict[str, Any]:
    """Return what a reload says of a frozen zone."""
    return {"zone": served.name, "ok": True, "outcome": f"{why_frozen(update, served)}: its file is not read"}


def why_frozen(update: Update, served: ServedZone) -> str:
    """Return since when a zone is frozen, why, and what ends it."""
    row = update.dynamic.frozen.get(served.origin)
    since = f" since {moment(row.since)}" if row else ""
    back = f", rolled back to serial {row.serial}" if row and row.serial != NOT_ROLLED_BACK else ""
    return f"frozen{since}{back} (`appliance thaw {served.name}` ends that)"


def frozen_and_changed(update: Update) -> list[dict[str, Any]]:
    """Return what a reload of all zones says of the frozen ones whose files are not what they were."""
    return [
        frozen_outcome(update, served)
        for origin, row in list(update.dynamic.frozen.items())
        if (served := update.zones.get(origin)) is not None
        and is_frozen(served)
        and stamps.of_file(served.file) != row.stamp
    ]


def freeze_in_memory(update: Update, served: ServedZone, digest: bytes) -> None:
    """Serve a zone from what is kept of it from now on; `digest` is that of the kept version, nothing without one."""
    kept = partial(update.history.kept, served)
    served.source = FrozenSource(served.source, digest, kept)


def note_file(served: ServedZone, stamp: bytes) -> None:
    """Note which version of its file a frozen zone has served, so that another one is told; nothing where none did."""
    beneath = served.source.beneath if isinstance(served.source, FrozenSource) else served.source
    if stamp:
        beneath.recall(stamp)


def thaw_in_memory(served: ServedZone) -> None:
    """Let the file of a zone be read again, whatever was known of it."""
    if isinstance(served.source, FrozenSource):
        served.source = served.source.beneath
        served.source.forget()


def freeze_at_start(update: Update) -> None:
    """Freeze what was frozen before; forget it of zones that are not served any more."""
    frozen = dict(update.dynamic.frozen)
    versions = update.history.known_versions(frozen)
    for origin, row in frozen.items():
        served = update.zones.get(origin)
        if served is None:
            continue
        serial, digest = versions.get(origin, (-1, b""))
        if row.serial != NOT_ROLLED_BACK and update.dynamic.rollbacks(origin, {serial: row.serial}).get(serial) is None:
            _forget_rollback(update, served, row)
        note_file(served, row.stamp)
        freeze_in_memory(update, served, digest)
    gone = [origin for origin in frozen if origin not in update.zones]
    try:
        update.dynamic.drop(gone)
    except StateError as error:
        _log.warning("what is kept of zones that have gone stays for now: %s", error)


def _forget_rollback(update: Update, served: ServedZone, row: Frozen) -> None:
    """Say that a rollback was not done when the server was killed; the zone stays frozen."""
    _log.error(
        "zone %s: its rollback to serial %d was not done when the server ended; it is frozen as it was before: "
        "`appliance thaw %s`, or roll it back again",
        served.name,
        row.serial,
        served.name,
    )
    with contextlib.suppress(StateError):
        update.dynamic.freeze({served.origin: row._replace(serial=NOT_ROLLED_BACK)})
