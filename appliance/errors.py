# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that cross module borders; nothing else is raised by one folder and caught by another."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from appliance.wording import visible

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong at one place of a file; line 0 means the file as a whole."""

    file: str
    line: int
    severity: Severity
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return visible(f"{place}: {self.severity}: {self.reason}")


class ApplianceError(Exception):
    """Root of all errors; the message says what is wrong, where, and what mends it."""


class ConfigError(ApplianceError):
    """The configuration cannot be used."""


class ZoneError(ApplianceError):
    """A zone cannot be loaded; every finding is in .findings, warnings included."""

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(message)
        self.findings: list[Finding] = list(findings)


class WireError(ApplianceError):
    """Octets or a name's text are not what DNS allows there."""


class DatapathError(ApplianceError):
    """The XDP program, its maps or an interface refused something."""


class StateError(ApplianceError):
    """State on disk is missing, damaged or of another version."""
