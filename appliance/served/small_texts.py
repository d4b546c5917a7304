# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that are loaded as they are from files that are not large: their texts are read once more, to be kept.

What is kept is what was served, by its digest: a file that has become another one meanwhile is left out.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from appliance.errors import ApplianceError
from appliance.served.drafts import Draft
from appliance.served.zones import ServedZone
from appliance.state import versions
from appliance.state.versions import Listings, Version
from appliance.zone import digests
from appliance.zone.master.files import MAX_TEXT, Batch
from appliance.zone.packed.zone import PackedZone


class Recording:
    """The drafts of some zones whose kept versions are not what is served."""

    def __init__(self, db: sqlite3.Connection, listings: Listings, zones: Sequence[ServedZone]) -> None:
        """Find the zones, and read their files together."""
        self._db = db
        self._listings = listings
        self.same: list[bytes] = []
        """Origins of the zones whose kept versions are what is served."""
        self._text = self._digest = b""
        self._number = 0
        self._zones: list[tuple[ServedZone, Version | None]] = []
        self._files = Batch(MAX_TEXT, max(len(zones), 1))
        for served in zones:
            if served.state == "serving" and served.digest:
                self._look_at(served)
        self._files.run()

    def _look_at(self, served: ServedZone) -> None:
        kept = versions.find(self._db, served.origin)
        if kept is None or not kept.is_of(served.digest) or not self._listings.holds(kept):
            served.source.name_in(self._files)
            self._zones.append((served, kept))
            return
        self.same.append(served.origin)
        if kept.source != served.pattern:
            kept.source = served.pattern
            versions.put(self._db, served.origin, kept)

    def __iter__(self) -> Iterator[tuple[Draft, Version | None]]:
        """Yield the drafts, each with the kept version.

        Zones whose file has changed since they were loaded are left out, and so are large ones.
        """
        for number, (served, kept) in enumerate(self._zones):
            text = self._files.take(number) or served.source.small_text()
            if text is None or served.serial is None:
                continue
            version = Version(served.serial, served.digest, served.pattern)
            if self._digest_of(text) == served.digest:
                version.text = self._put(text)
            elif not self._write(served, version):
                served.source.doubt()  # the next reload looks into the file
                continue
            yield Draft(served.origin, version), kept

    def _digest_of(self, text: bytes) -> bytes:
        """Return the digest of a text; zones that follow each other often have the same."""
        if text is not self._text:
            self._text, self._digest, self._number = text, digests.of_text(text), 0
        return self._digest

    def _put(self, text: bytes) -> int:
        """Keep the text whose digest was asked for last, and return its number."""
        self._number = self._number or versions.put_text(self._db, text)
        return self._number

    def _write(self, served: ServedZone, version: Version) -> bool:
        """Keep the records of a zone that includes files, or whose text is not what it is known by."""
        try:
            zone = served.again(lambda *_: None)
        except ApplianceError:
            return False
        if not isinstance(zone, PackedZone):
            return False
        self._listings.write(zone.packed, version)
        if version.is_of(served.digest):
            return True
        self._listings.discard(version)
        return False
