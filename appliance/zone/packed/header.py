# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the fields of a packed record lie: HEADER of master/records.py, then the owner, then the RDATA.

Compiled modules have the same numbers as constants of C (header.pxd); a test compares all three.
"""

from typing import Final

TTL_AT: Final = 4
TYPE_AT: Final = 8
CLASS_AT: Final = 10
RDLENGTH_AT: Final = 12
OWNER_LENGTH_AT: Final = 14
FLAGS_AT: Final = 15
SIZE: Final = 16
LENGTH_BEFORE: Final = 2
"""Octets from the length of an owner to its first octet."""
