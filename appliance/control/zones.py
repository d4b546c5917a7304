# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones of the configuration: their files, what was last read from them, and what is wrong."""

import contextlib
import os
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from appliance.answers import sources
from appliance.config.patterns import ZONE, expand
from appliance.config.schema import Config
from appliance.control.memory import uncollected
from appliance.control.signatures import doubts
from appliance.errors import ApplianceError, ConfigError, StateError, ZoneError
from appliance.zone import names
from appliance.zone.checks import DEFAULTS, Level, Levels
from appliance.zone.files import Batch, Files
from appliance.zone.load import load_zone
from appliance.zone.model import DnssecSummary, Zone
from appliance.zone.opening import plain_file

State = Literal["serving", "not loaded"]
Was = tuple[bytes | None, bool, int | None]
"""Stamp of the file, whether it tells enough, and the serial."""

_STAMP: Final = struct.Struct("<QQQ")
"""mtime in nanoseconds, size, inode."""

STAMP_OCTETS: Final = _STAMP.size
LARGE: Final = 1 << 20
"""Octets of a file from which on a zone's records are kept as a listing, which is written while it is compiled."""

_RACY_NS: Final = 50_000_000
"""A file changed so shortly before it was read may change again without its time telling."""


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
    """One zone of the configuration; `error` says why its file is not what is served."""

    origin: bytes
    place: str | Place
    state: State = "not loaded"
    serial: int | None = None
    names: int = 0
    error: str = ""
    dnssec: DnssecSummary | None = None
    checks: Levels = field(default_factory=lambda: DEFAULTS, repr=False)
    most: int = field(default=0, repr=False)
    """Octets of packed records behind which reading stops; 0 is no bound."""
    below: tuple[str, ...] = field(default=(), repr=False)
    """Folders that files are included from; none: that of the zone's file."""
    stamp: bytes | None = field(default=None, repr=False)
    lasting: bool = field(default=False, repr=False)
    """Whether the stamp alone tells, in a later process too, that the zone is still what was read."""

    @property
    def file(self) -> str:
        """Path of the zone's master file."""
        return self.place if isinstance(self.place, str) else self.place.path(self.origin)

    @property
    def was(self) -> Was:
        """What tells whether a kept version is this one."""
        return self.stamp, self.lasting, self.serial

    @property
    def name(self) -> str:
        """The zone's name as text."""
        return names.to_text(self.origin)

    def has_changed(self) -> bool:
        """Tell whether the file is another one than was last read."""
        return _stamp(self.file) != self.stamp

    def read(self) -> Zone:
        """Return the zone in the file. Raises ZoneError, and remembers the reason."""
        self._note(_stamp(self.file))
        zone = self.read_as(self.origin)
        self.lasting = self.lasting and not zone.included
        return zone

    def read_as(self, origin: bytes) -> Zone:
        """Return the zone that the file is under an origin. Raises ZoneError, and remembers the reason."""
        try:
            zone = load_zone(self.file, origin, self.checks, self.most, self.below)
            if self.has_changed():
                raise ZoneError(f"zone {self.name}: {self.file} changed while it was read; reload the zone")
            return zone
        except ApplianceError as error:
            self.error = str(error)
            if isinstance(error, ZoneError):
                raise
            raise ZoneError(str(error)) from error

    def name_in(self, batch: Batch) -> None:
        """Have the file read with others."""
        batch.add(*self._path())

    def text(self, files: Batch, number: int) -> bytes | None:
        """Return the whole file, one of a batch, if it is a small one, noted as read; else None."""
        text: bytes | None = files.take(number)
        if text is not None:
            self.stamp = files.stamp
            self.lasting = files.changed < time.time_ns() - _RACY_NS
        return text

    def is_large(self) -> bool:
        """Tell whether the file that was read last is too large to be kept as it is."""
        return self.stamp is not None and _STAMP.unpack(self.stamp)[1] >= LARGE

    def same_text(self, most: int) -> bytes | None:
        """Return what is in the file, None where that is more than most or not what was read last."""
        with contextlib.suppress(OSError, ValueError, ZoneError), plain_file(Path(self.file)) as file:
            text = file.read(most + 1)
            if len(text) <= most and _packed_stamp(os.fstat(file.fileno())) == self.stamp:
                return text
        return None

    def size(self, files: Files) -> int:
        """Return how many octets the file has, 0 if there is none."""
        return files.size() if files.find(*self._path()) else 0

    def _path(self) -> tuple[bytes, bytes, bytes]:
        """Return the path of the file: what stands before the name in it, the name (none where it is not), the rest."""
        place = self.place
        if isinstance(place, str):
            return os.fsencode(place), b"", b""
        return place.octets[0], self.origin, place.octets[1]

    def again(self) -> Zone:
        """Return what is served, read from the file once more. Raises StateError if the file is another one now."""
        if self.state != "serving":
            raise StateError(f"zone {self.name} is not loaded")
        if self.has_changed():
            raise StateError(
                f"zone {self.name} must be compiled again because of a neighbour, but {self.file} has changed since it "
                f"was loaded; reload {self.name} first"
            )
        return load_zone(self.file, self.origin, self.checks, self.most, self.below)

    def _note(self, stamp: bytes | None) -> None:
        self.stamp = stamp
        self.lasting = stamp is not None and _STAMP.unpack(stamp)[0] < time.time_ns() - _RACY_NS

    def forget(self) -> None:
        """Start over: nothing of the zone is served."""
        self.state, self.serial, self.names, self.dnssec, self.stamp, self.lasting = (
            "not loaded",
            None,
            0,
            None,
            None,
            False,
        )

    def published(self, zone: Zone) -> None:
        """Note that a version is what is served now."""
        self.serves(zone.serial, len(zone.nodes) + len(zone.ents), zone.dnssec)

    def serves(self, serial: int, count: int, dnssec: DnssecSummary | None = None) -> None:
        """Note serial and number of names of what is served now."""
        self.state = "serving"
        self.serial = serial
        self.names = count
        self.error = ""
        self.dnssec = dnssec

    def placeholder(self) -> Zone:
        """Return an empty zone that keeps the name's place in the store; its answers must never be shown."""
        return sources.placeholder(self.origin)

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
            "dnssec": asdict(self.dnssec) if self.dnssec else None,
        }


