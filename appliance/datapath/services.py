# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of addresses that the NIC path answers for: one probe, no collisions."""

from __future__ import annotations

import ipaddress
import random
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from appliance.errors import DatapathError

SLOTS: Final = 256
ENTRY: Final = struct.Struct("<16sI12x")
_ADDRESSES_MAX: Final = 64
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


def find_seed(addresses: Iterable[str], others: Iterable[str] = ()) -> int:
    """Find a multiplier that gives each address a slot of its own, and as many others as there is room for."""
    answered = {packed(a) for a in addresses}
    if len(answered) > _ADDRESSES_MAX:
        raise DatapathError(f"{len(answered)} service addresses; the NIC path takes at most {_ADDRESSES_MAX}")
    beside = [address for address in dict.fromkeys(map(packed, others)) if address not in answered]
    wanted = sorted(answered) + beside[: _ADDRESSES_MAX - len(answered)]
    source = random.Random(len(wanted))
    for _ in range(100_000):
        seed = source.getrandbits(64) | 1
        if len({slot_of(a, seed) for a in wanted}) == len(wanted):
            return seed
    raise DatapathError("no collision-free table for the service addresses")


def table(kinds: Mapping[str, int], seed: int) -> bytes:
    """The whole `services` array: what is known of each address. Of two that share a slot the first one stays."""
    rows = bytearray(SLOTS * ENTRY.size)
    for address, kind in kinds.items():
        key = packed(address)
        at = slot_of(key, seed) * ENTRY.size
        if not any(rows[at : at + ENTRY.size]):
            ENTRY.pack_into(rows, at, key, kind)
    return bytes(rows)
