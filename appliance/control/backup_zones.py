# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone files of a backup, as they are served.

A file that is not what is served, because it was edited or is broken, is put apart (`edited/`), and the text that is
kept of the served version takes its place. Of a large zone a listing is kept and no text: it is served from that then.
"""

import io
import os
from pathlib import Path
from typing import BinaryIO, Final

from appliance.control.backup_folder import BackupFolder
from appliance.control.backup_places import Places
from appliance.control.manifest import Entry
from appliance.errors import ApplianceError
from appliance.served import stamps
from appliance.served.file_source import FileSource
from appliance.served.source import Rules
from appliance.state.files import text_as_kept
from appliance.zone import names

_INCLUDE: Final = b"$INCLUDE"


class ZoneFiles:
    """The zone files that are taken, each once: many zones may have one file."""

    def __init__(self, out: BackupFolder, places: Places, state: Path, warnings: list[str]) -> None:
        """Take files into a backup; `state` is its copy of the database, which need not be there."""
        self._out = out
        self._places = places
        self._state = state
        self._warnings = warnings
        self._taken: dict[str, Entry | None] = {}
        self._edited: set[str] = set()

    def take(self, origin: bytes, file: str, *, as_found: bool) -> None:
        """Take the file of a zone, as it is found or as the zone is served. Raises OSError."""
        if file in self._taken:
            return
        self._taken[file] = None
        if not as_found or not self._take_as_found(origin, file):
            self._take_as_served(origin, file)

    def take_again(self, origin: bytes, file: str) -> None:
        """Take the file of a zone, which is not what is served any more, as the zone is served. Raises OSError."""
        if file not in self._edited:
            self._out.replace(self._taken.get(file))
            self._taken[file] = None
            self._take_as_served(origin, file)

    def _take_as_found(self, origin: bytes, file: str) -> bool:
        """Take a file; return whether that is done: one that changes while it is copied is not what is served."""
        try:
            with _opened(file) as source:
                status = os.fstat(source.fileno())
                seen = _Seen(source)
                entry = self._taken[file] = self._out.add(self._places.of(file), seen, status)
        except FileNotFoundError:
            self._warn(origin, f"{file} is missing; what is kept of the zone is in the backup's state")
            return True
        if stamps.of_file(file) != stamps.of_status(status):
            self._out.replace(entry)
            self._taken[file] = None
            return False
        if seen.includes:
            self._take_includes(origin, file)
        return True

    def _take_includes(self, origin: bytes, file: str) -> None:
        """Take the files that a zone file includes."""
        try:
            zone = FileSource(origin, file, Rules()).read()
        except ApplianceError as error:
            self._warn(origin, f"what {file} includes is not in the backup, since it cannot be loaded: {error}")
            return
        for one in zone.includes:
            if one not in self._taken:
                with _opened(one) as source:
                    self._taken[one] = self._out.add(self._places.of(one), source, os.fstat(source.fileno()))

    def _take_as_served(self, origin: bytes, file: str) -> None:
        """Take what is kept of a zone, and the file apart; the file alone where nothing is kept. Raises OSError."""
        self._edited.add(file)
        place = self._places.of(file)
        text = text_as_kept(self._state, origin) if self._state.exists() else None
        status = apart = None
        try:
            with _opened(file) as source:
                status = os.fstat(source.fileno())
                apart = self._out.add(place if text is None else f"edited/{place}", source, status)
        except FileNotFoundError:
            pass
        told = f"{file} is not what is served"
        if text is None:
            self._taken[file] = apart
            self._warn(origin, f"{told}, and nothing is kept of that: the backup has the file as it is")
            return
        told += f"; it is in the backup as edited/{place}" if apart else ", it is missing"
        if not text:
            self._warn(origin, f"{told}, and what is served is in the backup's state only")
            return
        self._warn(origin, f"{told}, and its place has what is served")
        self._taken[file] = self._out.add(place, io.BytesIO(text), status or self._state.stat())

    def _warn(self, origin: bytes, said: str) -> None:
        self._warnings.append(f"zone {names.to_text(origin)}: {said}")


class _Seen:
    """A file that is read, and whether an $INCLUDE went by."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self.includes = False

    def read(self, most: int) -> bytes:
        """Return the next octets."""
        part = self._file.read(most)
        if not self.includes:
            looked = self._rest + part.upper()
            self.includes = _INCLUDE in looked
            self._rest = looked[-len(_INCLUDE) :]
        return part


def _opened(file: str) -> BinaryIO:
    """Return a regular file, open. Raises OSError with its name."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    source = os.fdopen(fd, "rb")
    if not Path(file).is_file():
        source.close()
        raise OSError(0, "not a regular file", file)
    return source
