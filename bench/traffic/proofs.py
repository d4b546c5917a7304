# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a reply holds the proof it must hold: signed DS, or NSEC and NSEC3 that really cover the name asked for."""

from __future__ import annotations

import base64

import dns.dnssec
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from appliance.errors import DatapathError

DS, NSEC, NSEC3 = 43, 47, 50


def require(what: str, message: dns.message.Message, proof: int) -> None:
    """Raise DatapathError unless the authority section has RRsets of type `proof`, all signed, that fit the question.

    DS: it owns a suffix of the name. NSEC, NSEC3: for NXDOMAIN one of them covers the name at the end of the CNAME
    chain, or the hash of that name or of one above it (RFC 4035 §5.4, RFC 5155 §8.4).
    """
    found = [rrset for rrset in message.authority if rrset.rdtype == proof]
    signed = {(rrset.name, rrset.covers) for rrset in message.authority if rrset.rdtype == dns.rdatatype.RRSIG}
    qname = message.question[0].name
    while link := message.get_rrset(message.answer, qname, dns.rdataclass.IN, dns.rdatatype.CNAME):
        qname = link[0].target
    if not found or any((rrset.name, rrset.rdtype) not in signed for rrset in found):
        raise DatapathError(f"{what}: {len(found)} RRsets of type {proof}, not all signed, in the reply to {qname}")
    if proof == DS:
        fits = qname.is_subdomain(found[0].name)
    elif message.rcode() != dns.rcode.NXDOMAIN:
        fits = True
    elif proof == NSEC:
        fits = any(_nsec_covers(rrset, qname) for rrset in found)
    else:
        fits = any(_nsec3_covers(rrset, qname) for rrset in found)
    if not fits:
        raise DatapathError(f"{what}: the {len(found)} RRsets of type {proof} do not fit the question {qname}: {found}")


def _nsec_covers(rrset: dns.rrset.RRset, name: dns.name.Name) -> bool:
    after = rrset[0].next
    return bool(rrset.name < name and (name < after or after <= rrset.name))


def _nsec3_covers(rrset: dns.rrset.RRset, name: dns.name.Name) -> bool:
    """Say whether the hash of the name or of one above it, up to the zone, is in the span."""
    nsec3 = rrset[0]
    first = base64.b32hexdecode(rrset.name.labels[0].upper())
    last: bytes = nsec3.next
    zone_labels = len(rrset.name) - 1
    for labels in range(zone_labels + 1, len(name) + 1):
        suffix = name.split(labels)[1]
        digest = base64.b32hexdecode(dns.dnssec.nsec3_hash(suffix, nsec3.salt, nsec3.iterations, nsec3.algorithm))
        if first < digest < last or (last <= first and (digest > first or digest < last)):
            return True
    return False
