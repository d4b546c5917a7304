# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the fields of listings lie (docs/state.md), and those of records in a message (RFC 1035 §3.2.1).

Compiled modules have the same numbers as constants of C (layout.pxd); a test compares both with the structs.
"""

import struct
from typing import Final

NAME: Final = struct.Struct("<IIB")
"""Octets of a name's block, how many records it has, octets of its owner, which follows."""
NAME_RECORDS_AT: Final = 4
NAME_OWNER_LENGTH_AT: Final = 8
NAME_SIZE: Final = 9

RECORD: Final = struct.Struct("<HIH")
"""Type, TTL and octets of the RDATA, which follows."""
RECORD_TTL_AT: Final = 2
RECORD_RDLENGTH_AT: Final = 6
RECORD_SIZE: Final = 8

RR: Final = struct.Struct(">HHIH")
"""Type, class, TTL and octets of the RDATA of a record in a message, between its owner and the RDATA."""
RR_CLASS_AT: Final = 2
RR_TTL_AT: Final = 4
RR_RDLENGTH_AT: Final = 8
RR_SIZE: Final = 10
