# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of each zone that was served last, with all its records: as the text they were read from, or as listing.

Small zones lie in the database, where equal texts are one; listings of large ones are files beside it.
"""

import contextlib
import mmap
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import StateError
from appliance.zone import digests, names
from appliance.zone.checks import dnssec as check_dnssec
from appliance.zone.checks.findings import Findings
from appliance.zone.checks.levels import Levels
from appliance.zone.diff.listing import Listing
from appliance.zone.diff.listing_records import records_of
from appliance.zone.load import assemble
from appliance.zone.master import scanner
from appliance.zone.master.records import Records
from appliance.zone.packed.names import Packed
from appliance.zone.packed.zone import PackedZone

FOLDER: Final = "listings"
_SMALL: Final = 1 << 18
"""Octets of a listing up to which it lies in the database."""
_COLUMNS: Final = "serial, digest, source, text, listing, file, octets"


@dataclass(slots=True)
class Version:
    """One version: serial, what its content is known by, the [[pattern]] of its zone, and where its records are.

    digest is that of the text or of the listing (zone.digests), octets the length of a listing.
    """

    serial: int
    digest: bytes = b""
    source: str = ""
    text: int | None = None
    listing: bytes | None = None
    file: str | None = None
    octets: int = 0

    def is_of(self, digest: bytes) -> bool:
        """Return whether this is the content that has a digest."""
        return bool(digest) and self.digest == digest


def find(db: sqlite3.Connection, origin: bytes) -> Version | None:
    """Return the version of a zone."""
    row = db.execute(f"SELECT {_COLUMNS} FROM zones WHERE origin = ?", (origin,)).fetchone()
    return Version(*row) if row else None


def sources(db: sqlite3.Connection) -> list[tuple[bytes, str]]:
    """Return all zones of which a version is kept, with their patterns."""
    return list(db.execute("SELECT origin, source FROM zones"))


def put(db: sqlite3.Connection, origin: bytes, version: Version) -> None:
    """Keep a version of a zone instead of the one before."""
    one = version
    content = (one.text, one.listing, one.file, one.octets)
    db.execute(
        f"INSERT OR REPLACE INTO zones (origin, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (origin, one.serial, one.digest, one.source, *content),
    )


def put_text(db: sqlite3.Connection, text: bytes) -> int:
    """Keep a text, once; return its number."""
    digest = digests.of_text(text)
    row = db.execute("SELECT id FROM texts WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        row = db.execute(
            "INSERT INTO texts (digest, content) VALUES (?, ?) RETURNING id", (digest, zlib.compress(text, 1))
        ).fetchone()
    return int(row[0])


def text_of(db: sqlite3.Connection, number: int) -> bytes:
    """Return a kept text. Raises StateError where it is damaged."""
    row = db.execute("SELECT content FROM texts WHERE id = ?", (number,)).fetchone()
    try:
        return zlib.decompress(row[0])
    except (TypeError, zlib.error) as error:
        raise StateError("a kept text is damaged") from error


def remove(db: sqlite3.Connection, origin: bytes) -> None:
    """Keep nothing of a zone."""
    db.execute("DELETE FROM zones WHERE origin = ?", (origin,))


class Listings:
    """The folder of large listings."""

    def __init__(self, folder: Path) -> None:
        """Name the state folder, which need not be there yet."""
        self._folder = folder / FOLDER

    def write(self, packed: Packed, version: Version) -> None:
        """Write the listing of a settled zone, into the version where it is small. Raises OSError.

        A file is not on the disk for sure before sync().
        """
        listing = Listing(packed)
        version.listing = listing.whole(_SMALL)
        if version.listing is not None:
            version.octets = len(version.listing)
            version.digest = digests.of_text(version.listing)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        version.file = secrets.token_hex(8)
        try:
            with self._path(version.file).open("xb", buffering=0) as file:
                version.octets, _ = listing.write_to(file.fileno())
            version.digest = digests.of_text(self._mapped(version.file))
        except (OSError, StateError):
            self.discard(version)
            raise

    def holds(self, version: Version) -> bool:
        """Return whether the records of a version are there, as far as that can be told at once."""
        if not version.file:
            return True
        with contextlib.suppress(OSError):
            return self._path(version.file).stat().st_size == version.octets
        return False

    def sync(self, version: Version) -> None:
        """Write the file of a version to the disk, so that it outlasts a power cut. Raises OSError."""
        for path in (self._path(version.file), self._folder) if version.file else ():
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def discard(self, version: Version) -> None:
        """Release the file of a version, if it has one."""
        if version.file:
            with contextlib.suppress(OSError):
                self._path(version.file).unlink()

    def sweep(self, kept: Iterable[str]) -> None:
        """Remove the files that belong to no version: of a process that was killed."""
        known = set(kept)
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink()

    def open(self, db: sqlite3.Connection, origin: bytes, version: Version) -> memoryview:
        """Return the listing of a version, made from its text where it has one. Raises StateError."""
        if version.text is not None:
            return _listing_of(self._records(db, origin, version), origin)
        return self._listed(origin, version)

    def _listed(self, origin: bytes, version: Version) -> memoryview:
        found = memoryview(version.listing) if version.listing is not None else self._mapped(version.file or "")
        _check(digests.of_text(found), origin, version)
        return found

    def zone(self, db: sqlite3.Connection, origin: bytes, version: Version, levels: Levels) -> PackedZone:
        """Return a version as a zone that can be served. Raises StateError."""
        records = self._records(db, origin, version)
        zone = _assembled(records, origin)
        zone.dnssec = check_dnssec.check(zone, Findings(records), levels)
        zone.digest = version.digest
        return zone

    def made_of(self, listing: bytes, origin: bytes, levels: Levels) -> PackedZone:
        """Return the zone that a listing is, which was made of kept versions. Raises StateError."""
        records = records_of(memoryview(listing), f"an earlier version of zone {names.to_text(origin)}")
        zone = _assembled(records, origin)
        zone.dnssec = check_dnssec.check(zone, Findings(records), levels)
        return zone

    def _records(self, db: sqlite3.Connection, origin: bytes, version: Version) -> Records:
        if version.text is None:
            return records_of(self._listed(origin, version), f"the kept version of zone {names.to_text(origin)}")
        text = text_of(db, version.text)
        _check(digests.of_text(text), origin, version)
        return _scanned(text, origin)

    def _mapped(self, name: str) -> memoryview:
        try:
            with self._path(name).open("rb") as file:
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise StateError(f"{self._path(name)}: {error}") from error

    def _path(self, name: str) -> Path:
        return self._folder / name


def _check(digest: bytes, origin: bytes, version: Version) -> None:
    if digest != version.digest:
        raise StateError(f"what is kept of zone {names.to_text(origin)} is damaged")


def _write(fd: int, octets: bytes | memoryview) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(fd, view) :]


def _listing_of(records: Records, origin: bytes) -> memoryview:
    return memoryview(b"".join(bytes(piece) for piece in Listing(_assembled(records, origin).packed)))


def _scanned(text: bytes, origin: bytes) -> Records:
    """Return the records of a text that was a zone once."""
    fd = os.memfd_create("zone", os.MFD_CLOEXEC)
    try:
        _write(fd, text)
        return scanner.scan_file(f"/proc/self/fd/{fd}", origin)
    finally:
        os.close(fd)


def _assembled(records: Records, origin: bytes) -> PackedZone:
    """Return the zone of these records. Raises StateError where the records make no zone."""
    zone = assemble(records, origin, Findings(records))
    if not isinstance(zone, PackedZone):
        raise StateError(f"what is kept of zone {names.to_text(origin)} is no zone any more")
    return zone
