# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of RDATA in uncompressed wire form: is it well formed, and where are the names in it."""

from collections.abc import Iterable, Iterator

from appliance.errors import WireError
from appliance.zone import names, types

# Fields of the types that have an inner structure: a number is that many octets, "name" a domain name, "text" one
# character-string, "texts" one or more of them to the end, "bitmap" a type bitmap (RFC 4034 §4.1.2), "rest" anything.
# What is not listed is opaque (RFC 3597 §3).
LAYOUTS: dict[int, tuple[int | str, ...]] = {
    types.A: (4,),
    types.NS: ("name",),
    types.MD: ("name",),
    types.MF: ("name",),
    types.CNAME: ("name",),
    types.SOA: ("name", "name", 20),
    types.MB: ("name",),
    types.MG: ("name",),
    types.MR: ("name",),
    types.PTR: ("name",),
    types.HINFO: ("text", "text"),
    types.MINFO: ("name", "name"),
    types.MX: (2, "name"),
    types.TXT: ("texts",),
    types.RP: ("name", "name"),
    types.AFSDB: (2, "name"),
    types.RT: (2, "name"),
    types.SIG: (18, "name", "rest"),
    types.PX: (2, "name", "name"),
    types.AAAA: (16,),
    types.LOC: (16,),
    types.SRV: (6, "name"),
    types.NAPTR: (4, "text", "text", "text", "name"),
    types.KX: (2, "name"),
    types.DNAME: ("name",),
    types.DS: (4, "rest"),
    types.SSHFP: (2, "rest"),
    types.RRSIG: (18, "name", "rest"),
    types.NSEC: ("name", "bitmap"),
    types.DNSKEY: (4, "rest"),
    types.NSEC3: (4, "text", "text", "bitmap"),
    types.NSEC3PARAM: (4, "text"),
    types.TLSA: (3, "rest"),
    types.SMIMEA: (3, "rest"),
    types.CDS: (4, "rest"),
    types.CDNSKEY: (4, "rest"),
    types.CSYNC: (6, "bitmap"),
    types.ZONEMD: (6, "rest"),
    types.SVCB: (2, "name", "rest"),
    types.HTTPS: (2, "name", "rest"),
    types.SPF: ("texts",),
    types.NID: (10,),
    types.L32: (6,),
    types.L64: (10,),
    types.LP: (2, "name"),
    types.EUI48: (6,),
    types.EUI64: (8,),
    types.URI: (4, "rest"),
    types.CAA: (1, "text", "rest"),
}

# Types whose names compare without regard to case (RFC 4034 §6.2 with RFC 6840 §5.1).
_FOLDED = frozenset(rtype for rtype, layout in LAYOUTS.items() if "name" in layout) - {
    types.NSEC,
    types.LP,
    types.SVCB,
    types.HTTPS,
}


def check(rtype: int, rdata: bytes) -> None:
    """Raise WireError where RDATA is not what its type prescribes; it may have come as octets (RFC 3597 §5)."""
    end = max(end for _, end in _fields(rtype, rdata))
    if rtype in LAYOUTS and end != len(rdata):
        raise WireError(f"the RDATA has {len(rdata) - end} octets too many")


def names_in(rtype: int, rdata: bytes) -> list[bytes]:
    """Return the names in well-formed RDATA, their case kept, in order."""
    if "name" not in LAYOUTS.get(rtype, ()):
        return []
    found = []
    at = 0
    for field, end in _fields(rtype, rdata):
        if field == "name":
            found.append(rdata[at:end])
        at = end
    return found


def fold(rtype: int, rdata: bytes) -> bytes:
    """Return well-formed RDATA with its names in lower case: equal for equal records (RFC 4034 §6.2)."""
    if rtype not in _FOLDED:
        return rdata
    folded = bytearray()
    for field, end in _fields(rtype, rdata):
        part = rdata[len(folded) : end]
        folded += part.lower() if field == "name" else part
    return bytes(folded)


def _fields(rtype: int, rdata: bytes) -> Iterator[tuple[int | str, int]]:
    """Yield each field of the type's layout with the offset behind it."""
    at = 0
    for field in LAYOUTS.get(rtype, ("rest",)):
        if isinstance(field, int):
            at += field
        elif field == "name":
            at = names.read(rdata, at)[1]
        elif field == "text":
            at = _text_end(rdata, at)
        elif field == "texts":
            at = _text_end(rdata, at)
            while at < len(rdata):
                at = _text_end(rdata, at)
        elif field == "bitmap":
            at = _bitmap_end(rdata, at)
        else:
            at = max(at, len(rdata))
        if at > len(rdata):
            raise WireError(f"the RDATA ends after {len(rdata)} octets, in the middle of a field")
        yield field, at


def _text_end(rdata: bytes, at: int) -> int:
    if at >= len(rdata):
        raise WireError(f"a character-string is missing after {len(rdata)} octets")
    return at + 1 + rdata[at]


def _bitmap_end(rdata: bytes, at: int) -> int:
    before = -1
    while at < len(rdata):
        window, length = rdata[at], rdata[at + 1] if at + 1 < len(rdata) else 0
        if window <= before or not 1 <= length <= 32:
            raise WireError(f"the type bitmap is damaged at octet {at}")
        before = window
        at += 2 + length
    return at


def bitmap_types(bitmap: bytes) -> set[int]:
    """Return the types in a type bitmap (RFC 4034 §4.1.2)."""
    found: set[int] = set()
    at = 0
    while at < len(bitmap):
        window, length = bitmap[at], bitmap[at + 1]
        for place, octet in enumerate(bitmap[at + 2 : at + 2 + length]):
            found.update(window * 256 + place * 8 + bit for bit in range(8) if octet & (0x80 >> bit))
        at += 2 + length
    return found


def bitmap(found: Iterable[int]) -> bytes:
    """Return the type bitmap of these types."""
    windows: dict[int, bytearray] = {}
    for rtype in sorted(found):
        window = windows.setdefault(rtype >> 8, bytearray())
        octet = (rtype & 255) >> 3
        window.extend(bytes(max(0, octet + 1 - len(window))))
        window[octet] |= 0x80 >> (rtype & 7)
    return b"".join([bytes((number, len(window))) + window for number, window in windows.items()])
