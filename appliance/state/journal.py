# SPDX-License-Identifier: GPL-3.0-or-later
"""The IXFR journal: what led from each served version of a zone to the next one, as far back as there is room."""

import sqlite3
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from appliance.errors import StateError
from appliance.zone import names
from appliance.zone.diff.difference import Difference

_SERIALS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One step from a serial to another; made is when, in seconds since 1970."""

    before: int
    after: int
    removed_records: int
    added_records: int
    octets: int
    made: int


def is_newer(serial: int, than: int) -> bool:
    """Return whether a serial follows another one (RFC 1982 §3.2)."""
    return 0 < (serial - than) % _SERIALS < _SERIALS // 2


def append(db: sqlite3.Connection, origin: bytes, difference: Difference, most: int) -> bool:
    """Add a step, and remove the oldest ones where all take more than `most` octets; return whether it is kept.

    One that does not begin where the last one ends, that does not lead to a newer serial or that is too large ends the
    chain instead: with a gap in it nobody may use what lies before.
    """
    before, after = difference.serials()
    last = db.execute("SELECT after FROM journal WHERE origin = ? ORDER BY id DESC LIMIT 1", (origin,)).fetchone()
    if not is_newer(after, before) or difference.octets > most:
        clear(db, origin)
        return False
    if last is not None and last[0] != before:
        clear(db, origin)
    db.execute(
        "INSERT INTO journal (origin, before, after, removed_records, added_records, octets, made, sum, removed, added)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            origin,
            before,
            after,
            difference.removed_records,
            difference.added_records,
            difference.octets,
            int(time.time()),
            _sum(difference.removed, difference.added),
            difference.removed,
            difference.added,
        ),
    )
    _shorten(db, origin, most)
    return True


def _shorten(db: sqlite3.Connection, origin: bytes, most: int) -> None:
    kept = 0
    for number, octets in db.execute("SELECT id, octets FROM journal WHERE origin = ? ORDER BY id DESC", (origin,)):
        kept += octets
        if kept > most:
            db.execute("DELETE FROM journal WHERE origin = ? AND id <= ?", (origin, number))
            break


def clear(db: sqlite3.Connection, origin: bytes) -> None:
    """Forget all steps of a zone."""
    db.execute("DELETE FROM journal WHERE origin = ?", (origin,))


def entries(db: sqlite3.Connection, origin: bytes) -> list[Entry]:
    """Return the steps of a zone, the oldest first."""
    rows = db.execute(
        "SELECT before, after, removed_records, added_records, octets, made FROM journal WHERE origin = ? ORDER BY id",
        (origin,),
    )
    return [Entry(*row) for row in rows]


def since(db: sqlite3.Connection, origin: bytes, serial: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield what went and what came, step by step, from a serial to the newest one; nothing for an unknown serial.

    Each list begins with a SOA, as in an answer to IXFR (RFC 1995 §4). Raises StateError for a damaged step.
    """
    start = db.execute("SELECT max(id) FROM journal WHERE origin = ? AND before = ?", (origin, serial)).fetchone()[0]
    if start is None:
        return
    steps = "SELECT before, after, sum, removed, added FROM journal WHERE origin = ? AND id >= ? ORDER BY id"
    for before, after, known, removed, added in db.execute(steps, (origin, start)):
        if _sum(removed, added) != known:
            zone = names.to_text(origin)
            raise StateError(f"the step from {before} to {after} of zone {zone} is damaged; transfer the zone whole")
        yield removed, added


def _sum(removed: bytes, added: bytes) -> int:
    return zlib.crc32(added, zlib.crc32(removed))
