# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that were added while the server ran, and those that are frozen: in memory as they are on the disk.

Every change is on the disk before anything else is done with it, so that what was answered outlasts a kill.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from appliance.config.nearest import nearest
from appliance.config.patterns import ZONE
from appliance.config.schema import Config, Pattern
from appliance.errors import StateError
from appliance.state import zone_rows, zones_database
from appliance.state.zone_rows import NOT_ROLLED_BACK, Frozen, ZoneRows
from appliance.state.zones_database import ZonesDatabase
from appliance.wording import counted
from appliance.zone import names

_LINES: Final = 1000
"""Lines of the list that count no more, beside as many as there are zones, from which on it is written anew."""

_log = logging.getLogger(__name__)


def pattern_for(config: Config, name: str) -> Pattern:
    """Return the pattern that zones are added with. Raises StateError that says what makes it one."""
    named = {pattern.name: pattern for pattern in config.pattern if pattern.name}
    found = named.get(name)
    if found is None:
        known = nearest(name, list(named)) if named else "; no [[pattern]] has a name: give one with `name = …`"
        raise StateError(f"there is no pattern {name!r} in the configuration{known}")
    if name != name.strip() or not name.isprintable():
        raise StateError(f"pattern {name!r} cannot have zones added: no list of zones can have such a name")
    if ZONE not in found.file:
        raise StateError(f'pattern {name} cannot have zones added: give it `file = "…/{ZONE}.zone"`, with {ZONE} in it')
    return found


