# SPDX-License-Identifier: GPL-3.0-or-later
"""What is served, kept beside the image: all records of each zone's version, and the steps between versions.

A new version is compared with the kept one before it is served, so that only differences are applied, and kept after
it is. What a crash leaves between the two is found at the next start: the file is another one than was kept.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from appliance.config.schema import Config
from appliance.errors import StateError
from appliance.served.drafts import Draft
from appliance.served.small_texts import Recording
from appliance.served.zones import ServedZone
from appliance.state import journal, versions
from appliance.state.database import Database
from appliance.state.versions import Listings, Version
from appliance.wording import counted
from appliance.zone import names
from appliance.zone.diff.difference import NOTHING, Difference, difference
from appliance.zone.diff.earlier import Earlier
from appliance.zone.model import Zone
from appliance.zone.packed.zone import PackedZone

_MIB: Final = 1 << 20
_APPLIED: Final = 100 * _MIB
"""Octets of differing records up to which a change is made by names, whatever a step of the journal may take."""

_log = logging.getLogger(__name__)


class History:
    """Everything in the state folder but the image; its methods are called one after the other (Update sees to it).

    Nothing here keeps a zone from being served: failures are told once, and changes are compiled whole then.
    """

    def __init__(self, config: Config) -> None:
        folder = Path(config.server.state_dir)
        self.configure(config)
        self._database = Database(folder)
        self._listings = Listings(folder)
        self.failure = ""
        """Why the last attempt to keep something failed, until one works."""
        self._gone: set[bytes] = set()
        """Zones of which nothing is to be kept, though something still lies there: it counts for nothing."""

    def configure(self, config: Config) -> None:
        """Keep as much as a configuration says from now on, in the same folder."""
        self.wanted = config.journal.keep
        self._most = config.journal.max_mib * _MIB

    def draft(self, served: ServedZone, zone: Zone) -> Draft | None:
        """Write the records of a zone to disk, and compare them with the kept ones; None where that fails."""
        draft = self._write(served, zone) if self.wanted else None
        return draft and self._compared(draft, served.digest)

    def write_at_start(self, served: ServedZone, zone: Zone) -> Draft | None:
        """Write down the records of a zone of which nothing is served yet, unless it is the kept one."""
        draft = self._write(served, zone)
        if draft is None:
            return None
        try:
            with self._database.reading() as db:
                kept = self._find(db, served.origin)
        except StateError as error:
            self._give_up(draft, error)
            return None
        if kept is not None and kept.is_of(draft.version.digest) and self._listings.holds(kept):
            self._listings.discard(draft.version)
            return Draft(served.origin, kept, is_kept=True)
        return draft

    def compare_at_start(self, draft: Draft) -> Draft | None:
        """Compare a draft with the kept version; None where that fails."""
        return draft if draft.is_kept else self._compared(draft, b"")

    def _write(self, served: ServedZone, zone: Zone) -> Draft | None:
        if not isinstance(zone, PackedZone):
            return None
        draft = Draft(served.origin, Version(zone.serial, source=served.pattern))
        try:
            self._listings.write(zone.packed, draft.version)
        except (StateError, OSError) as error:
            self._give_up(draft, error)
            return None
        zone.digest = draft.version.digest
        return draft

    def _compared(self, draft: Draft, was: bytes) -> Draft | None:
        try:
            with self._writing() as db:
                self._compare(db, draft, versions.find(db, draft.origin), was)
        except (StateError, OSError) as error:
            self._give_up(draft, error)
            return None
        return draft

    def _give_up(self, draft: Draft, error: Exception) -> None:
        self._listings.discard(draft.version)
        self._tell(error)

    def _compare(self, db: sqlite3.Connection, draft: Draft, kept: Version | None, was: bytes) -> None:
        """Find the difference from the kept version to a draft; `was` is the digest of what the store has."""
        origin = draft.origin
        if kept is None:
            return
        try:
            old = self._listings.open(db, origin, kept)
            new = self._listings.open(db, origin, draft.version)
            draft.difference = difference(old, new, origin, max(self._most, _APPLIED))
        except StateError as error:
            _log.warning("zone %s: %s; what the new version changes is not known", names.to_text(origin), error)
        draft.applies = kept.is_of(was)

    def keep(self, drafts: Iterable[Draft]) -> None:
        """Keep what is served now, all or nothing, in one transaction."""
        drafts = list(drafts)
        if not drafts:
            return
        left: list[Version] = []
        try:
            for draft in drafts:
                if not draft.is_kept:
                    self._listings.sync(draft.version)
            with self._writing() as db:
                for draft in drafts:
                    if not draft.is_kept:
                        left += self._keep(db, draft, versions.find(db, draft.origin))
        except (StateError, OSError) as error:
            self._tell(error)
            return
        self._discard(left)
        self.failure = ""

    def _keep(self, db: sqlite3.Connection, draft: Draft, kept: Version | None) -> list[Version]:
        """Keep a version instead of the `kept` one; return the latter, whose file goes when the transaction is done."""
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
        """Release a draft that is not served after all."""
        if draft is not None and not draft.is_kept:
            self._listings.discard(draft.version)

    def remove(self, origins: Collection[bytes]) -> None:
        """Keep nothing of zones that are served no more.

        Where that cannot be written, what is kept of them counts for nothing, and it is tried again with whatever is
        written next, with the next reload and at the stop: nobody gets back what was removed. What was kept before
        `[journal] keep = false` goes too.
        """
        if not self.wanted and not self._database.path.exists():
            return
        self._gone.update(origins)
        if not self._gone:
            return
        try:
            with self._writing():
                return
        except StateError as error:
            self._remove_in_place(error)

    def _remove_in_place(self, why: StateError) -> None:
        """Remove by writing in place what could not be removed as usual, since that works on a full disk too."""
        left: list[Version] = []
        try:
            if self._database.path.exists():
                with self._database.in_place() as db:
                    left = _removed(db, self._gone)
        except StateError:
            self._tell(why)
            return
        self._gone.clear()
        self._discard(left)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a transaction that first removes what could not be removed before. Raises StateError."""
        with self._database.transaction() as db:
            left = _removed(db, self._gone)
            yield db
        self._gone.clear()
        self._discard(left)

    def _discard(self, left: Iterable[Version]) -> None:
        for version in left:
            self._listings.discard(version)

    def _find(self, db: sqlite3.Connection, origin: bytes) -> Version | None:
        """Return the kept version of a zone, None for a zone that was removed."""
        return None if origin in self._gone else versions.find(db, origin)

    @property
    def unrecorded(self) -> str:
        """What is to be said of removals that could not be written down; nothing where there are none."""
        if not self._gone:
            return ""
        first = ", ".join(names.to_text(origin) for origin in sorted(self._gone)[:3])
        more = ", …" if len(self._gone) > 3 else ""
        return (
            f"{self._database.path} still has what was served of {counted(len(self._gone), 'zone')} removed since "
            f"({first}{more}), and cannot be written: do not configure them again after a restart before it can; "
            "make room or give the right to write, then `appliance reload`"
        )

    def kept(self, served: ServedZone, digest: bytes = b"") -> Zone | None:
        """Return the kept version of a zone, None where there is none; only one that has `digest`, if that is given."""
        if not self.wanted:
            return None
        try:
            with self._database.reading() as db:
                version = self._find(db, served.origin)
                if version is None or (digest and not version.is_of(digest)):
                    return None
                return self._listings.zone(db, served.origin, version, served.rules.checks)
        except StateError as error:
            _log.warning("zone %s: what is kept cannot be served: %s", served.name, error)
            return None

    def known(self) -> list[tuple[bytes, str]]:
        """Return the zones of which a version is kept, with the patterns that they are of."""
        if not self.wanted or not self._database.path.exists():
            return []
        try:
            with self._database.reading() as db:
                return [one for one in versions.sources(db) if one[0] not in self._gone]
        except StateError as error:
            self._tell(error)
            return []

    def steps(self, origin: bytes) -> list[journal.Entry]:
        """Return the journal of a zone, the oldest step first. Raises StateError."""
        if not self.wanted:
            raise StateError("no journal is kept; [journal] keep = true would")
        with self._database.reading() as db:
            return journal.entries(db, origin)

    def known_versions(self, origins: Iterable[bytes]) -> dict[bytes, tuple[int, bytes]]:
        """Return serial and digest of the kept versions of zones, of those that have one."""
        if not self.wanted:
            return {}
        try:
            with self._database.reading() as db:
                found = {origin: self._find(db, origin) for origin in origins}
        except StateError as error:
            self._tell(error)
            return {}
        return {origin: (one.serial, one.digest) for origin, one in found.items() if one is not None}

    def earlier(self, served: ServedZone, serial: int, new_serial: int | None) -> Zone:
        """Return the version of a zone that had a serial, with a new one where that is given. Raises StateError.

        What is kept must be what is served: the steps of the journal are taken back from there.
        """
        with self._database.reading() as db:
            version = self._find(db, served.origin)
            if version is None or not version.is_of(served.digest):
                raise StateError(f"zone {served.name}: what is served of it is not kept; reload it first")
            steps = list(journal.since(db, served.origin, serial))
            if not steps:
                raise StateError(
                    f"zone {served.name}: the journal does not lead back to serial {serial}; "
                    f"`appliance zone versions {served.name}` shows what is kept"
                )
            listing = self._listings.open(db, served.origin, version)
        earlier = Earlier(served.origin)
        for removed, added in reversed(steps):
            earlier.take_back(removed, added)
        if new_serial is not None:
            earlier.with_serial(new_serial)
        return self._listings.made_of(earlier.listing(listing), served.origin, served.rules.checks)

    def record(self, zones: Sequence[ServedZone]) -> dict[bytes, Difference]:
        """Keep the versions of zones from files that are not large, in one transaction, unless they are the kept ones.

        Returns what they change, by origin, as far as it is known.
        """
        if not self.wanted or not zones:
            return {}
        left: list[Version] = []
        found: dict[bytes, Difference] = {}
        try:
            with self._writing() as db:
                recording = Recording(db, self._listings, zones)
                found.update(dict.fromkeys(recording.same, NOTHING))
                for draft, kept in recording:
                    self._compare(db, draft, kept, b"")
                    left += self._keep(db, draft, kept)
                    if draft.difference is not None:
                        found[draft.origin] = draft.difference
        except (StateError, OSError) as error:
            self._tell(error)
            return {}
        self.failure = ""
        self._discard(left)
        return found

    def sweep(self, zones: Mapping[bytes, ServedZone]) -> None:
        """Release what belongs to no zone of the configuration, and of files that a killed process left."""
        if not self.wanted:
            return
        try:
            with self._writing() as db:
                gone = [origin for origin, _ in versions.sources(db) if origin not in zones]
                files = [file for (file,) in db.execute("SELECT file FROM zones WHERE file IS NOT NULL")]
                db.execute("DELETE FROM texts WHERE id NOT IN (SELECT text FROM zones WHERE text IS NOT NULL)")
        except StateError as error:
            self._tell(error)
            return
        self._listings.sweep(files)
        self.remove(gone)

    def _tell(self, error: Exception) -> None:
        """Log why nothing can be kept, once until something was kept again."""
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        known, self.failure = self.failure, f"what is served cannot be kept: {said}; changes are compiled whole then"
        if not known:
            _log.warning("%s", self.failure)


def _removed(db: sqlite3.Connection, origins: Iterable[bytes]) -> list[Version]:
    """Remove what is kept of zones; return their versions, whose files go when the transaction is done."""
    left = []
    for origin in origins:
        version = versions.find(db, origin)
        if version is not None:
            left.append(version)
        versions.remove(db, origin)
        journal.clear(db, origin)
    return left
