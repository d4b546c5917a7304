# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup takes, while a server runs or not: configuration, lists, zone files, state; secrets where asked for.

The caller reads every file with the caller's own rights. The state is copied first: what a reload brings meanwhile is a
step from it, as after a restart.
"""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from appliance import __version__
from appliance.access import why_not_read
from appliance.config.files import read_parts
from appliance.config.load import config_of
from appliance.config.patterns import is_folder
from appliance.config.schema import Config
from appliance.control.backup_folder import BackupFolder
from appliance.control.backup_places import Places
from appliance.control.backup_zones import ZoneFiles
from appliance.control.manifest import FORMAT, Manifest
from appliance.errors import StateError
from appliance.served.dynamic import DynamicZones
from appliance.served.zone_set import wanted
from appliance.served.zones import ServedZone
from appliance.state import database, zones_database
from appliance.state.files import FOLDERS, STATE_FILES, DamagedError, listings_of, snapshot
from appliance.state.versions import FOLDER
from appliance.state.zones_database import rows_in
from appliance.zone import names

COLUMNS: Final = "name,file,state,file_is_served,frozen"
"""What the server is asked of each zone."""
_TRIES: Final = 5

Ask = Callable[[], Iterable[Mapping[str, Any]] | None]
"""Returns the records of all zones from the running server; None where none runs."""


def backup(config_file: Path, folder: Path, *, keys: bool, ask: Ask) -> dict[str, Any]:
    """Make a backup in a new folder, whole or not at all, and return what is in it. Raises ApplianceError."""
    parts = read_parts(config_file)
    config = config_of(parts)
    with BackupFolder(folder) as out:
        taking = _Taking(out, Places(parts))
        try:
            state = Path(config.server.state_dir)
            formats = taking.state(state)
            taking.files(str(part.path.absolute()) for part in parts)
            taking.files(one.zones for one in config.populated if not is_folder(one))
            if keys:
                taking.files((one.secret_file for one in config.key), secret=True)
            zones = _zones(taking, ask, _served_by(config, out.path / "state"), out.path / "state" / database.FILE)
            manifest = Manifest(
                FORMAT,
                __version__,
                platform.node(),
                int(time.time()),
                config_file.name,
                str(config_file.absolute().parent),
                taking.places.of(str(state)),
                formats,
                zones,
                keys,
                tuple(out.entries.values()),
            )
            out.finish(manifest)
        except OSError as error:
            what = error.filename or out.path
            raise StateError(f"no backup was made: {what}: {why_not_read(str(what), error)}") from error
    return {
        "ok": True,
        "folder": str(folder.absolute()),
        "files": len(manifest.files),
        "octets": sum(one.size for one in manifest.files),
        "zones": zones,
        "secrets": sum(one.base.startswith("secret") for one in manifest.files),
        "secrets_left_out": 0 if keys else len(config.key),
        "warnings": taking.warnings,
    }


def _served_by(config: Config, state: Path) -> Mapping[bytes, ServedZone]:
    """Return the zones of a configuration, and those that a copy of the state says were added."""
    added = DynamicZones(config)
    added.use(rows_in(state / zones_database.FILE))
    return wanted(config, added).zones


def _zones(taking: "_Taking", ask: Ask, configured: Mapping[bytes, Any], state: Path) -> int:
    """Take the files of all zones, those that were edited meanwhile as they are served; return how many zones."""
    files = ZoneFiles(taking.out, taking.places, state, taking.warnings)
    told = ask()
    seen = set()
    for one in told or ():
        origin = names.fold(names.from_text(one["name"]))
        seen.add(origin)
        files.take(origin, one["file"], as_found=one["file_is_served"] or one["frozen"] or one["state"] != "serving")
    for origin, zone in configured.items():
        if origin not in seen:
            files.take(origin, zone.file, as_found=True)
    if told is not None:
        for one in ask() or ():  # a file that was edited before it was copied shows now
            if one["state"] == "serving" and not one["file_is_served"] and not one["frozen"]:
                files.take_again(names.fold(names.from_text(one["name"])), one["file"])
    return len(seen | configured.keys())


@dataclass(slots=True)
class _Taking:
    """Files on their way into a backup."""

    out: BackupFolder
    places: Places
    warnings: list[str] = field(default_factory=list)

    def files(self, files: Iterable[str], *, secret: bool = False) -> None:
        """Take files as they are, each once. Raises OSError."""
        for file in dict.fromkeys(files):
            with Path(file).open("rb") as source:
                place = self.places.of(file)
                self.out.add(f"secret-{place}" if secret else place, source, os.fstat(source.fileno()))

    def state(self, folder: Path) -> dict[str, int]:
        """Take the state; return the formats of its databases. Raises OSError, or StateError."""
        formats: dict[str, int] = {}
        for one in STATE_FILES:
            path = folder / one.name
            if not os.path.lexists(path):
                continue
            if one.is_database:
                self._database_of(one.name, path, formats)
            else:
                with path.open("rb") as source:
                    self.out.add(f"state/{one.name}", source, os.fstat(source.fileno()))
        if not formats:
            self.warnings.append(f"{folder} keeps nothing yet: the backup has no versions and no journal")
        return formats

    def _database_of(self, name: str, path: Path, formats: dict[str, int]) -> None:
        with path.open("rb"):  # a missing right is told better by the system than by SQLite
            pass
        try:
            formats[name] = self._database(path)
        except DamagedError as error:
            self.warnings.append(f"{error}; it is not in the backup")

    def _database(self, path: Path) -> int:
        """Take a database, and the listings that it names; once more where a listing went meanwhile."""
        for tried in range(_TRIES):
            try:
                return self._database_and_listings(path)
            except FileNotFoundError:
                if tried == _TRIES - 1:
                    raise
        raise AssertionError

    def _database_and_listings(self, path: Path) -> int:
        before = set(self.out.entries)
        status = path.stat()
        made = self.out.path / "snapshot"
        try:
            number = snapshot(path, made)
            with made.open("rb") as source:
                self.out.add(f"state/{path.name}", source, status)
            for name in listings_of(made) if FOLDER in FOLDERS else ():
                with (path.parent / FOLDER / name).open("rb") as source:
                    self.out.add(f"state/{FOLDER}/{name}", source, os.fstat(source.fileno()))
        except BaseException:
            for entry in [one for path, one in self.out.entries.items() if path not in before]:
                self.out.replace(entry)
            raise
        finally:
            made.unlink(missing_ok=True)
        return number
