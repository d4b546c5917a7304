# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packed model notes of a name, and its limits."""

from typing import Final

CUT: Final = 1
DNAME: Final = 2
OCCLUDED: Final = 4
DATA: Final = 8
"""The name has data of its own: more than RRSIGs and NSEC3s."""
SIGNED: Final = 16
"""The name has RRSIGs."""
HASHED: Final = 32
"""The name has an NSEC3."""
ALIAS: Final = 64
"""The name has a CNAME."""
ADDRESSES: Final = 128
"""The name has addresses."""

MAX_TTL: Final = 0x7FFFFFFF
MAX_RECORDS: Final = 65535
"""Most records of one name and type: the counts of a message have 16 bits."""
MAX_TYPES: Final = 200
"""Most types of one name: the table of its node has an octet for their number, and an alias adds its own to them."""
MAX_ODD: Final = 100000
"""Records that are looked at one by one because something is wrong with them; more are only counted."""

MATCH: Final = 0x80000000
"""Bit of a place in an NSEC3 chain that tells that the hash is that of the name, not the one before it."""
