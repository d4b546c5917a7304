# SPDX-License-Identifier: GPL-3.0-or-later
"""The room that zones are expected to take, before they are compiled."""

from collections.abc import Iterable
from typing import Final

from appliance.store import layout
from appliance.store.capacity import Capacity, index_bits
from appliance.store.store import Store
from appliance.zone import types
from appliance.zone.model import Zone
from appliance.zone.packed.size import weigh
from appliance.zone.packed.zone import PackedZone

LARGE: Final = 100_000
"""Names from which on a zone's answers share DS and its signature, and referrals of insecure cuts are composed.

It saves some 320 octets a signed cut. Its referral with DO takes 1.4 times as long: 786 instead of 614 ns in a zone of
53,000 delegations (quietest of 20 interleaved rounds), for four fragments instead of one.
"""

_CHAIN: Final = (400, 2000)
"""Octets of the answers that an alias has for each type at its chain's end, in an unsigned and in a signed zone."""

_BESIDE: Final = 64 << 20
"""Octets up to which there is room for a second version beside the first; larger zones move to a new store instead."""


def is_large(zone: Zone) -> bool:
    """Return whether a zone has enough names that octets are spared in their answers, at the price of some time."""
    return zone.how_many() >= LARGE


def expected_octets(zone: Zone) -> int:
    """Return about the octets of heap that one version of a zone takes."""
    if isinstance(zone, PackedZone):
        if zone.expected_octets:
            return zone.expected_octets
        proving = zone.scheme != "unsigned"
        table = 24 * len(zone.nsec3) if zone.scheme == "nsec3" else 40 * len(zone.nodes) if proving else 0
        denials = (len(zone.nsec3) or len(zone.nodes)) if proving and is_large(zone) else 0
        weight = int(weigh(zone.packed, bool(zone.signatures), proving, denials))
        ents = sum(map(len, zone.ents)) + (208 if proving else 48) * len(zone.ents)
        zone.expected_octets = 4096 + table + ents + weight
        return zone.expected_octets
    names = len(zone.nodes) + len(zone.ents)
    signed = 2 if zone.signatures else 1
    total = 2048 + names * (80 if signed == 1 else 240)
    for rrsets in zone.nodes.values():
        if types.CNAME in rrsets:
            total += _CHAIN[signed - 1]
        for rrset in rrsets.values():
            total += signed * (48 + sum(map(len, rrset.rdatas)) + 16 * len(rrset.rdatas))
    for found in zone.signatures.values():
        for rrset in found.values():
            total += 2 * (16 + sum(map(len, rrset.rdatas)))
    for rrset in zone.nsec3.values():
        total += 96 + sum(map(len, rrset.rdatas))
    return total


def capacity(zones: Iterable[Zone]) -> Capacity:
    """Return sizes with room for growth and for a second version of the largest zone that is not too large for that."""
    count = names = octets = largest = 0
    for zone in zones:
        size = expected_octets(zone)
        count += 1
        names += len(zone.nodes) + len(zone.ents) + 4
        octets += size
        if size <= _BESIDE:
            largest = max(largest, size)
    bits = index_bits(names)
    spare = min(octets // 4, _BESIDE) + octets // 16
    chunks = 2 + (octets + spare + largest + largest // 4) // (1 << 20)
    return Capacity(bits, chunks, max(16, count + count // 4))


def larger_than(store: Store, zone: Zone | None = None) -> Capacity:
    """Return the sizes of arrays with room for more than a full store has, and for one more version of a zone."""
    count = len(store.numbers)
    chunks = store.heap.chunks + store.heap.chunks // 4 + 2
    names = store.get("nodes")
    if zone is not None:
        octets = expected_octets(zone)
        chunks += (octets + octets // 4) // layout.HEAP_CHUNK
        names += len(zone.nodes) + len(zone.ents)
    bits = max(store.bucket_bits, index_bits(names + names // 4))
    return Capacity(bits, chunks, max(store.zone_slots, count + count // 4 + 16))
