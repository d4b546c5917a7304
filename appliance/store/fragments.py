# SPDX-License-Identifier: GPL-3.0-or-later
"""RRs to octets: name compression, the pointers that move with the question name, sums (docs/store-format.md)."""

import struct

from appliance.store import rdata_names
from appliance.store.layout import FRAGMENT, MOVES_MAX, RELOCATIONS_A_TURN

RR = tuple[bytes | None, int, int, bytes]
"""Owner (None: the question name itself), type, TTL, uncompressed RDATA."""

_POINTER = struct.Struct(">H")
_FIXED = struct.Struct(">HHIH")
_QUESTION_NAME = b"\xc0\x0c"


def question_places(base: bytes) -> dict[bytes, int]:
    """Return where each suffix of a folded name stands in a question for exactly that name."""
    found = {}
    at = 0
    while length := base[at]:
        found[base[at:]] = 12 + at
        at += length + 1
    return found


class Body:
    """RRs as they stand behind a question for exactly the base name.

    moves holds (offset, value) of each pointer into the question or the body itself: they move by the number of octets
    that the real question name is longer. With fixed set there are none, because only the exact name is ever asked. A
    body that is not the first of its message has no place of its own: it points only to the places it is given.
    """

    __slots__ = ("base_len", "first", "fixed", "limit", "moves", "octets", "places", "records", "start")

    def __init__(self, base_len: int, places: dict[bytes, int], *, fixed: bool = False, first: bool = True) -> None:
        """Start empty; places is changed when first is set."""
        self.base_len = base_len
        self.places = places
        self.fixed = fixed
        self.first = first
        self.octets = bytearray()
        self.moves: list[tuple[int, int]] = []
        self.records = 0
        self.start = 12 + base_len + 4
        self.limit = 0x4000 - (255 - base_len)

    def name(self, wire: bytes) -> None:
        """Append a name, compressed against what stands there already; its case is kept."""
        octets, places = self.octets, self.places
        folded = wire.lower()
        at = 0
        while length := wire[at]:
            place = places.get(folded[at:])
            if place is not None and (self.fixed or len(self.moves) < MOVES_MAX):
                if not self.fixed:
                    self.moves.append((len(octets), 0xC000 | place))
                octets += _POINTER.pack(0xC000 | place)
                return
            if self.first and place is None:
                here = self.start + len(octets)
                if here < self.limit:
                    places[folded[at:]] = here
            octets += wire[at : at + length + 1]
            at += length + 1
        octets.append(0)

    def rr(self, owner: bytes | None, rtype: int, ttl: int, rdata: bytes) -> None:
        """Append a record of class IN."""
        octets = self.octets
        if owner is None:
            octets += _QUESTION_NAME
        else:
            self.name(owner)
        self.records += 1
        shape = rdata_names.COMPRESSIBLE.get(rtype)
        octets += _FIXED.pack(rtype, 1, ttl, len(rdata))
        if shape is None:
            octets += rdata
            return
        begin = len(octets)
        at, count = shape
        octets += rdata[:at]
        for _ in range(count):
            end = rdata_names.name_end(rdata, at)
            self.name(rdata[at:end])
            at = end
        octets += rdata[at:]
        _POINTER.pack_into(octets, begin - 2, len(octets) - begin)

    def extend(self, rrs: list[RR]) -> None:
        """Append records."""
        for owner, rtype, ttl, rdata in rrs:
            self.rr(owner, rtype, ttl, rdata)

    def encode(self, length: int | None = None, moves: int | None = None, records: int | None = None) -> bytes:
        """Return the fragment of everything, or of the first `length` octets, `moves` moves and `records` records."""
        octets = self.octets if length is None else self.octets[:length]
        moved = self.moves if moves is None else self.moves[:moves]
        return encode(octets, moved, self.base_len, self.records if records is None else records)


def octet_sum(octets: bytes | bytearray) -> int:
    """Return the sum of big-endian 16-bit words mod 65535, the last one padded with zero."""
    total = int.from_bytes(octets, "big")  # 65536 is 1 mod 65535: the number is congruent to the sum of its words
    return (total << 8 if len(octets) & 1 else total) % 65535


def encode(octets: bytes | bytearray, moves: list[tuple[int, int]], base_len: int, records: int) -> bytes:
    """Return a fragment: header, relocations, octets.

    The last relocation is repeated until there is a multiple of those that the program moves in a turn.
    """
    filled = moves + moves[-1:] * (-len(moves) % RELOCATIONS_A_TURN)
    head = FRAGMENT.pack(
        len(octets), octet_sum(octets), weight(moves) % 65535, len(filled), base_len, min(records, 255)
    )
    if not moves:
        return head + octets
    flat = [number for move in filled for number in move]
    return head + struct.pack(f"<{len(flat)}H", *flat) + octets


def weight(moves: list[tuple[int, int]]) -> int:
    """Return how much the sum of a fragment grows when each of its pointers grows by one."""
    return sum(256 if offset & 1 else 1 for offset, _ in moves)
