# SPDX-License-Identifier: GPL-3.0-or-later
"""Small arithmetic of packed records, as compiled modules have it inline (places.pxd)."""


def record_offset(unit: int) -> int:
    """Return the offset in octets of a record from its place in units of four octets."""
    return unit << 2


def octet64(octet: int) -> int:
    """Return a number, wide enough to be shifted."""
    return octet


def lower(octet: int) -> int:
    """Return an octet of a name in lower case."""
    return octet + 32 if 65 <= octet <= 90 else octet
