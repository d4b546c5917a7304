# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of signed zones: are the parts that a signed zone consists of there (RFC 4035 §2)."""

from appliance.zone import names, types
from appliance.zone.findings import Findings
from appliance.zone.model import Zone


def check(zone: Zone, findings: Findings) -> None:
    """Note what is missing from a zone that holds DNSSEC records; signatures themselves are not verified."""
    apex = zone.nodes[zone.origin]
    if types.DNSKEY not in apex:
        if zone.signatures:
            findings.whole("warning", f"zone {names.to_text(zone.origin)} has RRSIGs but no DNSKEY")
        return
    if not zone.signatures:
        findings.rrset(zone.origin, types.DNSKEY, "warning", "the apex has a DNSKEY but the zone is not signed")
        return
    _check_signatures(zone, findings)
    if zone.scheme == "unsigned":
        findings.whole(
            "warning", f"zone {names.to_text(zone.origin)} is signed but has neither NSEC nor NSEC3 at its apex"
        )
    if types.NSEC3PARAM in apex and not zone.nsec3:
        findings.rrset(zone.origin, types.NSEC3PARAM, "warning", "NSEC3PARAM without any NSEC3 record")
    if zone.nsec3 and types.NSEC3PARAM not in apex:
        findings.rrset(next(iter(zone.nsec3)), types.NSEC3, "warning", "NSEC3 records without NSEC3PARAM at the apex")


def _check_signatures(zone: Zone, findings: Findings) -> None:
    """RRsets without RRSIG where one is due, RRSIGs without RRset, TTLs that differ (RFC 4035 §2.2)."""
    for owner, rrsets in zone.nodes.items():
        if zone.is_occluded(owner):
            continue
        signed = zone.signatures.get(owner, {})
        due = [rtype for rtype in rrsets if owner not in zone.delegations or rtype in (types.DS, types.NSEC)]
        for rtype in due:
            what = f"{names.to_text(owner)} {types.type_text(rtype)}"
            if rtype not in signed:
                findings.rrset(owner, rtype, "warning", f"{what}: not signed")
            elif signed[rtype].ttl != rrsets[rtype].ttl:
                reason = f"{what}: its RRSIG has TTL {signed[rtype].ttl}, not {rrsets[rtype].ttl} (RFC 4034 §3)"
                findings.rrset(owner, rtype, "warning", reason)
    for owner, signed in zone.signatures.items():
        for covered in signed:
            present = owner in zone.nsec3 if covered == types.NSEC3 else zone.rrset(owner, covered)
            if not present:
                reason = f"{names.to_text(owner)}: RRSIG of {types.type_text(covered)}, of which there is none"
                findings.rrset(owner, types.RRSIG, "warning", reason)