def configured(config: Config) -> dict[bytes, ServedZone]:
    """Return the zones of a configuration by origin. Raises ConfigError when a pattern's zones cannot be told."""
    with uncollected():
        return _configured(config)


def _configured(config: Config) -> dict[bytes, ServedZone]:
    levels = config.checks.levels
    most = config.store.memory_mib << 21
    below = config.server.include_below
    found: dict[bytes, ServedZone] = {}
    for entry in config.zone:
        origin = names.fold(names.from_text(entry.name))
        found[origin] = ServedZone(origin, entry.file, checks=levels, most=most, below=below)
    own = set(found)
    for pattern in config.pattern:
        place = Place(*pattern.file.split(ZONE)) if ZONE in pattern.file else None
        for origin, file in expand(pattern):
            if origin in own:
                continue
            if origin in found and found[origin].file != file:
                raise ConfigError(
                    f"zone {names.to_text(origin)} is in the pattern for {pattern.file} and has the file "
                    f"{found[origin].file} too; give it a [[zone]] of its own, or take it out of one"
                )
            plain = place if place and place.is_of(origin, file) else pattern.file if place is None else file
            found[origin] = ServedZone(origin, plain, checks=levels, most=most, below=below)
    return found


def compared(zones: dict[bytes, ServedZone], now: Mapping[bytes, ServedZone]) -> tuple[list[bytes], list[ServedZone]]:
    """Return the origins that are not configured any more, and the zones that are new or have another file."""
    gone = [origin for origin in zones if origin not in now]
    return gone, [one for origin, one in now.items() if origin not in zones or zones[origin].file != one.file]


def _stamp(file: str) -> bytes | None:
    try:
        status = os.stat(file)  # noqa: PTH116 - of a hundred thousand files, a Path is half the cost
    except (OSError, ValueError):  # the name of a zone may have a NUL in it
        return None
    return _packed_stamp(status)


def _packed_stamp(status: os.stat_result) -> bytes:
    return _STAMP.pack(status.st_mtime_ns, status.st_size, status.st_ino)
