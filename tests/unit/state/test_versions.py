# SPDX-License-Identifier: GPL-3.0-or-later
"""Kept versions come back as they were, or not at all."""

import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import StateError
from appliance.state import versions
from appliance.state.database import Database
from appliance.state.versions import FOLDER, Listings, Version
from appliance.zone import digests, names
from appliance.zone.checks.levels import DEFAULTS
from appliance.zone.diff.listing import Listing
from appliance.zone.load import load_zone
from appliance.zone.packed.zone import PackedZone

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("example.")
HEAD = "$TTL 300\n@ SOA ns root 1 2 3 4 5\n@ NS ns\n"
SMALL = HEAD + "www A 192.0.2.1\n"
LARGE = HEAD + "".join(f"h{number} TXT {'x' * 200}\n" for number in range(3000))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with Database(tmp_path).transaction() as found:
        yield found


def zone(folder: Path, text: str) -> PackedZone:
    path = folder / "zone"
    path.write_text(text)
    found = load_zone(path, ORIGIN)
    assert isinstance(found, PackedZone)
    return found


def listing(found: PackedZone) -> bytes:
    return b"".join(bytes(piece) for piece in Listing(found.packed))


def version() -> Version:
    return Version(1, source="zones/{zone}.zone")


@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
def test_listings_come_back(tmp_path: Path, db: sqlite3.Connection, text: str) -> None:
    listings, kept, found = Listings(tmp_path), version(), zone(tmp_path, text)
    listings.write(found.packed, kept)
    listings.sync(kept)
    assert (kept.file is None) == (text is SMALL)
    versions.put(db, ORIGIN, kept)
    again = versions.find(db, ORIGIN)
    assert again == kept
    assert listings.holds(again)
    assert listings.open(db, ORIGIN, again) == listing(found)
    versions.remove(db, ORIGIN)
    assert versions.find(db, ORIGIN) is None


def test_texts_come_back_and_equal_ones_are_one(tmp_path: Path, db: sqlite3.Connection) -> None:
    kept = version()
    kept.text, kept.digest = versions.put_text(db, SMALL.encode()), digests.of_text(SMALL.encode())
    assert versions.put_text(db, SMALL.encode()) == kept.text
    assert versions.put_text(db, LARGE.encode()) != kept.text
    assert Listings(tmp_path).open(db, ORIGIN, kept) == listing(zone(tmp_path, SMALL))


def test_damage_is_told(tmp_path: Path, db: sqlite3.Connection) -> None:
    listings, kept = Listings(tmp_path), version()
    listings.write(zone(tmp_path, LARGE).packed, kept)
    path = tmp_path / FOLDER / str(kept.file)
    whole = path.read_bytes()
    for hurt in (whole[:-1], whole + b"\0", whole[:5000] + b"?" + whole[5001:], b""):
        path.write_bytes(hurt)
        with pytest.raises(StateError):
            listings.open(db, ORIGIN, kept)
    path.unlink()
    assert not listings.holds(kept)
    with pytest.raises(StateError, match="No such file"):
        listings.open(db, ORIGIN, kept)
    kept.text, kept.digest = versions.put_text(db, b"this is no zone"), digests.of_text(b"this is no zone")
    with pytest.raises(StateError, match="no zone"):
        listings.open(db, ORIGIN, kept)
    kept.text += 1
    with pytest.raises(StateError, match="damaged"):
        listings.open(db, ORIGIN, kept)


def test_nothing_is_left_of_what_cannot_be_written(tmp_path: Path) -> None:
    listings, kept, found = Listings(tmp_path), version(), zone(tmp_path, LARGE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            listings.write(found.packed, kept)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_strangers_are_swept_out(tmp_path: Path) -> None:
    listings, kept, other = Listings(tmp_path), version(), version()
    listings.write(zone(tmp_path, LARGE).packed, kept)
    listings.write(zone(tmp_path, LARGE).packed, other)
    listings.sweep([str(kept.file)])
    assert (listings.holds(kept), listings.holds(other)) == (True, False)
    listings.discard(kept)
    listings.discard(kept)
    assert not listings.holds(kept)


def test_only_the_digest_tells_that_it_is_the_same() -> None:
    assert Version(1, b"d" * 16).is_of(b"d" * 16)
    assert not Version(1, b"d" * 16).is_of(b"e" * 16)
    assert not Version(1, b"").is_of(b"")


@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("how", ["text", "listing"])
def test_a_kept_version_is_a_zone_again(tmp_path: Path, db: sqlite3.Connection, text: str, how: str) -> None:
    listings, kept, found = Listings(tmp_path), version(), zone(tmp_path, text)
    if how == "text":
        kept.text, kept.digest = versions.put_text(db, text.encode()), digests.of_text(text.encode())
    else:
        listings.write(found.packed, kept)
        assert kept.digest == digests.of_records(found)
    again = listings.zone(db, ORIGIN, kept, DEFAULTS)
    assert (listing(again), again.serial, again.digest) == (listing(found), found.serial, kept.digest)
    assert dict(again.rrsets()).keys() == dict(found.rrsets()).keys()
