# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of cuts: are the servers reachable, and is there data that no answer will ever show."""

from appliance.zone import names, types
from appliance.zone.checks.findings import Findings
from appliance.zone.model import Zone

_AT_CUT = (types.NS, types.DS, types.NSEC)
_ADDRESSES = (types.A, types.AAAA)


def check(zone: Zone, findings: Findings) -> None:
    """Note servers without addresses, occluded data and DS records that belong to no cut."""
    _check_servers(zone, zone.origin, findings)
    for cut in zone.delegations:
        _check_servers(zone, cut, findings)
    _check_hidden(zone, findings)
    for owner, rrsets in zone.nodes.items():
        if types.DS not in rrsets:
            continue
        if owner == zone.origin:
            findings.rrset(
                owner, types.DS, "warning", "DS at the apex: it belongs into the parent zone (RFC 4035 §2.4)"
            )
        elif types.NS not in rrsets and not zone.is_occluded(owner):
            reason = f"DS at {names.to_text(owner)}, where there is no NS (RFC 4035 §2.4)"
            findings.rrset(owner, types.DS, "warning", reason)


def _check_servers(zone: Zone, owner: bytes, findings: Findings) -> None:
    servers = [value.lower() for value in zone.nodes[owner][types.NS].rdatas]
    if len(servers) == 1:
        reason = f"{names.to_text(owner)} has only one name server (RFC 2182 §5 asks for two)"
        findings.rrset(owner, types.NS, "warning", reason)
    for server in servers:
        if not zone.contains(server) or zone.addresses(server) or zone.rrset(server, types.CNAME):
            continue
        in_domain = names.is_subdomain(server, owner)
        what = f"{names.to_text(owner)} NS {names.to_text(server)}"
        if in_domain and owner != zone.origin:
            findings.rrset(owner, types.NS, "warning", f"{what}: no glue, so nobody can reach it (RFC 9471)")
        elif zone.is_authoritative(server) and not zone.dname_for(server) and not _has_wildcard_address(zone, server):
            findings.rrset(owner, types.NS, "warning", f"{what}: it has no address in this zone")


def _has_wildcard_address(zone: Zone, name: bytes) -> bool:
    if zone.exists(name):
        return False
    closest = next(above for above in names.suffixes(name) if zone.exists(above))
    return bool(zone.addresses(names.wildcard_of(closest)))


def _check_hidden(zone: Zone, findings: Findings) -> None:
    """Data at or below a cut or below a DNAME, other than glue that some cut of this zone uses."""
    servers = {value.lower() for cut in (zone.origin, *zone.delegations) for value in zone.nodes[cut][types.NS].rdatas}
    for owner, rrsets in zone.nodes.items():
        at_cut = owner in zone.delegations
        if not (at_cut or zone.is_occluded(owner)):
            continue
        border = zone.cut_for(owner)
        for rtype in rrsets:
            glue = rtype in _ADDRESSES and owner in servers
            if glue or (at_cut and rtype in _AT_CUT):
                continue
            above = f"the cut at {names.to_text(border)}" if border else "a DNAME"
            reason = f"{names.to_text(owner)} {types.type_text(rtype)} is occluded by {above}: no answer shows it"
            findings.rrset(owner, rtype, "warning", reason)
