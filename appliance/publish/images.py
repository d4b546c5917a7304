# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled store kept for the next start, with what each zone was read from; used only where that still is so."""

import contextlib
import logging
import os
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from appliance import __version__
from appliance.config.schema import Config
from appliance.errors import StateError
from appliance.served import stamps
from appliance.served.memory import trim
from appliance.served.zones import ServedZone
from appliance.store.image import load, save
from appliance.store.store import Store
from appliance.zone import digests
from appliance.zone.model import DnssecSummary

FILE: Final = "store.image"

_NO_DIGEST: Final = bytes(digests.OCTETS)

_log = logging.getLogger(__name__)


class _Notes(msgspec.Struct):
    """What is known of the zones in an image, in columns: of a hundred thousand, each octet counts."""

    origins: bytes
    files: bytes
    stamps: bytes
    serials: bytes
    names: bytes
    digests: bytes
    dnssec: dict[int, DnssecSummary]
    since: bytes = b""
    """Since when each is served; an image of before has nothing of it."""

    @classmethod
    def of(cls, zones: Iterable[ServedZone]) -> "_Notes":
        """Note the zones that need not be read again while their stamps are the same."""
        origins, files, known, contents = bytearray(), bytearray(), bytearray(), bytearray()
        serials, names, since = array("I"), array("I"), array("I")
        dnssec = {}
        for one in zones:
            if one.serial is None or one.error or (identity := one.source.identity()) is None:
                continue
            if one.dnssec is not None:
                dnssec[len(serials)] = one.dnssec
            origins += one.origin
            files += os.fsencode(one.file) + b"\0"
            known += identity
            contents += one.digest or _NO_DIGEST
            serials.append(one.serial)
            names.append(one.names)
            since.append(one.served_since or 0)
        return cls(
            bytes(origins),
            bytes(files),
            bytes(known),
            serials.tobytes(),
            names.tobytes(),
            bytes(contents),
            dnssec,
            since.tobytes(),
        )

    def recall(self, zones: Mapping[bytes, ServedZone]) -> None:
        """Note in each zone whose source is unchanged what is served of it."""
        files = self.files.split(b"\0")
        since = _words(self.since)
        moments: dict[int, int] = {}
        at = 0
        for place, (serial, names) in enumerate(zip(_words(self.serials), _words(self.names), strict=True)):
            start = at
            while self.origins[at]:
                at += self.origins[at] + 1
            at += 1
            served = zones.get(self.origins[start:at])
            if served is None or os.fsencode(served.file) != files[place]:
                continue
            if served.source.recall(self.stamps[place * stamps.OCTETS : (place + 1) * stamps.OCTETS]):
                digest = self.digests[place * digests.OCTETS : (place + 1) * digests.OCTETS]
                served.serves(serial, names, self.dnssec.get(place), digest if digest != _NO_DIGEST else b"")
                if place < len(since) and since[place]:
                    served.served_since = moments.setdefault(since[place], since[place])


def _words(octets: bytes) -> "array[int]":
    found = array("I")
    found.frombytes(octets)
    return found


_decode = msgspec.msgpack.Decoder(_Notes).decode


class Images:
    """The image in the state folder."""

    def __init__(self, config: Config) -> None:
        self._path = Path(config.server.state_dir) / FILE
        self._complained = False
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Save what a configuration says from now on, and for whom: a start with other checks must not take it."""
        self._wanted = config.store.image
        levels = ",".join(f"{kind}={level}" for kind, level in sorted(config.checks.levels.items()))
        self._stamp = f"{__version__} {levels},{config.checks.nsec3_iterations_from}".encode()

    def load(self, zones: Mapping[bytes, ServedZone]) -> Store | None:
        """Return the saved store, None if there is none to trust; unchanged zones note its versions."""
        if not self._wanted:
            return None
        self.remove_unfinished()  # of a process that was killed while it saved
        if not self._path.exists():
            return None
        try:
            store, notes = load(self._path, self._stamp)
            known = _decode(notes)
        except (StateError, msgspec.DecodeError) as error:
            _log.warning("%s", error)
            return None
        known.recall(zones)
        return store

    def remove_unfinished(self) -> None:
        """Remove what was not written to its end."""
        with contextlib.suppress(OSError):
            for left in self._path.parent.glob(f".{FILE}.*"):
                left.unlink(missing_ok=True)

    def set_aside(self, store: Store, zones: Iterable[ServedZone]) -> Store | None:
        """Save a store and return what is in the file, whose pages the kernel can have back; None if that fails."""
        if not self.save(store, zones):
            return None
        try:
            return load(self._path, self._stamp)[0]
        except StateError as error:
            _log.warning("%s", error)
            return None

    def save(self, store: Store, zones: Iterable[ServedZone]) -> bool:
        """Save the store, and return whether that worked; a failure is logged once, and the server goes on."""
        if not self._wanted:
            return False
        try:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
            save(store, self._path, self._stamp, msgspec.msgpack.encode(_Notes.of(zones)))
        except (StateError, OSError) as error:
            if not self._complained:
                _log.warning("%s; the next start compiles the zones again", error)
            self._complained = True
            return False
        else:
            self._complained = False
            return True
        finally:
            trim()  # of a store of five million names, copies of 40 MiB were made on the way
