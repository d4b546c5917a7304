# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones of the configuration: their files, what was last read from them, and what is wrong."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from appliance.config.schema import Config
from appliance.control.signatures import doubts
from appliance.errors import ApplianceError, ZoneError
from appliance.zone import names, types
from appliance.zone.checks import DEFAULTS, Level, Levels
from appliance.zone.load import load_zone
from appliance.zone.model import DnssecSummary, RRset, Zone

State = Literal["serving", "not loaded"]
Stamp = tuple[int, int, int]


@dataclass(slots=True)
class ServedZone:
    """One zone of the configuration; `error` says why its file is not what is served."""

    name: str
    origin: bytes
    file: Path
    state: State = "not loaded"
    serial: int | None = None
    names: int = 0
    error: str = ""
    dnssec: DnssecSummary | None = None
    checks: Levels = field(default_factory=lambda: DEFAULTS, repr=False)
    stamp: Stamp | None = field(default=None, repr=False)

    def has_changed(self) -> bool:
        """Tell whether the file is another one than was last read."""
        return _stamp(self.file) != self.stamp

    def read(self) -> Zone:
        """Return the zone in the file. Raises ZoneError, and remembers the reason."""
        self.stamp = _stamp(self.file)
        try:
            return load_zone(self.file, self.origin, self.checks)
        except ApplianceError as error:
            self.error = str(error)
            if isinstance(error, ZoneError):
                raise
            raise ZoneError(str(error)) from error

    def published(self, zone: Zone) -> None:
        """Note that a version is what is served now."""
        self.state = "serving"
        self.serial = zone.serial
        self.names = len(zone.nodes) + len(zone.ents)
        self.error = ""
        self.dnssec = zone.dnssec

    def placeholder(self) -> Zone:
        """Return an empty zone that keeps the name's place in the store; its answers must never be shown."""
        soa = names.ROOT * 2 + bytes(20)
        apex = {types.SOA: RRset(types.SOA, 0, [soa]), types.NS: RRset(types.NS, 0, [names.ROOT])}
        return Zone.build(self.origin, {self.origin: apex})

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
            "file": str(self.file),
            "error": self.error,
            "dnssec": asdict(self.dnssec) if self.dnssec else None,
        }


def configured(config: Config) -> dict[bytes, ServedZone]:
    """Return the zones of a configuration by origin."""
    found = {}
    for entry in config.zone:
        origin = names.fold(names.from_text(entry.name))
        found[origin] = ServedZone(names.to_text(origin), origin, Path(entry.file), checks=config.checks.levels)
    return found


def _stamp(file: Path) -> Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
