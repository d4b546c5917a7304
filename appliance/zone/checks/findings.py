# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about a zone on their way to a report: each gets the file and line of the record it is about."""

from collections.abc import Callable

from appliance.errors import Finding, Severity
from appliance.zone.master.records import Record, Records

MAX_FINDINGS = 1000


class Findings:
    """What was found so far in one master file. The places of RRsets are looked up at the end."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.locate: Callable[[bytes, int], Record | None] = self._search
        """Returns the first record of a folded owner and type; who has the records sorted knows a faster way."""
        self._found: list[Finding] = list(records.findings)
        self._waiting: dict[tuple[bytes, int], list[tuple[Severity, str]]] = {}
        self._count = len(self._found)
        self.errors = any(finding.severity == "error" for finding in self._found)

    def _room(self, severity: Severity) -> bool:
        self.errors = self.errors or severity == "error"
        self._count += 1
        return self._count <= MAX_FINDINGS

    def record(self, record: Record, severity: Severity, reason: str) -> None:
        """Note something about one record."""
        if self._room(severity):
            self._found.append(Finding(self._records.files[record.file], record.line, severity, reason))

    def _search(self, owner: bytes, rtype: int) -> Record | None:
        return next((one for one in self._records if one.rtype == rtype and one.owner.lower() == owner), None)

    def more(self, count: int) -> None:
        """Count findings that nobody can be told about word for word."""
        self._count += count

    def rrset(self, owner: bytes, rtype: int, severity: Severity, reason: str) -> None:
        """Note something about the RRset of a folded owner; its first record is the place."""
        if self._room(severity):
            self._waiting.setdefault((owner, rtype), []).append((severity, reason))

    def whole(self, severity: Severity, reason: str) -> None:
        """Note something about the zone as a whole."""
        if self._room(severity):
            self._found.append(Finding(self._records.files[0] if self._records.files else "", 0, severity, reason))

    def finish(self) -> list[Finding]:
        """Return all findings in the order of files and lines."""
        whole = self._records.files[0] if self._records.files else ""
        for (owner, rtype), noted in self._waiting.items():
            record = self.locate(owner, rtype)  # None for names without records of their own, such as ENTs
            file, line = (self._records.files[record.file], record.line) if record else (whole, 0)
            self._found.extend(Finding(file, line, severity, reason) for severity, reason in noted)
        self._waiting.clear()
        order = {file: place for place, file in enumerate(self._records.files)}
        self._found.sort(key=lambda finding: (order.get(finding.file, -1), finding.line))
        if self._count > MAX_FINDINGS:
            reason = f"{self._count - MAX_FINDINGS} more findings are not shown"
            self._found.append(Finding(self._found[0].file, 0, "error" if self.errors else "warning", reason))
        return self._found
