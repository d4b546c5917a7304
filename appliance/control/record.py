# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that are loaded as they are from files that are not large: their texts are read once more, to be kept."""

import sqlite3
from collections.abc import Iterator, Sequence

from appliance.answers.stamp import MAX_TEXT
from appliance.control.drafts import Draft
from appliance.control.zones import LARGE, ServedZone
from appliance.errors import ApplianceError
from appliance.state import versions
from appliance.state.versions import Listings, Version
from appliance.zone.files import Batch
from appliance.zone.packed_zone import PackedZone


class Recording:
    """The drafts of some zones whose kept versions are not what is served."""

    def __init__(self, db: sqlite3.Connection, listings: Listings, zones: Sequence[ServedZone]) -> None:
        """Find the zones, and read their files together."""
        self._db = db
        self._listings = listings
        self.same: list[bytes] = []
        """Origins of the zones whose kept versions are what is served."""
        self._text = b""
        self._number = 0
        self._zones: list[tuple[ServedZone, Version | None]] = []
        self._files = Batch(MAX_TEXT, max(len(zones), 1))
        for served in zones:
            if served.state == "serving":
                self._look_at(served)
        self._files.run()

    def _look_at(self, served: ServedZone) -> None:
        kept = versions.find(self._db, served.origin)
        if kept is None or not kept.is_of(*served.was) or not self._listings.holds(kept):
            served.name_in(self._files)
            self._zones.append((served, kept))
        else:
            self.same.append(served.origin)

    def __iter__(self) -> Iterator[tuple[Draft, Version | None]]:
        """Yield the drafts, each with the kept version.

        Zones whose file has changed since they were loaded are left out, and so are large ones.
        """
        for number, (served, kept) in enumerate(self._zones):
            text = self._files.take(number)
            text = served.same_text(LARGE) if text is None else text if self._files.stamp == served.stamp else None
            if text is not None and served.serial is not None:
                version = Version(served.serial, served.stamp or b"", served.lasting)
                if b"$INCLUDE" not in text.upper():
                    version.text = self._put(text)
                elif not self._write(served, version):  # what it includes may change without it
                    continue
                yield Draft(served.origin, version), kept

    def _put(self, text: bytes) -> int:
        """Keep a text, and return its number; zones that follow each other often have the same."""
        if text is not self._text or not self._number:
            self._text, self._number = text, versions.put_text(self._db, text)
        return self._number

    def _write(self, served: ServedZone, version: Version) -> bool:
        try:
            zone = served.again()
        except ApplianceError:
            return False
        if not isinstance(zone, PackedZone) or zone.serial != served.serial:
            return False
        self._listings.write(zone.packed, version)
        return True
