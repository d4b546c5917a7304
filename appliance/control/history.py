# SPDX-License-Identifier: GPL-3.0-or-later
"""What is served, kept beside the image: all records of each zone's version, and the steps between versions.

A new version is compared with the kept one before it is served, so that only differences are applied, and kept after
it is. What a crash leaves between the two is found at the next start: the file is another one than was kept.
"""

import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from appliance.config.schema import Config
from appliance.control.drafts import Draft
from appliance.control.record import Recording
from appliance.control.zones import ServedZone, Was
from appliance.errors import StateError
from appliance.state import journal, versions
from appliance.state.database import Database
from appliance.state.versions import Listings, Version
from appliance.zone import names
from appliance.zone.difference import NOTHING, Difference, difference
from appliance.zone.model import Zone
from appliance.zone.packed_zone import PackedZone

_MIB: Final = 1 << 20
_APPLIED: Final = 100 * _MIB
"""Octets of records up to which a change is looked at one by one, also where no step may take as many."""

_log = logging.getLogger(__name__)


class History:
    """Everything in the state folder but the image; its methods are called one after the other (Reloader sees to it).

    Nothing here keeps a zone from being served: failures are told once, and changes are compiled whole then.
    """

    def __init__(self, config: Config) -> None:
        folder = Path(config.server.state_dir)
        self.wanted = config.journal.keep
        self._most = config.journal.max_mib * _MIB
        self._database = Database(folder)
        self._listings = Listings(folder)
        self._current: set[bytes] = set()
        """Zones whose kept version is surely what the store has, because this process saw to it."""
        self.failure = ""
        """Why the last attempt to keep something failed, until one works."""

    def draft(self, served: ServedZone, was: Was, zone: Zone) -> Draft | None:
        """Write the records of a zone down, and compare them with those kept; None where that cannot be done.

        was is what the zone was served from before.
        """
        draft = self._write(served, zone) if self.wanted else None
        return draft and self._compared(draft, was)

    def write_at_start(self, served: ServedZone, zone: Zone) -> Draft | None:
        """Write down the records of a zone of which nothing is served yet, unless it is the kept one."""
        try:
            with self._database.transaction() as db:
                kept = versions.find(db, served.origin)
        except StateError as error:
            self._tell(error)
            return None
        if kept is not None and kept.is_of(*served.was) and self._listings.holds(kept):
            return Draft(served.origin, kept, is_kept=True)
        return self._write(served, zone)

    def compare_at_start(self, draft: Draft) -> Draft | None:
        """Compare what was written with the kept version; None where that cannot be done."""
        return draft if draft.is_kept else self._compared(draft, None)

    def _write(self, served: ServedZone, zone: Zone) -> Draft | None:
        if not isinstance(zone, PackedZone):
            return None
        draft = Draft(served.origin, Version(zone.serial, served.stamp or b"", served.lasting))
        try:
            self._listings.write(zone.packed, draft.version)
        except (StateError, OSError) as error:
            self._give_up(draft, error)
            return None
        return draft

    def _compared(self, draft: Draft, was: Was | None) -> Draft | None:
        try:
            with self._database.transaction() as db:
                self._compare(db, draft, versions.find(db, draft.origin), was)
        except (StateError, OSError) as error:
            self._give_up(draft, error)
            return None
        return draft

    def _give_up(self, draft: Draft, error: Exception) -> None:
        self._listings.discard(draft.version)
        self._current.discard(draft.origin)  # it is about to be served all the same
        self._tell(error)

    def _compare(self, db: sqlite3.Connection, draft: Draft, kept: Version | None, was: Was | None) -> None:
        """Find what leads from the kept version to a draft, and whether the store has the kept one."""
        origin = draft.origin
        if kept is None:
            return
        try:
            old = self._listings.open(db, origin, kept)
            new = self._listings.open(db, origin, draft.version)
            draft.difference = difference(old, new, origin, max(self._most, _APPLIED))
        except StateError as error:
            _log.warning("zone %s: %s; what the new version changes is not known", names.to_text(origin), error)
        draft.applies = was is not None and (origin in self._current or kept.is_of(*was))

    def keep(self, drafts: Iterable[Draft]) -> None:
        """Keep what is served now, all or nothing, in one transaction."""
        drafts = list(drafts)
        if not drafts:
            return
        left: list[Version] = []
        self._current.difference_update(draft.origin for draft in drafts)
        try:
            for draft in drafts:
                if not draft.is_kept:
                    self._listings.sync(draft.version)
            with self._database.transaction() as db:
                for draft in drafts:
                    if not draft.is_kept:
                        left += self._keep(db, draft, versions.find(db, draft.origin))
        except (StateError, OSError) as error:
            self._tell(error)
            return
        for version in left:
            self._listings.discard(version)
        self._current.update(draft.origin for draft in drafts)
        self.failure = ""

    def _keep(self, db: sqlite3.Connection, draft: Draft, kept: Version | None) -> list[Version]:
        """Keep one version instead of another; return that one, whose file goes when the transaction is done."""
        versions.put(db, draft.origin, draft.version)
        if kept is None:
            return []
        self._note_step(db, draft)
        return [kept]

    def _note_step(self, db: sqlite3.Connection, draft: Draft) -> None:
        found = draft.difference
        if found is None:
            journal.clear(db, draft.origin)
        elif not found.is_empty:
            before, after = found.serials()
            if not journal.is_newer(after, before):
                _log.warning(
                    "zone %s: serial %d is not newer than %d (RFC 1982), so secondaries will not fetch it",
                    names.to_text(draft.origin),
                    after,
                    before,
                )
            journal.append(db, draft.origin, found, self._most)

    def discard(self, draft: Draft | None) -> None:
        """Let go of a draft that is not served after all."""
        if draft is not None and not draft.is_kept:
            self._listings.discard(draft.version)

    def remove(self, origins: Sequence[bytes]) -> None:
        """Keep nothing of zones that are served no more."""
        if not self.wanted or not origins:
            return
        left = []
        self._current.difference_update(origins)
        try:
            with self._database.transaction() as db:
                for origin in origins:
                    left.append(versions.find(db, origin))
                    versions.remove(db, origin)
                    journal.clear(db, origin)
        except StateError as error:
            self._tell(error)
            return
        for version in left:
            if version is not None:
                self._listings.discard(version)

    def steps(self, origin: bytes) -> list[journal.Entry]:
        """Return the journal of a zone, the oldest step first. Raises StateError."""
        if not self.wanted:
            raise StateError("no journal is kept; [journal] keep = true would")
        with self._database.transaction() as db:
            return journal.entries(db, origin)

    def record(self, zones: Sequence[ServedZone]) -> dict[bytes, Difference]:
        """Keep the versions of zones from files that are not large, in one transaction, unless they are the kept ones.

        Returns what they change, by origin, as far as it is known.
        """
        if not self.wanted or not zones:
            return {}
        left: list[Version] = []
        found: dict[bytes, Difference] = {}
        self._current.difference_update(served.origin for served in zones)
        try:
            with self._database.transaction() as db:
                recording = Recording(db, self._listings, zones)
                found.update(dict.fromkeys(recording.same, NOTHING))
                for draft, kept in recording:
                    self._compare(db, draft, kept, None)
                    left += self._keep(db, draft, kept)
                    if draft.difference is not None:
                        found[draft.origin] = draft.difference
        except (StateError, OSError) as error:
            self._tell(error)
            return {}
        self.failure = ""
        for version in left:
            self._listings.discard(version)
        return found

    def sweep(self, zones: Mapping[bytes, ServedZone]) -> None:
        """Let go of what belongs to no zone of the configuration, and of files that a killed process left."""
        if not self.wanted:
            return
        try:
            with self._database.transaction() as db:
                gone = [origin for (origin,) in db.execute("SELECT origin FROM zones") if origin not in zones]
                files = [file for (file,) in db.execute("SELECT file FROM zones WHERE file IS NOT NULL")]
                db.execute("DELETE FROM texts WHERE id NOT IN (SELECT text FROM zones WHERE text IS NOT NULL)")
        except StateError as error:
            self._tell(error)
            return
        self._listings.sweep(files)
        self.remove(gone)

    def _tell(self, error: Exception) -> None:
        """Log what keeps this from working, once."""
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        known, self.failure = self.failure, f"what is served cannot be kept: {said}; changes are compiled whole then"
        if not known:
            _log.warning("%s", self.failure)
