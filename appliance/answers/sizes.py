# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a store must be for zones."""

from collections.abc import Iterable
from typing import NamedTuple

from appliance.answers.context import is_large
from appliance.zone import types
from appliance.zone.model import Zone
from appliance.zone.packed_zone import PackedZone
from appliance.zone.weighing import weigh

_LOAD = 5
"""Names per bucket of seven to plan with: some miss their first choice then, but a table twice the size has twice the
pages, and a page that the processor must look up costs more than a second probe (measured with 1,000,000 names)."""


_CHAIN = (400, 2000)
"""Octets of the answers that a CNAME's chain has for each type at its end, in an unsigned and in a signed zone."""


class Capacity(NamedTuple):
    """What to create a store with."""

    bucket_bits: int
    chunks: int
    zones: int

    def grown(self, times: int) -> "Capacity":
        """Return the sizes after so many attempts that were too small."""
        return self._replace(bucket_bits=self.bucket_bits + times, chunks=self.chunks << times)


def expected_octets(zone: Zone) -> int:
    """Return about how much heap one version of a zone takes."""
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


_BESIDE = 64 << 20
"""Octets up to which there is room for a second version beside the first; larger zones move to a new store instead."""


def index_bits(names: int) -> int:
    """Return the number of buckets, as a power of two, for so many names and a tenth more."""
    return max(8, ((names + names // 10) // _LOAD).bit_length())


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
