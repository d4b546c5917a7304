# SPDX-License-Identifier: GPL-3.0-or-later
"""Positive answers of every type, with the addresses that the asker will want next."""

import struct
from typing import Final

from appliance.answers import rdata as rdata_names
from appliance.answers.assemble import AA, MAX_ANSWER, Group, Sections, build
from appliance.answers.context import Context, exact_body, preference, rrset_rrs, signed_rrs
from appliance.answers.fragments import RR, Body, encode
from appliance.answers.layout import ANSWER, KIND
from appliance.answers.writer import Answer, Entry
from appliance.zone import types
from appliance.zone.model import RRset, Zone

_FIXED: Final = struct.Struct(">HHHIH")
_POSITIVE: Final = KIND["positive"]


_KINDS = {types.DNSKEY: KIND["dnskey"], types.DNAME: KIND["dname"]}


def kind_of(rtype: int) -> int:
    """Return the kind of a positive answer; DNSKEY has its own, being a favourite of amplifiers, and so has DNAME."""
    return _KINDS.get(rtype, _POSITIVE)


def plain(rrset: RRset, base_len: int, kind: int) -> bytes:
    """Return the answer of an RRset without names in its RDATA, for the question name as its owner."""
    rtype, ttl = rrset.rtype, rrset.ttl
    octets = b"".join([_FIXED.pack(0xC00C, rtype, 1, ttl, len(rdata)) + rdata for rdata in rrset.rdatas])
    count = len(rrset.rdatas)
    return ANSWER.pack(AA, count, 0, 0, len(octets), 1, kind, 0, 0, 0, 0, 0) + encode(octets, [], base_len, count)


def is_plain(rrset: RRset) -> bool:
    """Tell whether `plain` does for an RRset."""
    rtype = rrset.rtype
    if rtype in rdata_names.COMPRESSIBLE or rdata_names.has_targets(rtype):
        return False
    return rtype in (types.A, types.AAAA) or sum(map(len, rrset.rdatas)) + 12 * len(rrset.rdatas) <= MAX_ANSWER


def addresses(zone: Zone, name: bytes, dnssec: bool, required: bool = False) -> list[Group]:
    """Return the address RRsets that the zone has for a name, glue or authoritative, these with their signatures."""
    found = zone.addresses(name) if zone.contains(name) else []
    if not found or zone.dname_for(name):
        return []
    sign = dnssec and zone.is_authoritative(name)
    return [Group(signed_rrs(zone, name, name, rrset, sign), required) for rrset in found]


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
    if not dnssec and is_plain(rrset):
        return plain(rrset, len(owner), kind_of(rrset.rtype))
    zone = context.zone
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


def rrsig_rrs(zone: Zone, owner: bytes, shown: bytes | None) -> list[RR]:
    """Return the signatures of one RRset of an owner, the one that ANY gives: for QTYPE RRSIG (RFC 8482 §7)."""
    signatures = zone.signatures.get(owner)
    if not signatures:
        return []
    return rrset_rrs(shown, signatures[min(signatures, key=preference)])


def rrsig_entry(context: Context, owner: bytes) -> list[Entry]:
    """Return the entry for QTYPE RRSIG, if the owner has signatures."""
    rrs = rrsig_rrs(context.zone, owner, owner)
    if not rrs:
        return []
    answer = build(context.writer, exact_body(owner), Sections(_POSITIVE, answer=rrs))
    return [(types.RRSIG, context.writer.refer(answer), 0)]


def needs_own(context: Context, owner: bytes, rrset: RRset) -> bool:
    """Tell whether the answer with DO set differs from the one without."""
    if not context.signed:
        return False
    if rrset.rtype in context.zone.signatures.get(owner, {}):
        return True
    return rdata_names.has_targets(rrset.rtype) and any(
        group.rrs[-1][1] == types.RRSIG for group in additional(context.zone, rrset, owner, True)
    )
