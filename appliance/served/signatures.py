# SPDX-License-Identifier: GPL-3.0-or-later
"""What is doubtful about the signatures of a zone that is served all the same, in words."""

import datetime
from typing import Final

from appliance.zone.checks.levels import Level, Levels
from appliance.zone.model import DnssecSummary

_TOLD_APART: Final = {"rrsig-missing", "rrsig-expired"}
"""Classes whose findings are the RRsets that the summary counts."""


def doubts(summary: DnssecSummary, levels: Levels, now: float) -> list[tuple[Level, str]]:
    """Return each doubt with its level, the worst first; signatures that ended before `now` (seconds) count too."""
    ends = summary.earliest_expiration
    if not (summary.expired or summary.not_yet_valid or summary.missing or summary.findings) and (
        not summary.proofs_from_userspace and (ends is None or ends > now)
    ):
        return []  # of a hundred thousand zones, nearly all
    told: list[tuple[Level, str]] = []
    lifetime = levels["rrsig-expired"]
    if summary.expired:
        told.append((lifetime, f"{_rrsets(summary.expired)} with expired signatures"))
    elif ends is not None and ends <= now:
        told.append((lifetime, f"signatures expire since {moment(ends)}; sign the zone again and reload it"))
    if summary.not_yet_valid:
        text = f"{_rrsets(summary.not_yet_valid)} with signatures that are not valid yet; is the clock right?"
        told.append((lifetime, text))
    if summary.missing:
        told.append((levels["rrsig-missing"], f"{_rrsets(summary.missing)} without a signature"))
    others = [f"{kind} {count}" for kind, count in summary.findings.items() if kind not in _TOLD_APART]
    if others:
        told.append(("warning", f"check-zone finds {', '.join(others)}"))
    if summary.proofs_from_userspace:
        hashing = f"{summary.iterations} NSEC3 iterations, {summary.salt_length} octets of salt"
        told.append(("warning", f"proofs come from userspace: {hashing} (RFC 9276 asks for none)"))
    return [(level, text) for level, text in told if level != "off"]


def moment(seconds: int) -> str:
    """Return a point in time for people, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rrsets(count: int) -> str:
    return "1 RRset" if count == 1 else f"{count} RRsets"
