# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that are served: where each comes from, what is served of it, and what is wrong."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from appliance.errors import ApplianceError, StateError, ZoneError
from appliance.served.frozen_source import FrozenSource
from appliance.served.seconds import second
from appliance.served.signatures import doubts, moment
from appliance.served.source import Rules, ZoneSource
from appliance.zone import names
from appliance.zone.checks.levels import Level
from appliance.zone.model import DnssecSummary, Zone, placeholder

State = Literal["serving", "not loaded"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ServedZone:
    """One zone of this server; `error` says why its source has another version than is served, without its name."""

    origin: bytes
    source: ZoneSource
    rules: Rules = field(default_factory=Rules, repr=False)
    state: State = "not loaded"
    serial: int | None = None
    names: int = 0
    error: str = ""
    since: float | None = None
    """Since when (seconds since 1970) the file is not what is served, as far as this process has seen."""
    is_kept: bool = False
    """Whether what is served is the kept version, since the file could not be read when it began."""
    dnssec: DnssecSummary | None = None
    digest: bytes = field(default=b"", repr=False)
    """Digest of what is served (zone.digests); b"" where nobody has made it."""
    pattern: str = field(default="", repr=False)
    """The [[pattern]] that it is of (zone_set.known_as)."""
    served_since: int | None = field(default=None, repr=False)
    """Since when (seconds since 1970) this version is what is served."""
    last_success: int | None = field(default=None, repr=False)
    """When the source was last found to have what is served."""
    last_failure: tuple[int, str] | None = field(default=None, repr=False)
    """When the source last had nothing that can be served, and why; stays when that is mended."""

    @property
    def file(self) -> str:
        """Where the zone's content is, for people."""
        return self.source.place

    @property
    def name(self) -> str:
        """The zone's name as text."""
        return names.to_text(self.origin)

    def read_from(self, source: ZoneSource) -> None:
        """Take another source; that of a frozen zone is read from when it is thawed."""
        if isinstance(self.source, FrozenSource):
            self.source.beneath = source
        else:
            self.source = source

    def may_have_changed(self) -> bool:
        """Return whether the source must be read to know what is there now."""
        return bool(self.error) or self.state != "serving" or not self.source.settled() or self.source.changed()

    def read(self) -> Zone:
        """Return the zone that the source has now. Raises ZoneError, and remembers the reason."""
        with self._telling():
            return self.source.read()

    def made_from(self, text: bytes, origin: bytes) -> Zone:
        """Return the zone that a text of the source is under an origin. Raises ZoneError, and remembers the reason."""
        with self._telling():
            return self.source.made_from(text, origin)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Remember why nothing can be loaded; whatever the content is, it keeps no other zone from being served."""
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

    def again(self, kept: "Kept") -> Zone:
        """Return what is served, from the source again, or as it was kept. Raises StateError if it is nowhere."""
        if self.state != "serving":
            raise StateError(f"zone {self.name} is not loaded")
        found = self.source.again(self.digest, self.serial) or kept(self, self.digest)
        if found is None:
            raise StateError(
                f"zone {self.name} must be compiled again because of a neighbour, but {self.file} has changed since it "
                f"was loaded, and that version is not kept; reload {self.name} first"
            )
        return found

    def forget(self) -> None:
        """Note that nothing of the zone is served."""
        self.state, self.serial, self.names, self.dnssec, self.digest = "not loaded", None, 0, None, b""
        self.served_since = None
        self.source.forget()

    def published(self, zone: Zone, as_kept: bool = False) -> None:
        """Note that a version is what is served now: that of the source, or the kept one if that has failed."""
        error, since, success = self.error, self.since, self.last_success
        self.serves(zone.serial, len(zone.nodes) + len(zone.ents), zone.dnssec, zone.digest)
        if as_kept:
            self.error, self.since, self.is_kept, self.last_success = error, since, True, success

    def serves(self, serial: int, count: int, dnssec: DnssecSummary | None = None, digest: bytes = b"") -> None:
        """Note serial, number of names and digest of what is served now."""
        if (self.state, self.serial, self.digest) != ("serving", serial, digest) or self.served_since is None:
            self.served_since = second()
        self.state = "serving"
        self.serial = serial
        self.names = count
        self.dnssec = dnssec
        self.digest = digest
        self.recovered()

    def failed(self, reason: str) -> None:
        """Note why the file is not what is served; `since` is the first time."""
        self.error = self.without_name(reason)
        self.last_failure = (second(), self.error)
        if self.since is None:
            self.since = time.time()

    def recovered(self) -> None:
        """Note that the file is what is served."""
        self.error, self.since, self.is_kept = "", None, False
        self.last_success = second()

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
        return doubts(self.dnssec, self.rules.checks, now) if self.dnssec else []

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
            "frozen": isinstance(self.source, FrozenSource),
            "dnssec": asdict(self.dnssec) if self.dnssec else None,
        }


Kept = Callable[[ServedZone, bytes], Zone | None]
"""Returns the kept version of a zone that has a digest, or any where that is nothing; None where there is none."""
