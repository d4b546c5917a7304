# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and times as people say them; programs get the exact values as JSON."""

from typing import Final

from appliance.wording import counted

_STEPS: Final = ((86400, "day"), (3600, "h"), (60, "min"), (1, "s"))
_DAYS: Final = 60
"""Days from which on a date says more."""


def size(octets: int) -> str:
    """Return octets with the unit that leaves one to four digits, as "640 B" and "1.2 MiB"."""
    value, unit = float(octets), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if round(value) < 1024:
            break
        value, unit = value / 1024, larger
    return f"{octets} B" if unit == "B" else f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def ago(seconds: int | None, now: float) -> str:
    """Return how long before `now` something was, or how far after it, as "3 min ago" and "in 5 days"."""
    if seconds is None:
        return ""
    apart = round(abs(now - seconds))
    if apart >= _DAYS * 86400:
        from appliance.served.signatures import moment

        return moment(seconds)
    if not apart:
        return "now"
    length, unit = next(one for one in _STEPS if apart >= one[0])
    count = apart // length
    words = f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''}"
    return f"{words} ago" if seconds <= now else f"in {words}"


def lasting(seconds: float) -> str:
    """Return a length of time for people, in its largest unit."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return counted(int(seconds // size), unit)
    return counted(int(seconds), "second")
