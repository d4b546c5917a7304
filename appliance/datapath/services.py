# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of addresses that the NIC path answers for: one probe, no collisions."""

from __future__ import annotations

import ipaddress
import random
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from appliance.errors import DatapathError
from appliance.store.layout import SERVICE_ANSWERED

SLOTS: Final = 256
MOST: Final = 64
"""Addresses: so few that a seed without collisions is found soon."""
ENTRY: Final = struct.Struct("<16sI12x")
_MASK64: Final = (1 << 64) - 1


def packed(address: str) -> bytes:
    """Write an address as 16 octets, IPv4 as ::ffff:a.b.c.d."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return bytes(10) + b"\xff\xff" + parsed.packed
    return parsed.packed


def slot_of(address: bytes, seed: int) -> int:
    """The slot of a packed address: the top octet of a multiplicative hash, as in `ebpf/address.h`."""
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
    if len(answered) > MOST:
        raise DatapathError(f"{len(answered)} service addresses; the NIC path takes at most {MOST}")
    beside = [address for address in dict.fromkeys(map(packed, others)) if address not in answered]
    wanted = sorted(answered) + beside[: MOST - len(answered)]
    source = random.Random(len(wanted))
    for _ in range(100_000):
        seed = source.getrandbits(64) | 1
        if len({slot_of(a, seed) for a in wanted}) == len(wanted):
            return seed
    raise DatapathError("no collision-free table for the service addresses")


def rewrite(table: memoryview, kinds: Mapping[str, int], seed: int) -> tuple[list[str], list[str]]:
    """Put these addresses into a table that is in use, each with its kind (not 0).

    Return those that it holds, and those that are to be answered for and have no slot: userspace answers there. They
    take the slots of addresses of other kinds. What stays is not touched. The program passes up what is for an address
    that is not in the table, so that every step between is right.
    """
    wanted = {packed(one): (one, kind) for one, kind in kinds.items()}
    held: dict[int, bytes] = {}
    for slot in range(SLOTS):
        key, kind = ENTRY.unpack_from(table, slot * ENTRY.size)
        if not kind:
            continue
        if key not in wanted:
            table[slot * ENTRY.size : (slot + 1) * ENTRY.size] = bytes(ENTRY.size)
            continue
        held[slot] = key
        if kind != wanted[key][1]:
            ENTRY.pack_into(table, slot * ENTRY.size, key, wanted[key][1])
    answered = {key for key, (_, kind) in wanted.items() if kind == SERVICE_ANSWERED}
    room = MOST - len(answered.intersection(held.values()))
    for key in sorted(wanted, key=lambda one: one not in answered):
        slot = slot_of(key, seed)
        own = key in answered
        if held.get(slot) == key or (slot in held and (not own or held[slot] in answered)) or (own and room <= 0):
            continue
        room -= own
        held[slot] = key
        ENTRY.pack_into(table, slot * ENTRY.size, key, wanted[key][1])
    placed = set(held.values())
    without = [one for key, (one, _) in wanted.items() if key in answered and key not in placed]
    return [one for key, (one, _) in wanted.items() if key in placed], without