class DynamicZones:
    """What is kept of single zones. Its methods are called one after the other (Update sees to it)."""

    def __init__(self, config: Config) -> None:
        """Know nothing before load()."""
        self._database = ZonesDatabase(Path(config.server.state_dir))
        self._rows = ZoneRows()
        self._used: Counter[str] = Counter()
        self._lines = 0
        """Lines of the list that count no more."""
        self._behind = ""
        """Why the list is not what the database is; nothing where it is."""

    @property
    def zones(self) -> Mapping[bytes, str]:
        """The zones that were added, with the names of their patterns."""
        return self._rows.zones

    @property
    def files(self) -> Mapping[str, str]:
        """The files of their patterns as they were last, for those that are not configured any more."""
        return self._rows.files

    @property
    def frozen(self) -> Mapping[bytes, Frozen]:
        """The zones whose files are not read."""
        return self._rows.frozen

    @property
    def patterns(self) -> Iterator[tuple[str, int]]:
        """The names of the patterns in use, each with its number of zones."""
        return ((name, count) for name, count in self._used.items() if count)

    def use(self, rows: ZoneRows) -> None:
        """Take what was read from a copy of what is kept."""
        self._rows = rows
        self._used = Counter(rows.zones.values())

    def load(self, config: Config) -> None:
        """Read what is kept, and note where the patterns that are configured now have their files."""
        self.use(self._database.read())
        self.note_patterns(config)

    def note_patterns(self, config: Config) -> None:
        """Keep the files of the patterns in use, for a start without them."""
        files = {one.name: one.file for one in config.pattern if self._used[one.name] and ZONE in one.file}
        changed = {name: file for name, file in files.items() if self._rows.files.get(name) != file}
        if changed:
            try:
                self._keep_files(changed)
            except StateError as error:
                _log.warning("the files of patterns cannot be kept: %s", error)

    def _keep_files(self, files: dict[str, str]) -> None:
        with self._database.change() as db:
            zones_database.put_files(db, files.items())
        self._rows.files.update(files)
        self._append(zone_rows.with_files(files))

    def put(self, zones: Mapping[bytes, str], patterns: Mapping[str, Pattern]) -> None:
        """Add zones, or give them another pattern, all or none. Raises StateError."""
        if not zones:
            return
        files = {name: one.file for name, one in patterns.items() if self._rows.files.get(name) != one.file}
        with self._database.change() as db:
            zones_database.put_files(db, files.items())
            zones_database.put_zones(db, zones.items())
        self._lines += sum(origin in self._rows.zones for origin in zones)
        self._used.subtract(self._rows.zones[origin] for origin in zones if origin in self._rows.zones)
        self._used.update(zones.values())
        self._rows.zones.update(zones)
        self._rows.files.update(files)
        self._append([*zone_rows.with_files(files), *zone_rows.added(zones)])

    def drop(self, origins: Collection[bytes], still_served: Collection[bytes] = ()) -> None:
        """Keep nothing of zones, all or none; those still served stay frozen if they are. Raises StateError."""
        dropped = [origin for origin in origins if origin in self._rows.zones]
        left = [origin for origin in origins if origin not in still_served]
        thawed = [origin for origin in left if origin in self._rows.frozen]
        if not dropped and not thawed:
            return
        with self._database.change() as db:
            zones_database.drop(db, "zones", origins)
            for table in ("frozen", "rollbacks"):
                zones_database.drop(db, table, left)
        self._used.subtract(self._rows.zones[origin] for origin in dropped)
        for origin in dropped:
            del self._rows.zones[origin]
        for origin in thawed:
            del self._rows.frozen[origin]
        self._lines += 2 * len(dropped) + 2 * len(thawed)
        self._append([*zone_rows.removed(dropped), *zone_rows.thawed(thawed)])

    def freeze(self, zones: Mapping[bytes, Frozen], rolled_back_as: int | None = None) -> None:
        """Note that the files of zones are not read, and as which serial one was rolled back. Raises StateError."""
        with self._database.change() as db:
            zones_database.put_frozen(db, zones.items())
            if rolled_back_as is not None:
                made = int(time.time())
                rows = [(origin, rolled_back_as, one.serial, made) for origin, one in zones.items()]
                db.executemany("INSERT OR REPLACE INTO rollbacks VALUES (?, ?, ?, ?)", rows)
        self._lines += sum(origin in self._rows.frozen for origin in zones)
        self._rows.frozen.update(zones)
        self._append(zone_rows.frozen(zones))

    def thaw(self, origins: Collection[bytes]) -> None:
        """Note that the files of zones are read again. Raises StateError."""
        thawed = [origin for origin in origins if origin in self._rows.frozen]
        if not thawed:
            return
        with self._database.change() as db:
            zones_database.drop(db, "frozen", thawed)
        for origin in thawed:
            del self._rows.frozen[origin]
        self._lines += 2 * len(thawed)
        self._append(zone_rows.thawed(thawed))

    def rollbacks(self, origin: bytes, otherwise: dict[int, int] | None = None) -> dict[int, int]:
        """Return the serials as which a zone was rolled back, each with the serial that it was rolled back to.

        `otherwise` is returned where that cannot be read.
        """
        try:
            with self._database.change() as db:
                return dict(db.execute("SELECT serial, of FROM rollbacks WHERE origin = ?", (origin,)))
        except StateError:
            return otherwise or {}

    def _append(self, lines: Iterable[str]) -> None:
        """Bring the list to what the database is; a failure is told, and made up for with a later change."""
        try:
            if self._behind or self._lines > _LINES + len(self._rows.zones):
                self._database.list.write(self._rows)
                self._lines = 0
            else:
                self._database.list.append(lines)
            self._behind = ""
        except OSError as error:
            self._behind = f"{self._database.list.path}: {error.strerror}"

    def write_list(self) -> None:
        """Write the list anew if it is not what the database is."""
        try:
            known = self._database.list.read()
        except StateError:
            known = None
        if known == self._rows or (known is None and not self._rows):
            return
        self._behind = "it was another one"
        self._append(())

    def close(self) -> None:
        """Close the file until the next change."""
        self._database.close()

    def problems(self) -> list[str]:
        """Return what was found wrong with the database at the start."""
        return list(self._database.said)

    def warnings(self, config: Config) -> list[str]:
        """Return what is doubtful."""
        said = []
        named = {one.name for one in config.pattern if ZONE in one.file}
        for pattern, count in self.patterns:
            if pattern not in named:
                said.append(
                    f"pattern {pattern} is not configured any more, or has no {ZONE} in file; {counted(count, 'zone')} "
                    "added with it: served from the files that it had; configure it again, or `appliance changezone`"
                )
        if self._rows.frozen:
            first = ", ".join(names.to_text(origin) for origin in list(self._rows.frozen)[:3])
            more = ", …" if len(self._rows.frozen) > 3 else ""
            frozen = counted(len(self._rows.frozen), "zone")
            said.append(f"{frozen} frozen ({first}{more}): their files are not read; `appliance thaw` ends that")
            if not config.journal.keep:
                said.append("what frozen zones serve is not kept, as [journal] keep = false: a start reads their files")
        if self._behind:
            said.append(f"the copy of zones.db is behind: {self._behind}")
        return said

    def described(self, origin: bytes) -> dict[str, Any] | None:
        """Return since when a zone is frozen, and the serial that it was rolled back to; None where it is not."""
        one = self._rows.frozen.get(origin)
        if one is None:
            return None
        return {"since": one.since, "rolled_back_to": None if one.serial == NOT_ROLLED_BACK else one.serial}
