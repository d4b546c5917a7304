# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose questions from a zone, each with what the answer must be."""

from collections.abc import Iterator
from dataclasses import dataclass

from appliance.zone import names, types
from appliance.zone.model import RRset, Zone

UDP_LIMIT = 512
"""Octets of a UDP answer to a client without EDNS (RFC 1035 §4.2.1)."""

_HEADER = 12
_QUESTION = 4
_RECORD = 12  # a compressed owner name, type, class, TTL, RDATA length
_SMALL = 200  # octets of RDATA that surely fit, with everything around
_MISSING = b"\x11no-such-name-here"
_NAMELESS = (types.TXT, types.A, types.AAAA, types.DNSKEY)  # no names inside that compression could shorten
_PREFERRED = (types.A, types.AAAA, types.MX, types.TXT, types.SOA, types.NS)


@dataclass(frozen=True, slots=True)
class Question:
    """One question for dig and the answer it must get; `expected` are the RDATAs (wire) in the section that counts."""

    title: str
    qname: str
    qtype: str
    rcode: str
    section: str
    section_type: str
    expected: tuple[bytes, ...]
    authoritative: bool
    over_tcp: bool = False


def choose(zone: Zone) -> list[Question]:
    """Return a delegation, a positive answer, a missing name and a long answer, as far as the zone has them."""
    owners = sorted(_authoritative(zone), key=lambda owner: (owner == zone.origin, len(owner), owner))
    found = (_delegation(zone), _positive(zone, owners), _missing(zone, owners), _long(zone, owners))
    return [question for question in found if question is not None]


def _answer(title: str, owner: bytes, rrset: RRset, over_tcp: bool = False) -> Question:
    rtype = types.type_text(rrset.rtype)
    return Question(
        title, names.to_text(owner), rtype, "NOERROR", "ANSWER", rtype, tuple(rrset.rdatas), True, over_tcp=over_tcp
    )


def _delegation(zone: Zone) -> Question | None:
    """Ask below the cut whose referral is the shortest."""
    cuts = [(_size(zone.nodes[cut][types.NS]), cut) for cut in zone.delegations]
    if not cuts:
        return None
    _, cut = min(cuts)
    below = b"\x03www" + cut
    if len(below) > names.MAX_NAME:
        below = cut
    servers = tuple(zone.nodes[cut][types.NS].rdatas)
    return Question("a delegation", names.to_text(below), "A", "NOERROR", "AUTHORITY", "NS", servers, False)


def _positive(zone: Zone, owners: list[bytes]) -> Question | None:
    """Ask for the friendliest RRset: an address below the apex where there is one, else what the apex has."""
    for rtype in _PREFERRED:
        for owner in owners:
            rrset = zone.nodes[owner].get(rtype)
            if rrset is not None and _size(rrset) <= _SMALL and not names.is_wildcard(owner):
                return _answer("a positive answer", owner, rrset)
    return None


def _missing(zone: Zone, owners: list[bytes]) -> Question | None:
    """Ask for a name that neither exists nor is covered by a wildcard: below the apex, else deeper."""
    for parent in (zone.origin, *owners):
        name = _MISSING + parent
        taken = zone.exists(name) or zone.exists(names.wildcard_of(parent)) or parent in zone.dnames
        if len(name) <= names.MAX_NAME and not taken and not names.is_wildcard(parent):
            soa = (zone.soa.rdatas[0],)
            return Question("a missing name", names.to_text(name), "A", "NXDOMAIN", "AUTHORITY", "SOA", soa, True)
    return None


def _long(zone: Zone, owners: list[bytes]) -> Question | None:
    """Ask for an RRset that no UDP answer without EDNS can hold."""
    for owner in owners:
        for rrset in zone.nodes[owner].values():
            if rrset.rtype in _NAMELESS and _HEADER + len(owner) + _QUESTION + _size(rrset) > UDP_LIMIT:
                return _answer("too long for UDP", owner, rrset, over_tcp=True)
    return None


def _authoritative(zone: Zone) -> Iterator[bytes]:
    return (owner for owner in zone.nodes if zone.is_authoritative(owner) and types.CNAME not in zone.nodes[owner])


def _size(rrset: RRset) -> int:
    return sum(_RECORD + len(rdata) for rdata in rrset.rdatas)
