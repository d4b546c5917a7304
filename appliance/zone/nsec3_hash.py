# SPDX-License-Identifier: GPL-3.0-or-later
"""NSEC3 hashes (RFC 5155 §5): of single names, and those of a zone, sorted."""

import base64
import binascii
from bisect import bisect_right
from functools import lru_cache
from typing import Final

from appliance.zone import types
from appliance.zone.model import Zone
from appliance.zone.packed.nsec3 import Hasher

Parameters = tuple[int, bytes]
"""Additional iterations, salt."""

_BLOCK: Final = 64
_DIGEST_AND_PADDING: Final = 20 + 9


def parameters(zone: Zone) -> Parameters:
    """Return the parameters of the zone's chain, from NSEC3PARAM; of several, those the NSEC3 RRs have."""
    used = {rdata[2 : 5 + rdata[4]] for rrset in zone.nsec3.values() for rdata in rrset.rdatas}
    rrset = zone.nodes[zone.origin][types.NSEC3PARAM]
    rdata = next((rdata for rdata in rrset.rdatas if rdata[2 : 5 + rdata[4]] in used), rrset.rdatas[0])
    return int.from_bytes(rdata[2:4], "big"), rdata[5 : 5 + rdata[4]]


def digest(name: bytes, chosen: Parameters) -> bytes:
    """Return the hash of a name."""
    return _hasher(*chosen).digest(name)


@lru_cache(maxsize=64)
def _hasher(iterations: int, salt: bytes) -> Hasher:
    """Return what computes hashes; its digest() is one step of the interpreter, so threads can share it."""
    return Hasher(iterations, salt)


def cost(chosen: Parameters) -> int:
    """Return how many blocks of SHA-1 the additional iterations of one hash take."""
    iterations, salt = chosen
    return iterations * -(-(_DIGEST_AND_PADDING + len(salt)) // _BLOCK)


def table(zone: Zone, chosen: Parameters) -> tuple[list[bytes], list[bytes]]:
    """Return the hashes of the chain in order, and the owners they stand for."""
    iterations, salt = chosen
    wanted = iterations.to_bytes(2, "big") + bytes((len(salt),)) + salt
    pairs = []
    for owner, rrset in zone.nsec3.items():
        if rrset.rdatas[0][2 : 5 + rrset.rdatas[0][4]] != wanted:
            continue
        try:
            pairs.append((base64.b32hexdecode(owner[1 : 1 + owner[0]].upper()), owner))
        except binascii.Error:
            continue  # no hash: such a record proves nothing
    pairs.sort()
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def place(hashes: list[bytes], wanted: bytes) -> tuple[int, bool]:
    """Return the place of a hash, or of the one before it around the circle, and whether it is there."""
    at = bisect_right(hashes, wanted) - 1
    if at < 0:
        return len(hashes) - 1, False
    return at, hashes[at] == wanted
