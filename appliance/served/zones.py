# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that are served: their files, what was last read from them, and what is wrong."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from appliance.errors import ApplianceError, StateError, ZoneError
from appliance.served import stamps
from appliance.served.signatures import doubts, moment
from appliance.zone import digests, names
from appliance.zone.checks.levels import DEFAULTS, Level, Levels
from appliance.zone.load import load_zone
from appliance.zone.master.files import Batch, Files
from appliance.zone.model import DnssecSummary, Zone, placeholder
from appliance.zone.packed.zone import PackedZone

State = Literal["serving", "not loaded"]

LARGE: Final = 1 << 20
"""Octets of a file from which on a zone's records are kept as a listing, which is written while it is compiled."""

_log = logging.getLogger(__name__)

_DOTTED: Final = bytes(46 if octet < 45 else octet for octet in range(256))
"""Dots for the lengths of labels below 45, none of which is spelt plainly."""


@dataclass(slots=True)
class Place:
    """Where the files of a pattern's zones are; one for all of them, since a hundred thousand paths take room."""

    before: str
    after: str
    octets: tuple[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.octets = os.fsencode(self.before), os.fsencode(self.after)

    def path(self, origin: bytes) -> str:
        """Return the path of a zone whose name is spelt plainly."""
        labels = []
        at = 0
        while length := origin[at]:
            labels.append(origin[at + 1 : at + 1 + length])
            at += length + 1
        return f"{self.before}{b'.'.join(labels).decode('latin-1')}{self.after}"

    def is_of(self, origin: bytes, file: str) -> bool:
        """Tell whether a file is surely where the one of a zone is looked for: names with very long labels are not."""
        return self.before + origin[1:-1].translate(_DOTTED).decode("latin-1") + self.after == file


@dataclass(slots=True)
class ServedZone:
    """One zone of the configuration; `error` says why its file is not what is served, without the zone's name.

    stamp and includes tell which files were read last, digest what was read when that was served: a stamp is a hint
    that something has changed, only the digest says that two versions are one.
    """

    origin: bytes
    place: str | Place
    state: State = "not loaded"
    serial: int | None = None
    names: int = 0
    error: str = ""
    since: float | None = None
    """Since when (seconds since 1970) the file is not what is served, as far as this process has seen."""
    is_kept: bool = False
    """Whether what is served is the kept version, since the file could not be read when it began."""
    dnssec: DnssecSummary | None = None
    checks: Levels = field(default_factory=lambda: DEFAULTS, repr=False)
    most: int = field(default=0, repr=False)
    """Octets of packed records behind which reading stops; 0 is no bound."""
    below: tuple[str, ...] = field(default=(), repr=False)
    """Folders that files are included from; none: that of the zone's file."""
    stamp: bytes | None = field(default=None, repr=False)
    lasting: bool = field(default=False, repr=False)
    """Whether the files had been as they are for long enough when they were read, so that their stamps tell changes."""
    includes: tuple[tuple[str, bytes | None], ...] = field(default=(), repr=False)
    """The other files that were read, with their stamps."""
    digest: bytes = field(default=b"", repr=False)
    """That of what is served (zone.digests); nothing where nobody has made it."""
    source: str = field(default="", repr=False)
    """The [[pattern]] that it is of (zone_set.source_of)."""

    @property
    def file(self) -> str:
        """Path of the zone's master file."""
        return self.place if isinstance(self.place, str) else self.place.path(self.origin)

    @property
    def name(self) -> str:
        """The zone's name as text."""
        return names.to_text(self.origin)

    def has_changed(self) -> bool:
        """Return whether the file, or one that it includes, is another one than was last read."""
        if stamps.of_file(self.file) != self.stamp:
            return True
        return any(stamps.of_file(file) != stamp for file, stamp in self.includes)

    def may_have_changed(self) -> bool:
        """Return whether it takes a look into the file to know what it is now."""
        return bool(self.error) or self.state != "serving" or not self.lasting or self.has_changed()

    def read(self) -> Zone:
        """Return the zone in the file. Raises ZoneError, and remembers the reason."""
        with self._telling():
            return self._read()

    def _read(self) -> Zone:
        now = time.time_ns()
        self.stamp, self.includes = stamps.of_file(self.file), ()
        self.lasting = stamps.is_settled(self.stamp, now)
        text = self._text()
        zone = self._loaded_as(self.origin)
        if zone.includes:
            self.includes = tuple((file, stamps.of_file(file)) for file in zone.includes)
            self.lasting = self.lasting and all(stamps.is_settled(stamp, now) for _, stamp in self.includes)
            zone.digest = digests.of_records(zone) if isinstance(zone, PackedZone) else b""
        elif text is not None:
            if self._text() != text:
                raise ZoneError(f"zone {self.name}: {self.file} changed while it was read; reload the zone")
            zone.digest = digests.of_text(text)
        return zone

    def _text(self) -> bytes | None:
        return stamps.text_of(self.file, LARGE - 1)

    def read_as(self, origin: bytes) -> Zone:
        """Return the zone that the file is under an origin. Raises ZoneError, and remembers the reason."""
        with self._telling():
            return self._loaded_as(origin)

    def made_from(self, text: bytes, origin: bytes) -> Zone:
        """Return the zone that a text, which was read from the file before, is under an origin; raises ZoneError."""
        zone = self.read_as(origin)
        if stamps.text_of(self.file, len(text)) != text:
            raise ZoneError(f"zone {self.name}: {self.file} changed while it was read; reload the zone")
        return zone

    def _loaded_as(self, origin: bytes) -> Zone:
        zone = load_zone(self.file, origin, self.checks, self.most, self.below)
        if self.has_changed():
            raise ZoneError(f"zone {self.name}: {self.file} changed while it was read; reload the zone")
        return zone

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Remember why the file cannot be loaded; whatever it does, it keeps no other zone from being served."""
        try:
            yield
        except ApplianceError as error:
            self.failed(str(error))
            if isinstance(error, ZoneError):
                raise
            raise ZoneError(str(error)) from error
        except Exception as error:
            _log.error("zone %s: %s: unexpected %r", self.name, self.file, error)
            reason = f"zone {self.name}: {self.file} cannot be loaded: {str(error) or type(error).__name__}"
            self.failed(reason)
            raise ZoneError(reason) from error

    def name_in(self, batch: Batch) -> None:
        """Have the file read with others."""
        batch.add(*self._path())

    def text(self, files: Batch, number: int) -> bytes | None:
        """Return the whole file, one of a batch, if it is a small one, noted as read; else None."""
        text: bytes | None = files.take(number)
        if text is not None:
            self.stamp, self.includes = files.stamp, ()
            self.lasting = stamps.changed_before(files.changed, time.time_ns())
        return text

    def is_large(self) -> bool:
        """Return whether the file that was read last is too large to be kept as it is."""
        return self.stamp is not None and stamps.size_of(self.stamp) >= LARGE

    def size(self, files: Files) -> int:
        """Return how many octets the file has, 0 if there is none."""
        return files.size() if files.find(*self._path()) else 0

    def _path(self) -> tuple[bytes, bytes, bytes]:
        """Return the path of the file: what stands before the name in it, the name (none where it is not), the rest."""
        place = self.place
        if isinstance(place, str):
            return os.fsencode(place), b"", b""
        return place.octets[0], self.origin, place.octets[1]

    def again(self, kept: "Kept") -> Zone:
        """Return what is served, read from the file again, or as it was kept. Raises StateError if it is nowhere."""
        if self.state != "serving":
            raise StateError(f"zone {self.name} is not loaded")
        found = self._same_from_file() or kept(self, self.digest)
        if found is None:
            raise StateError(
                f"zone {self.name} must be compiled again because of a neighbour, but {self.file} has changed since it "
                f"was loaded, and that version is not kept; reload {self.name} first"
            )
        return found

    def _same_from_file(self) -> Zone | None:
        """Return the zone in the file if it is what is served."""
        if self.has_changed():
            return None
        try:
            zone = load_zone(self.file, self.origin, self.checks, self.most, self.below)
        except Exception:  # noqa: BLE001 - the file is not what it was, whatever it is
            return None
        return zone if self.is_of(zone) else None

    def is_of(self, zone: Zone) -> bool:
        """Return whether a zone that was just read is what is served, as far as that is known."""
        if not self.digest:
            return zone.serial == self.serial
        text = None if zone.includes else self._text()
        same = text is not None and digests.of_text(text) == self.digest
        if not same and isinstance(zone, PackedZone):
            same = digests.of_records(zone) == self.digest
        zone.digest = self.digest if same else b""
        return same

    def forget(self) -> None:
        """Start over: nothing of the zone is served."""
        self.state, self.serial, self.names, self.dnssec = "not loaded", None, 0, None
        self.stamp, self.lasting, self.includes, self.digest = None, False, (), b""

    def published(self, zone: Zone, as_kept: bool = False) -> None:
        """Note that a version is what is served now: that in the file, or the kept one since the file has failed."""
        error, since = self.error, self.since
        self.serves(zone.serial, len(zone.nodes) + len(zone.ents), zone.dnssec, zone.digest)
        if as_kept:
            self.error, self.since, self.is_kept = error, since, True

    def serves(self, serial: int, count: int, dnssec: DnssecSummary | None = None, digest: bytes = b"") -> None:
        """Note serial, number of names and digest of what is served now."""
        self.state = "serving"
        self.serial = serial
        self.names = count
        self.dnssec = dnssec
        self.digest = digest
        self.recovered()

    def failed(self, reason: str) -> None:
        """Note why the file is not what is served; that it is so counts from the first time."""
        self.error = self.without_name(reason)
        if self.since is None:
            self.since = time.time()

    def recovered(self) -> None:
        """Note that the file is what is served."""
        self.error, self.since, self.is_kept = "", None, False

    def without_name(self, reason: str) -> str:
        """Return a reason for those who have named the zone already."""
        for before in (f"zone {self.name} cannot be loaded: ", f"zone {self.name}: "):
            reason = reason.removeprefix(before)
        return reason

    def fate(self) -> str:
        """Return what becomes of a zone whose file cannot be served."""
        if self.state != "serving":
            return "nothing is served of it (SERVFAIL)"
        return f"serial {self.serial} is {'served as it was kept' if self.is_kept else 'still served'}"

    def problem(self) -> str:
        """Return what is wrong with the file, since when, and what is served instead; nothing where all is well."""
        if not self.error:
            return ""
        since = f"since {moment(int(self.since))} " if self.since is not None else ""
        return f"{self.fate()}; {since}its file cannot be: {self.error}"

    def placeholder(self) -> Zone:
        """Return an empty zone that keeps the name's place in the store; its answers must never be shown."""
        return placeholder(self.origin)

    def doubts(self, now: float) -> list[tuple[Level, str]]:
        """Return what is doubtful about the signatures that are served, with its level."""
        return doubts(self.dnssec, self.checks, now) if self.dnssec else []

    def described(self) -> dict[str, Any]:
        """Return the zone as the verb status shows it."""
        return {
            "name": self.name,
            "state": self.state,
            "serial": self.serial,
            "names": self.names,
            "file": self.file,
            "error": self.error,
            "error_since": self.since,
            "is_kept": self.is_kept,
            "problem": self.problem(),
            "dnssec": asdict(self.dnssec) if self.dnssec else None,
        }


Kept = Callable[[ServedZone, bytes], Zone | None]
"""Returns the kept version of a zone that has a digest, or any where that is nothing; None where there is none."""
