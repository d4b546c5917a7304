# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads from one version of a zone to another: the records that went and those that came."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from appliance.errors import StateError
from appliance.zone import types
from appliance.zone.diff.comparison import Comparison
from appliance.zone.diff.layout import NAME, RECORD, RR

_SERIAL: Final = slice(-20, -16)
"""Of an SOA's RDATA, which ends with five numbers (RFC 1035 §3.3.13)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Records as they stand in a message, names not compressed; in each list the SOA comes first (RFC 1995 §4).

    names says at how many owners there is something else than another SOA. The counts have the SOA only where there is
    another one.
    """

    removed: bytes
    added: bytes
    names: int
    removed_records: int
    added_records: int

    @property
    def octets(self) -> int:
        """Octets of both lists."""
        return len(self.removed) + len(self.added)

    @property
    def is_empty(self) -> bool:
        """Return whether both versions have the same records."""
        return not self.names and not self.removed_records

    def serials(self) -> tuple[int, int]:
        """Return the serials of both versions; not of NOTHING."""
        return _serial(self.removed), _serial(self.added)

    def changed(self) -> dict[bytes, set[int]]:
        """Return the types that differ by folded owner, as answers.change takes them."""
        found: dict[bytes, set[int]] = {}
        for octets in (self.removed, self.added):
            for owner, rtype in _owners(octets):
                found.setdefault(owner, set()).add(rtype)
        return found


NOTHING: Final = Difference(b"", b"", 0, 0, 0)
"""Between a version and itself."""


def difference(old: memoryview, new: memoryview, origin: bytes, most: int = 0) -> Difference | None:
    """Return what differs between two listings of a zone; None where that takes more octets than most, 0 is no bound.

    Raises StateError for a damaged listing.
    """
    soas = _soa(old, origin), _soa(new, origin)
    walk = Comparison(old, new, origin)
    walk.compare()
    if most and walk.removed + walk.added + len(soas[0]) + len(soas[1]) > most:
        return None
    gone, came = walk.lists()
    other = _folded(soas[0]) != _folded(soas[1])
    return Difference(
        soas[0] + gone, soas[1] + came, walk.names, walk.removed_records + other, walk.added_records + other
    )


def _soa(listing: memoryview, origin: bytes) -> bytes:
    """Return the SOA of a listing, whose first name is the apex."""
    try:
        _, count, length = NAME.unpack_from(listing)
        owner = bytes(listing[NAME.size : NAME.size + length])
        at = NAME.size + length
        for _ in range(count):
            rtype, ttl, size = RECORD.unpack_from(listing, at)
            at += RECORD.size + size
            if rtype == types.SOA and size >= 22 and at <= len(listing) and owner.lower() == origin:
                return owner + RR.pack(rtype, types.IN, ttl, size) + bytes(listing[at - size : at])
    except struct.error:
        pass
    raise StateError("the listing of a zone is damaged: it has no SOA")


def _folded(record: bytes) -> bytes:
    """Return a record with its owner in lower case."""
    at = _name_end(record, 0)
    return record[:at].lower() + record[at:]


def _serial(octets: bytes) -> int:
    """Return the serial of the SOA that comes first."""
    at = _name_end(octets, 0)
    end = at + RR.size + RR.unpack_from(octets, at)[3]
    return int.from_bytes(octets[at:end][_SERIAL])


def _owners(octets: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at < len(octets):
        end = _name_end(octets, at)
        rtype, _, _, size = RR.unpack_from(octets, end)
        yield octets[at:end].lower(), rtype
        at = end + RR.size + size


def _name_end(octets: bytes, at: int) -> int:
    while octets[at]:
        at += octets[at] + 1
    return at + 1
