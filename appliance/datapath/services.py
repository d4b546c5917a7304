# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of addresses that the NIC path answers for: one probe, no collisions."""

from __future__ import annotations

import ipaddress
import random
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from appliance.errors import DatapathError

SLOTS: Final = 256
ENTRY: Final = struct.Struct("<16sI12x")
_MASK64: Final = (1 << 64) - 1


def packed(address: str) -> bytes:
    """Write an address as 16 octets, IPv4 as ::ffff:a.b.c.d."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return bytes(10) + b"\xff\xff" + parsed.packed
    return parsed.packed


def slot_of(address: bytes, seed: int) -> int:
    """The slot of a packed address: the top octet of a multiplicative hash, as in `ebpf/packet.h`."""
    high, low = struct.unpack("<QQ", address)
    slot: int = (((high ^ low) * seed) & _MASK64) >> 56
    return slot


def present(addresses: Iterable[str], seed: int) -> int:
    """Return 32 bits: bit n is set when an address has a slot that starts with n (`port.services`)."""
    bits = 0
    for address in addresses:
        bits |= 1 << (slot_of(packed(address), seed) >> 3)
    return bits


def find_seed(addresses: Iterable[str]) -> int:
    """Find a multiplier that gives each address a slot of its own."""
    wanted = sorted({packed(a) for a in addresses})
    if len(wanted) > 64:
        raise DatapathError(f"{len(wanted)} service addresses; the NIC path takes at most 64")
    source = random.Random(len(wanted))
    for _ in range(100_000):
        seed = source.getrandbits(64) | 1
        if len({slot_of(a, seed) for a in wanted}) == len(wanted):
            return seed
    raise DatapathError("no collision-free table for the service addresses")


def table(addresses: Sequence[str], seed: int) -> bytes:
    """The whole `services` array."""
    rows = bytearray(SLOTS * ENTRY.size)
    for address in addresses:
        key = packed(address)
        ENTRY.pack_into(rows, slot_of(key, seed) * ENTRY.size, key, 1)
    return bytes(rows)
