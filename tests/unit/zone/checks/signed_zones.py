# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones under signed/, which dnssec-signzone has signed, with lines of them changed; and what is found in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.zone import names
from appliance.zone.checks.dnssec import check
from appliance.zone.checks.findings import Findings
from appliance.zone.checks.levels import DEFAULTS, Levels
from appliance.zone.load import assemble
from appliance.zone.master import scanner
from appliance.zone.model import DnssecSummary

FOLDER = Path(__file__).parent / "signed"
NOW = 1_800_000_000
"""A moment in January 2027, at which all signatures are in force."""


@dataclass(frozen=True)
class Found:
    """Findings as (severity, class, reason), without those of other checks."""

    summary: DnssecSummary | None
    findings: list[tuple[str, str, str]]

    @property
    def classes(self) -> set[tuple[str, str]]:
        """Severities and classes."""
        return {finding[:2] for finding in self.findings}

    def says(self, kind: str, reason: str) -> bool:
        """Return whether a finding of a class has this in its reason."""
        return any(kind == found and reason in text for _, found, text in self.findings)


def text(name: str) -> str:
    """Return a signed zone: nsec, nsec3 or optout; its origin is that name below example."""
    return (FOLDER / f"{name}.zone").read_text("ascii")


def examine(folder: Path, name: str, content: str, levels: Levels = DEFAULTS, now: int = NOW) -> Found:
    """Return what the checks find in the text of a zone, whose name is taken below example."""
    path = folder / "zone"
    path.write_text(content, "ascii")
    origin = names.from_text(f"{name}.example.")
    records = scanner.scan_file(path, origin)
    findings = Findings(records)
    zone = assemble(records, origin, findings)
    assert zone is not None, findings.finish()
    assert not findings.errors
    summary = check(zone, findings, levels, now)
    found: list[tuple[str, str, str]] = []
    for finding in findings.finish():
        reason, _, kind = finding.reason.rpartition(" [")
        if kind.endswith("]"):
            found.append((finding.severity, kind[:-1], reason))
    return Found(summary, found)


def without(content: str, start: str, part: str = "") -> str:
    """Return a text without the line that starts so and has this part; it must be there."""
    return edited(content, lambda line: None, start, part)


def edited(content: str, change: Callable[[str], str | None], start: str, part: str = "") -> str:
    """Return a text with the first line that starts so and has this part changed; it must be there.

    Blanks count as one space each.
    """
    lines = [" ".join(line.split()) for line in content.splitlines()]
    at = next(place for place, line in enumerate(lines) if line.startswith(start) and part in line)
    new = change(lines[at])
    lines[at : at + 1] = [] if new is None else [new]
    return "\n".join(lines) + "\n"
