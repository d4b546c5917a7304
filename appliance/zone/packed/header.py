# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the fields of a packed record lie: HEADER of master/records.py, then the owner, then the RDATA.

Compiled modules have the same numbers as constants of C and the functions inline (header.pxd); a test compares the
numbers of all three.
"""

from typing import Final

from appliance.zone.packed.places import Octets, u16

TTL_AT: Final = 4
TYPE_AT: Final = 8
CLASS_AT: Final = 10
RDLENGTH_AT: Final = 12
OWNER_LENGTH_AT: Final = 14
FLAGS_AT: Final = 15
SIZE: Final = 16
LENGTH_BEFORE: Final = 2
"""Octets from the length of an owner to its first octet."""
DROPPED: Final = 1
"""The flag of master/records.py."""


def rdata_of(octets: Octets, at: int) -> int:
    """Return where the RDATA of a record starts."""
    return at + SIZE + octets[at + OWNER_LENGTH_AT]


def end_of(octets: Octets, at: int) -> int:
    """Return where a record ends, and the one behind it starts."""
    return (rdata_of(octets, at) + u16(octets, at + RDLENGTH_AT) + 3) & ~3


def next_in_run(octets: Octets, length: int, at: int) -> int:
    """Return the record behind one if it has the same owner, 0 if it has its own or there is none."""
    at = end_of(octets, at)
    return at if at < length and not octets[at + OWNER_LENGTH_AT] else 0
