# SPDX-License-Identifier: GPL-3.0-or-later
"""Small arithmetic of packed records, as compiled modules have it inline (places.pxd)."""

Octets = memoryview | bytearray


def record_offset(unit: int) -> int:
    """Return the offset in octets of a record from its place in units of four octets."""
    return unit << 2


def cursor_offset(cursor: int) -> int:
    """Return the offset in octets of the record that a cursor (names.Packed.first_of) stands at."""
    return (cursor & 0xFFFFFFFF) << 2


def octet64(octet: int) -> int:
    """Return a number, wide enough to be shifted."""
    return octet


def lower(octet: int) -> int:
    """Return an octet of a name in lower case."""
    return octet + 32 if 65 <= octet <= 90 else octet


def u16(octets: Octets, at: int) -> int:
    """Return a number whose lowest octet comes first."""
    return octets[at] | octets[at + 1] << 8


def u32(octets: Octets, at: int) -> int:
    """Return a number whose lowest octet comes first."""
    return u16(octets, at) | u16(octets, at + 2) << 16


def is_wildcard(octets: Octets, at: int) -> bool:
    """Return whether the first label of a name is an asterisk."""
    return octets[at] == 1 and octets[at + 1] == 42
