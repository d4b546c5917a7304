# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone as a master file (RFC 1035 §5): SOA first, then each name in canonical order, each RRset together."""

import socket
from collections.abc import Callable, Iterator
from typing import Final

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from appliance.zone import names, types
from appliance.zone.diff.earlier import Row, blocks
from appliance.zone.diff.listing import Listing
from appliance.zone.packed.zone import PackedZone

_NAMED: Final = frozenset({types.NS, types.CNAME, types.DNAME, types.PTR})
"""Types whose RDATA is one name."""
_SPELT: Final = frozenset(
    {
        types.SOA, types.HINFO, types.MX, types.TXT, types.RP, types.AFSDB, types.LOC, types.SRV, types.NAPTR, types.KX,
        types.DS, types.SSHFP, types.RRSIG, types.NSEC, types.DNSKEY, types.NSEC3, types.NSEC3PARAM, types.TLSA,
        types.SMIMEA, types.CDS, types.CDNSKEY, types.CSYNC, types.ZONEMD, types.SVCB, types.HTTPS, types.SPF,
        types.EUI48, types.EUI64, types.URI, types.CAA,
    }
)  # fmt: skip
"""Types that all loaders read as dnspython writes them; others are written as octets (RFC 3597 §5)."""

Spell = Callable[[int, bytes], str]


def lines(zone: PackedZone, *, plainly: bool = False) -> Iterator[str]:
    """Yield the lines of a zone's master file; `plainly` writes the octets of all but the simplest RDATA."""
    spell = _as_octets if plainly else _spelt
    yield f"$ORIGIN {names.to_text(zone.origin)}\n"
    for piece in Listing(zone.packed):
        for owner, rows in blocks(piece):
            if owner.lower() == zone.origin:
                rows.sort(key=lambda row: row[0] != types.SOA)
            yield from _of_name(_relative(owner, zone.origin), rows, spell)


def _of_name(owner: str, rows: list[Row], spell: Spell) -> Iterator[str]:
    for rtype, ttl, rdata in rows:
        yield f"{owner}\t{ttl}\tIN\t{_type(rtype)}\t{spell(rtype, rdata)}\n"
        owner = ""


def _relative(owner: bytes, origin: bytes) -> str:
    """Return an owner as it stands below $ORIGIN."""
    if len(owner) == len(origin):
        return "@"
    if origin == names.ROOT:
        return names.to_text(owner)
    return names.to_text(owner[: -len(origin)] + names.ROOT)[:-1]


def _type(rtype: int) -> str:
    known = rtype in _SPELT or rtype in _NAMED or rtype in (types.A, types.AAAA)
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype)) if known else f"TYPE{rtype}"


def _spelt(rtype: int, rdata: bytes) -> str:
    """Return RDATA as people read it."""
    if rtype == types.A and len(rdata) == 4:
        return socket.inet_ntop(socket.AF_INET, rdata)
    if rtype == types.AAAA and len(rdata) == 16:
        return socket.inet_ntop(socket.AF_INET6, rdata)
    if rtype in _NAMED:
        return names.to_text(rdata)
    if rtype in _SPELT:
        try:
            return _by_dnspython(rtype, rdata)
        except (dns.exception.DNSException, ValueError):
            return _as_octets(rtype, rdata)
    return _as_octets(rtype, rdata)


def _as_octets(rtype: int, rdata: bytes) -> str:
    """Return RDATA as octets, but for the types that any loader wants to see; never for the SOA, which comes first."""
    if rtype == types.SOA:
        return _by_dnspython(rtype, rdata)
    return f"\\# {len(rdata)} {rdata.hex()}".rstrip()


def _by_dnspython(rtype: int, rdata: bytes) -> str:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), rdata, 0, len(rdata)).to_text()
