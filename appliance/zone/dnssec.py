# SPDX-License-Identifier: GPL-3.0-or-later
"""What RRSIG and DNSKEY RDATA say (RFC 4034 §2 and §3), without any check of a signature."""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from appliance.zone import types
from appliance.zone.model import Zone

HEAD: Final = struct.Struct("!HBBIIIH")
_RSAMD5: Final = 1
_ZONE_KEY: Final = 0x0100


class Rrsig(NamedTuple):
    """The fields of one RRSIG before the signer's name."""

    covered: int
    algorithm: int
    labels: int
    original_ttl: int
    expiration: int
    inception: int
    key_tag: int


def read(rdata: bytes) -> Rrsig:
    """Return the fields of well-formed RRSIG RDATA."""
    return Rrsig(*HEAD.unpack_from(rdata))


def distance(moment: int, now: int) -> int:
    """Return the seconds by which a 32-bit time lies after `now`, in the arithmetic of RFC 4034 §3.1.5."""
    return ((moment - now + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def key_tag(rdata: bytes) -> int:
    """Return the key tag of DNSKEY RDATA (RFC 4034 appendix B)."""
    if rdata[3] == _RSAMD5:
        return int.from_bytes(rdata[-3:-1], "big")
    total = sum(rdata[0::2]) * 256 + sum(rdata[1::2])
    return (total + (total >> 16)) & 0xFFFF


@dataclass(frozen=True, slots=True)
class Keys:
    """Tag and algorithm of the keys at the apex that may sign the zone (RFC 4034 §2.1)."""

    known: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, zone: Zone) -> "Keys":
        """Return the keys of a zone; a revoked one still signs the DNSKEY RRset (RFC 5011 §2.1)."""
        rrset = zone.rrset(zone.origin, types.DNSKEY)
        return cls(
            frozenset((key_tag(rdata), rdata[3]) for rdata in (rrset.rdatas if rrset else ()) if may_sign(rdata))
        )


def may_sign(rdata: bytes) -> bool:
    """Return whether a DNSKEY is a zone key of protocol 3 (RFC 4034 §2.1)."""
    return bool(int.from_bytes(rdata[:2], "big") & _ZONE_KEY) and rdata[2] == 3
