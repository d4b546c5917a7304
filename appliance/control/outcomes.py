# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a change, zone by zone: for the answer of a verb, and for the log."""

import logging
from typing import Any

from appliance.errors import ApplianceError, ZoneError
from appliance.served.zones import ServedZone
from appliance.state.journal import is_newer
from appliance.wording import counted
from appliance.zone.diff.difference import Difference

_log = logging.getLogger(__name__)


def as_told(served: ServedZone, error: Exception) -> ApplianceError:
    """Return an error in words for the operator, whatever it is."""
    if isinstance(error, ApplianceError):
        return error
    _log.error("zone %s: unexpected %r", served.name, error)
    return ZoneError(f"zone {served.name}: it cannot be served: {str(error) or type(error).__name__}")


def plain(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return outcomes without the keys that only the reload reads."""
    for one in told:
        one.pop("same", None)
    return told


def failure(what: str, outcome: str) -> dict[str, Any]:
    """Return the outcome of something that could not be done."""
    return {"zone": what, "ok": False, "outcome": outcome}


def describe(told: dict[str, Any], found: Difference) -> None:
    """Add to the outcome of a reload what the new version changes."""
    told["removed"], told["added"] = found.removed_records, found.added_records
    if found.is_empty:
        told["outcome"] += ", the same records"
    else:
        told["outcome"] += f": {counted(found.removed_records, 'record')} removed, {found.added_records} added"
        before, after = found.serials()
        if not is_newer(after, before):
            told["outcome"] += f"; {after} is not newer than {before} (RFC 1982), so secondaries will not fetch it"


def tell_doubts(served: ServedZone) -> None:
    """Log how many findings of which class there are about the signatures of a zone that is served all the same."""
    if served.dnssec and served.dnssec.findings:
        counts = ", ".join(f"{kind} {count}" for kind, count in served.dnssec.findings.items())
        _log.warning("zone %s: findings about DNSSEC: %s; see appliance check-zone", served.name, counts)


def tell(error: ApplianceError) -> None:
    """Log an error; every finding of a zone file, each with its line."""
    findings = error.findings if isinstance(error, ZoneError) else []
    for finding in findings:
        _log.log(logging.ERROR if finding.severity == "error" else logging.WARNING, "%s", finding)
    _log.error("%s", error)
