# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal is a chain without gaps that leads to the newest version, within its bound."""

import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.errors import StateError
from appliance.state import journal
from appliance.state.database import Database
from appliance.zone import names, types
from appliance.zone.diff.difference import Difference
from appliance.zone.diff.layout import RR

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("example.")
OTHER = names.from_text("other.")
PLENTY = 1 << 20


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with Database(tmp_path).transaction() as found:
        yield found


def soa(serial: int) -> bytes:
    rdata = names.from_text("ns.example.") * 2 + serial.to_bytes(4, "big") + bytes(16)
    return ORIGIN + RR.pack(types.SOA, 1, 300, len(rdata)) + rdata


def step(before: int, after: int, more: bytes = b"") -> Difference:
    return Difference(soa(before), soa(after) + more, len(more), 1, 1 + len(more))


def chain(db: sqlite3.Connection, origin: bytes = ORIGIN) -> list[tuple[int, int]]:
    return [(entry.before, entry.after) for entry in journal.entries(db, origin)]


def test_steps_follow_each_other(db: sqlite3.Connection) -> None:
    for serial in range(1, 5):
        assert journal.append(db, ORIGIN, step(serial, serial + 1), PLENTY)
    assert journal.append(db, OTHER, step(7, 9), PLENTY)
    assert chain(db) == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert list(journal.since(db, ORIGIN, 3)) == [(soa(3), soa(4)), (soa(4), soa(5))]
    db.execute("UPDATE journal SET added = ? WHERE before = 4", (soa(6),))
    with pytest.raises(StateError, match=r"from 4 to 5 of zone example\. is damaged"):
        list(journal.since(db, ORIGIN, 3))
    assert list(journal.since(db, ORIGIN, 5)) == list(journal.since(db, ORIGIN, 7)) == []
    journal.clear(db, ORIGIN)
    assert (chain(db), chain(db, OTHER)) == ([], [(7, 9)])


def test_a_gap_begins_a_new_chain(db: sqlite3.Connection) -> None:
    journal.append(db, ORIGIN, step(1, 2), PLENTY)
    assert journal.append(db, ORIGIN, step(3, 4), PLENTY)
    assert chain(db) == [(3, 4)]


@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (1, 2**31 + 1), (2**32 - 1, 2**31 - 1)])
def test_a_serial_that_is_not_newer_ends_the_chain(db: sqlite3.Connection, before: int, after: int) -> None:
    """RFC 1982: exactly half-way round is not newer either."""
    journal.append(db, ORIGIN, step(before - 1, before), PLENTY)
    assert not journal.append(db, ORIGIN, step(before, after), PLENTY)
    assert chain(db) == []


def test_serials_go_round(db: sqlite3.Connection) -> None:
    journal.append(db, ORIGIN, step(2**32 - 2, 2**32 - 1), PLENTY)
    assert journal.append(db, ORIGIN, step(2**32 - 1, 3), PLENTY)
    assert journal.append(db, ORIGIN, step(3, 2**31 + 2), PLENTY)
    assert len(list(journal.since(db, ORIGIN, 2**32 - 2))) == 3


def test_the_same_serial_twice_leads_on_from_the_later_one(db: sqlite3.Connection) -> None:
    """Four steps of just below half of the numbers go round once and further."""
    far = 2**31 - 1
    serials = [1, 1 + far, 1 + 2 * far, (1 + 3 * far) % 2**32, 1]
    for before, after in pairwise(serials):
        if journal.is_newer(after, before):
            journal.append(db, ORIGIN, step(before, after), PLENTY)
    journal.append(db, ORIGIN, step(1, 2), PLENTY)
    assert list(journal.since(db, ORIGIN, 1)) == [(soa(1), soa(2))]


def test_the_oldest_steps_go_first(db: sqlite3.Connection) -> None:
    size = step(1, 2, b"x" * 100).octets
    for serial in range(1, 20):
        assert journal.append(db, ORIGIN, step(serial, serial + 1, b"x" * 100), 3 * size)
    assert chain(db) == [(17, 18), (18, 19), (19, 20)]
    assert not journal.append(db, ORIGIN, step(20, 21, b"x" * 1000), 3 * size)
    assert chain(db) == []
    assert not journal.append(db, ORIGIN, step(21, 22), 0)
