# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone's master file as its source: which files were read, and whether they are another version by now."""

import os
import time
from dataclasses import dataclass, field
from typing import Final

from appliance.errors import ZoneError
from appliance.served import stamps
from appliance.served.source import Rules, ZoneSource
from appliance.zone import digests, names
from appliance.zone.load import load_zone
from appliance.zone.master.files import Batch, Files
from appliance.zone.model import Zone
from appliance.zone.packed.zone import PackedZone

LARGE: Final = 1 << 20
"""Octets of a file from which on a zone's records are kept as a listing, which is written while it is compiled."""

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
        """Return whether a file is surely that of a zone by its path; for names with very long labels this is False."""
        return self.before + origin[1:-1].translate(_DOTTED).decode("latin-1") + self.after == file


@dataclass(slots=True, eq=False)
class FileSource(ZoneSource):
    """The master file of one zone, and the files that it includes.

    Stamps are a hint that something has changed; only a digest says that two versions are one.
    """

    origin: bytes
    at: str | Place
    rules: Rules = field(repr=False)
    stamp: bytes | None = field(default=None, repr=False)
    """That of the file when it was read last."""
    lasting: bool = field(default=False, repr=False)
    """Whether the files had been as they are for long enough when they were read, so that their stamps tell changes."""
    includes: tuple[tuple[str, bytes | None], ...] = field(default=(), repr=False)
    """The other files that were read, with their stamps."""

    @property
    def place(self) -> str:
        """The path of the file."""
        return self.at if isinstance(self.at, str) else self.at.path(self.origin)

    def is_from(self, at: object) -> bool:
        """Return whether its content surely comes from a place that a configuration names."""
        return self.at is at or self.at == at

    def judge_by(self, rules: Rules) -> None:
        """Take other rules for what is read from now on."""
        self.rules = rules

    def changed(self) -> bool:
        """Return whether the file, or one that it includes, has another stamp than when it was read."""
        if stamps.of_file(self.place) != self.stamp:
            return True
        return any(stamps.of_file(file) != stamp for file, stamp in self.includes)

    def settled(self) -> bool:
        """Return whether the files had not just been changed when they were read."""
        return self.lasting

    def identity(self) -> bytes | None:
        """Return the stamp; none for a file that includes others, or that had just been changed."""
        return self.stamp if self.lasting and not self.includes else None

    def recall(self, identity: bytes) -> bool:
        """Take a stamp; return whether the file still has it."""
        self.stamp = identity
        self.lasting = not self.changed()
        return self.lasting

    def forget(self) -> None:
        """Forget what was read."""
        self.stamp, self.lasting, self.includes = None, False, ()

    def read(self) -> Zone:
        """Return the zone in the file. Raises ZoneError."""
        now = time.time_ns()
        self.stamp, self.includes = stamps.of_file(self.place), ()
        self.lasting = stamps.is_settled(self.stamp, now)
        text = self.small_text()
        zone = self._loaded_as(self.origin)
        if zone.includes:
            self.includes = tuple((file, stamps.of_file(file)) for file in zone.includes)
            self.lasting = self.lasting and all(stamps.is_settled(stamp, now) for _, stamp in self.includes)
            zone.digest = digests.of_records(zone) if isinstance(zone, PackedZone) else b""
        elif text is not None:
            if self.small_text() != text:
                raise self._changed_meanwhile()
            zone.digest = digests.of_text(text)
        return zone

    def made_from(self, text: bytes, origin: bytes) -> Zone:
        """Return the zone that a text, which was read from the file before, is under an origin. Raises ZoneError."""
        zone = self._loaded_as(origin)
        if stamps.text_of(self.place, len(text)) != text:
            raise self._changed_meanwhile()
        return zone

    def again(self, digest: bytes, serial: int | None) -> Zone | None:
        """Return the zone in the file if it is the version with a digest, or a serial where none is known."""
        if self.changed():
            return None
        try:
            zone = self._loaded()
        except Exception:  # noqa: BLE001 - the file is not what it was, whatever it is
            return None
        return zone if self._is_of(zone, digest, serial) else None

    def is_large(self) -> bool:
        """Return whether the file that was read last is too large to be kept as it is."""
        return self.stamp is not None and stamps.size_of(self.stamp) >= LARGE

    def small_text(self) -> bytes | None:
        """Return what is in the file now, if it is not large."""
        return stamps.text_of(self.place, LARGE - 1)

    def doubt(self) -> None:
        """Make the next reload look into the file, whatever its stamp says."""
        self.lasting = False

    def size(self, files: Files) -> int:
        """Return how many octets the file has, 0 if there is none."""
        return files.size() if files.find(*self._path()) else 0

    def name_in(self, batch: Batch) -> None:
        """Add the file to a batch of reads."""
        batch.add(*self._path())

    def text(self, files: Batch, number: int) -> bytes | None:
        """Return the whole file, one of a batch, if it is a small one, noted as read; else None."""
        text: bytes | None = files.take(number)
        if text is not None:
            self.stamp, self.includes = files.stamp, ()
            self.lasting = stamps.changed_before(files.changed, time.time_ns())
        return text

    def _loaded(self) -> Zone:
        return load_zone(self.place, self.origin, self.rules.checks, self.rules.most, self.rules.below)

    def _loaded_as(self, origin: bytes) -> Zone:
        zone = load_zone(self.place, origin, self.rules.checks, self.rules.most, self.rules.below)
        if self.changed():
            raise self._changed_meanwhile()
        return zone

    def _changed_meanwhile(self) -> ZoneError:
        zone = names.to_text(self.origin)
        return ZoneError(f"zone {zone}: {self.place} changed while it was read; reload the zone")

    def _is_of(self, zone: Zone, digest: bytes, serial: int | None) -> bool:
        """Return whether a zone that was just read is a version, as far as that is known."""
        if not digest:
            return zone.serial == serial
        text = None if zone.includes else self.small_text()
        same = text is not None and digests.of_text(text) == digest
        if not same and isinstance(zone, PackedZone):
            same = digests.of_records(zone) == digest
        zone.digest = digest if same else b""
        return same

    def _path(self) -> tuple[bytes, bytes, bytes]:
        """Return the path of the file: what stands before the name in it, the name (none where it is not), the rest."""
        if isinstance(self.at, str):
            return os.fsencode(self.at), b"", b""
        return self.at.octets[0], self.origin, self.at.octets[1]
