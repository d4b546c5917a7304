# SPDX-License-Identifier: GPL-3.0-or-later
"""An earlier version of a zone from a later one: the steps between them, taken back."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from appliance.errors import StateError
from appliance.zone import types
from appliance.zone.diff.layout import NAME, NAME_SIZE, RECORD, RECORD_SIZE, RR, RR_SIZE

_SERIAL_AT: Final = -20
_SERIAL_END: Final = -16
"""Of an SOA's RDATA, which ends with five numbers (RFC 1035 §3.3.13)."""

Row = tuple[int, int, bytes]
"""Type, TTL and RDATA of a record."""


class Earlier:
    """What is taken back from the newest version on, by folded owner."""

    def __init__(self, origin: bytes) -> None:
        """Take nothing back yet."""
        self._origin = origin
        self._rows: dict[bytes, dict[Row, bool]] = {}
        """The records that come (True) and go."""
        self._spelt: dict[bytes, bytes] = {}

    def take_back(self, removed: bytes, added: bytes) -> None:
        """Take back the step before those that were; both are lists as the journal has them."""
        for owner, row in rows_of(added):
            self._note(owner, row, comes=False)
        for owner, row in rows_of(removed):
            self._note(owner, row, comes=True)

    def _note(self, owner: bytes, row: Row, *, comes: bool) -> None:
        folded = owner.lower()
        self._spelt[folded] = owner
        rows = self._rows.setdefault(folded, {})
        if rows.get(row, comes) != comes:
            del rows[row]
        else:
            rows[row] = comes

    def with_serial(self, serial: int) -> None:
        """Give the earlier version another serial than it had."""
        rows = self._rows.get(self._origin, {})
        for row, comes in list(rows.items()):
            rtype, ttl, rdata = row
            if rtype == types.SOA and comes:
                del rows[row]
                rows[rtype, ttl, rdata[:_SERIAL_AT] + serial.to_bytes(4, "big") + rdata[_SERIAL_END:]] = True

    def listing(self, listing: memoryview) -> bytes:
        """Return the earlier version's listing, given that of the newest. Raises StateError where they do not fit."""
        starts = list(_starts(listing))
        edits: list[tuple[int, int, bytes]] = []
        for folded, rows in self._rows.items():
            if not rows:
                continue
            place = bisect_left(starts, order(folded), key=lambda at: order(_owner(listing, at)))
            at = starts[place] if place < len(starts) else len(listing)
            if place < len(starts) and _owner(listing, at) == folded:
                edits.append((at, at + NAME.unpack_from(listing, at)[0], self._block(folded, _rows_at(listing, at))))
            else:
                edits.append((at, at, self._block(folded, (self._spelt[folded], []))))
        return b"".join(_edited(listing, _in_order(edits)))

    def _block(self, folded: bytes, block: tuple[bytes, list[Row]]) -> bytes:
        """Return the block of a name with what comes and without what goes; nothing where no record is left."""
        owner, known = block
        rows = set(known)
        for row, comes in self._rows[folded].items():
            if (row in rows) == comes:
                raise StateError("what is kept of a zone and the steps of its journal do not fit")
            (rows.add if comes else rows.remove)(row)
        if not rows:
            return b""
        parts = [
            RECORD.pack(rtype, ttl, len(rdata)) + rdata
            for rtype, ttl, rdata in sorted(rows, key=lambda row: (row[0], row[2]))
        ]
        body = owner + b"".join(parts)
        return NAME.pack(NAME_SIZE + len(body), len(parts), len(owner)) + body


def rows_of(octets: bytes) -> Iterator[tuple[bytes, Row]]:
    """Yield owner and row of each record of a list as the journal has it."""
    at = 0
    while at < len(octets):
        end = at
        while octets[end]:
            end += octets[end] + 1
        end += 1
        rtype, _, ttl, size = RR.unpack_from(octets, end)
        to = end + RR_SIZE + size
        yield octets[at:end], (rtype, ttl, octets[end + RR_SIZE : to])
        at = to


def blocks(listing: memoryview) -> Iterator[tuple[bytes, list[Row]]]:
    """Yield owner and records of each name of a listing, in canonical order."""
    for at in _starts(listing):
        yield _rows_at(listing, at)


def order(folded: bytes) -> list[bytes]:
    """Return what sorts names as RFC 4034 §6.1 has it."""
    labels = []
    at = 0
    while length := folded[at]:
        at += 1
        labels.append(folded[at : at + length])
        at += length
    return labels[::-1]


def _starts(listing: memoryview) -> Iterator[int]:
    at = 0
    while at < len(listing):
        yield at
        at += NAME.unpack_from(listing, at)[0]


def _owner(listing: memoryview, at: int) -> bytes:
    _, _, length = NAME.unpack_from(listing, at)
    start = at + NAME_SIZE
    return bytes(listing[start : start + length]).lower()


def _rows_at(listing: memoryview, at: int) -> tuple[bytes, list[Row]]:
    _, count, length = NAME.unpack_from(listing, at)
    at += NAME_SIZE
    owner = bytes(listing[at : at + length])
    at += length
    rows = []
    for _ in range(count):
        rtype, ttl, size = RECORD.unpack_from(listing, at)
        at += RECORD_SIZE
        rows.append((rtype, ttl, bytes(listing[at : at + size])))
        at += size
    return owner, rows


def _in_order(edits: Iterable[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Bring names that come at one place into their order, before the name that stands there."""

    def key(edit: tuple[int, int, bytes]) -> tuple[int, bool, list[bytes]]:
        at, end, block = edit
        return at, end != at, order(_owner(memoryview(block), 0)) if block else []

    return sorted(edits, key=key)


def _edited(listing: memoryview, edits: Iterable[tuple[int, int, bytes]]) -> Iterator[bytes | memoryview]:
    done = 0
    for at, end, block in edits:
        yield listing[done:at]
        yield block
        done = end
    yield listing[done:]
