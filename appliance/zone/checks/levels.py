# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes of findings about signed zones, how severe each one is, and the judge that sorts findings into them."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, get_args

from appliance.errors import Severity
from appliance.zone.checks.findings import Findings

Level = Literal["error", "warning", "off"]
CheckClass = Literal[
    "nsec-chain",
    "nsec3-chain",
    "nsec3-parameters",
    "nsec3-opt-out",
    "nsec3-iterations",
    "type-bitmap",
    "rrsig-missing",
    "rrsig-expired",
    "rrsig-mismatch",
    "rrsig-invalid",
    "dnskey-match",
    "zonemd-mismatch",
    "zonemd-incomplete",
    "zonemd-unsupported",
    "zonemd-missing",
]
Levels = Mapping[CheckClass, Level]


class ConfiguredLevels(dict[CheckClass, Level]):
    """Levels by class, and from which number of iterations on nsec3-iterations is found."""

    def __init__(self, levels: Levels, iterations_from: int) -> None:
        super().__init__(levels)
        self.iterations_from = iterations_from


CLASSES: Final[tuple[CheckClass, ...]] = get_args(CheckClass)

DEFAULTS: Final[Levels] = {
    # What would have us prove something false keeps a zone from being loaded,
    "nsec-chain": "error",
    "nsec3-chain": "error",
    "nsec3-parameters": "error",
    "type-bitmap": "error",
    "zonemd-mismatch": "error",
    # what validators merely refuse does not: the same data may still serve everybody else.
    "nsec3-opt-out": "warning",
    "nsec3-iterations": "warning",
    "rrsig-missing": "warning",
    "rrsig-expired": "warning",
    "rrsig-mismatch": "warning",
    "rrsig-invalid": "warning",
    "dnskey-match": "warning",
    "zonemd-incomplete": "warning",
    "zonemd-unsupported": "warning",
    "zonemd-missing": "off",
}

MAX_OF_A_CLASS = 100
"""Findings of one class that are kept word for word; the others are counted."""


class Judge:
    """Notes findings with the severity of their class and counts them."""

    def __init__(self, findings: Findings, levels: Levels, lenient: bool = False) -> None:
        self._findings = findings
        self._levels = levels
        self.lenient = lenient
        """Whether nothing is an error: set for zones that no validator takes for signed."""
        self.counts: Counter[CheckClass] = Counter()
        self.iterations_from = levels.iterations_from if isinstance(levels, ConfiguredLevels) else 1

    def wants(self, kind: CheckClass) -> bool:
        """Return whether findings of a class are looked for."""
        return self._levels.get(kind, DEFAULTS[kind]) != "off"

    def note(self, kind: CheckClass, owner: bytes, rtype: int, reason: str, mild: bool = False) -> None:
        """Note something about the RRset of a folded owner; a mild finding is a warning at most."""
        level = self._levels.get(kind, DEFAULTS[kind])
        if level == "off":
            return
        severity: Severity = "warning" if mild or self.lenient else level
        self.counts[kind] += 1
        news = severity == "error" and not self._findings.errors  # the first error is always told
        if news or self.counts[kind] <= MAX_OF_A_CLASS:
            self._findings.rrset(owner, rtype, severity, f"{reason} [{kind}]")

    def is_silent(self, kind: CheckClass) -> bool:
        """Return whether further findings of a class would only be counted, if that."""
        level = self._levels.get(kind, DEFAULTS[kind])
        if level == "off":
            return True
        news = level == "error" and not self.lenient and not self._findings.errors
        return not news and self.counts[kind] >= MAX_OF_A_CLASS

    def add(self, kind: CheckClass, count: int) -> None:
        """Count findings that are not told."""
        if count and self.wants(kind):
            self.counts[kind] += count

    def close(self) -> dict[str, int]:
        """Say how many findings were left out, and return how many there are of each class."""
        for kind, count in self.counts.items():
            if count > MAX_OF_A_CLASS:
                self._findings.whole("warning", f"{count - MAX_OF_A_CLASS} more findings are not shown [{kind}]")
        return {kind: self.counts[kind] for kind in CLASSES if self.counts[kind]}
