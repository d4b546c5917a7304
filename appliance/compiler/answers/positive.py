# SPDX-License-Identifier: GPL-3.0-or-later
"""Positive answers of every type, with the addresses that the asker will want next."""

import struct
from typing import Final

from appliance.compiler.answers.assemble import AA, MAX_ANSWER, Group, Sections, build, too_long
from appliance.compiler.answers.chains import beside
from appliance.compiler.context import Context, exact_body, signed_rrs
from appliance.compiler.writer import Answer, Entry
from appliance.store import rdata_names
from appliance.store.fragments import Body, encode
from appliance.store.layout import ANSWER
from appliance.store.verdict_names import KIND
from appliance.zone import types
from appliance.zone.model import RRset, Zone

MOST_ADDED: Final = 64
"""Records of an address RRset, its signatures among them, up to which it is added to what other owners say."""

_FIXED: Final = struct.Struct(">HHHIH")
_POSITIVE: Final = KIND["positive"]


_KINDS = {types.DNSKEY: KIND["dnskey"], types.DNAME: KIND["dname"]}


def kind_of(rtype: int) -> int:
    """Return the kind of a positive answer; DNSKEY has its own, being a favourite of amplifiers, and so has DNAME."""
    return _KINDS.get(rtype, _POSITIVE)


def plain(rrsets: list[RRset], base_len: int, kind: int) -> bytes:
    """Return the answer of RRsets without names to compress in their RDATA, for the question name as their owner."""
    octets = b"".join(
        [
            _FIXED.pack(0xC00C, rrset.rtype, 1, rrset.ttl, len(rdata)) + rdata
            for rrset in rrsets
            for rdata in rrset.rdatas
        ]
    )
    if len(octets) > MAX_ANSWER:
        return too_long(AA)
    count = sum([len(rrset.rdatas) for rrset in rrsets])
    head = ANSWER.pack(AA, count, 0, 0, len(octets), 1, kind, 0, 0, 0, 0, 0)
    return head + encode(octets, [], base_len, count)


def is_plain(rtype: int) -> bool:
    """Return whether `plain` does for RRsets of a type."""
    return rtype not in rdata_names.COMPRESSIBLE and not rdata_names.has_targets(rtype)


def addresses(zone: Zone, name: bytes, dnssec: bool, required: bool = False) -> list[Group]:
    """Return the address RRsets that the zone has for a name, glue or authoritative, these with their signatures.

    Unless they are required, RRsets of more than MOST_ADDED records are left out: each of many owners that name them
    would have a copy.
    """
    found = zone.addresses(name) if zone.contains(name) else []
    if not found or zone.dname_for(name):
        return []
    sign = dnssec and zone.is_authoritative(name)
    signatures = zone.signatures.get(name, {}) if sign else {}
    return [
        Group(signed_rrs(zone, name, name, rrset, sign), required)
        for rrset in found
        if required or _how_many(rrset) + _how_many(signatures.get(rrset.rtype)) <= MOST_ADDED
    ]


def _how_many(rrset: RRset | None) -> int:
    return len(rrset.rdatas) if rrset else 0


def additional(zone: Zone, rrset: RRset, owner: bytes, dnssec: bool) -> list[Group]:
    """Return the optional addresses for the names in an RRset."""
    if not rdata_names.has_targets(rrset.rtype):
        return []
    return [
        group
        for target in rdata_names.targets(rrset.rtype, rrset.rdatas, owner)
        for group in addresses(zone, target, dnssec)
    ]


def exact(context: Context, owner: bytes, rrset: RRset, dnssec: bool) -> Answer:
    """Return the answer for an RRset asked for by its exact owner."""
    zone = context.zone
    if is_plain(rrset.rtype):
        signature = zone.signatures.get(owner, {}).get(rrset.rtype) if dnssec else None
        return plain([rrset, signature] if signature else [rrset], len(owner), kind_of(rrset.rtype))
    sections = Sections(kind_of(rrset.rtype), answer=signed_rrs(zone, owner, owner, rrset, dnssec))
    sections.additional = additional(zone, rrset, owner, dnssec)
    return build(context.writer, exact_body(owner), sections)


def expanded(context: Context, body: Body, wildcard: bytes, rrset: RRset, dnssec: bool) -> Answer:
    """Return the answer that a wildcard's RRset gives for names it stands for (RFC 4592 §3.3.1)."""
    zone = context.zone
    sections = Sections(KIND["wildcard"], answer=signed_rrs(zone, wildcard, None, rrset, dnssec))
    if dnssec and zone.scheme != "unsigned":
        sections.denial = 2
    else:
        sections.additional = additional(zone, rrset, wildcard, dnssec)
    return build(context.writer, body, sections)


def rrsig_entry(context: Context, owner: bytes) -> list[Entry]:
    """Return the entry for QTYPE RRSIG: the signatures of the RRset that ANY gives (RFC 8482 §7), if there are any."""
    rrset = beside(context.zone, owner, types.RRSIG)
    return [(types.RRSIG, plain([rrset], len(owner), _POSITIVE), 0)] if rrset else []


def needs_own(context: Context, owner: bytes, rrset: RRset) -> bool:
    """Return whether the answer with DO set differs from the one without."""
    if not context.signed:
        return False
    if rrset.rtype in context.zone.signatures.get(owner, {}):
        return True
    return rdata_names.has_targets(rrset.rtype) and any(
        group.rrs[-1][1] == types.RRSIG for group in additional(context.zone, rrset, owner, True)
    )
