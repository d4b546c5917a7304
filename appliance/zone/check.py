# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is wrong with a zone file: errors keep it from being loaded, warnings are for its owner to judge."""

from collections.abc import Sequence
from pathlib import Path

from appliance.errors import Finding
from appliance.zone import names, rdata, types
from appliance.zone.checks import delegation
from appliance.zone.checks import dnssec as check_dnssec
from appliance.zone.checks.findings import Findings
from appliance.zone.checks.levels import DEFAULTS, Levels
from appliance.zone.load import assemble
from appliance.zone.master import scanner
from appliance.zone.model import Zone

HUGE_TTL = 7 * 86400  # resolvers cap TTLs at a week or less (RFC 8767 §4)
MAX_NEGATIVE_TTL = 86400  # RFC 2308 §5: more than a day has been found to be a problem

_TARGETED = (types.NS, types.CNAME, types.PTR, types.MX, types.SRV, types.DNAME, types.SVCB, types.HTTPS)
_NO_ALIAS = (types.NS, types.MX, types.SRV)  # RFC 2181 §10.3, RFC 2782


def check_zone(path: str | Path, origin: bytes, levels: Levels = DEFAULTS, below: Sequence[str] = ()) -> list[Finding]:
    """Return all findings about a master file, by file and line; load_zone accepts it if none is an error."""
    records = scanner.scan_file(path, origin, below=below)
    findings = Findings(records)
    zone = assemble(records, origin, findings)
    if zone is not None:
        check_dnssec.check(zone, findings, levels)
        check_model(zone, findings)
    return findings.finish()


def check_model(zone: Zone, findings: Findings) -> None:
    """Note everything doubtful about a zone that can be loaded."""
    _check_soa(zone, findings)
    _check_ttls(zone, findings)
    _check_targets(zone, findings)
    _check_aliases(zone, findings)
    _check_wildcards(zone, findings)
    delegation.check(zone, findings)


def _check_soa(zone: Zone, findings: Findings) -> None:
    refresh, retry, expire, minimum = (int.from_bytes(zone.soa.rdatas[0][at : at + 4]) for at in (-16, -12, -8, -4))
    doubts = []
    if retry > refresh:
        doubts.append(f"retry {retry} is more than refresh {refresh} (RFC 1912 §2.2)")
    if expire < refresh + retry:
        doubts.append(f"expire {expire} is less than refresh + retry: one failed transfer loses the zone")
    if minimum > MAX_NEGATIVE_TTL:
        doubts.append(f"minimum {minimum}: negative answers are cached for more than a day (RFC 2308 §5)")
    for doubt in doubts:
        findings.rrset(zone.origin, types.SOA, "warning", f"SOA: {doubt}")


def _check_ttls(zone: Zone, findings: Findings) -> None:
    for owner, rrsets in zone.nodes.items():
        for rtype, rrset in rrsets.items():
            if (
                rrset.ttl == 0 and rtype != types.NSEC3PARAM
            ) or rrset.ttl > HUGE_TTL:  # only servers ask for NSEC3PARAM
                why = "is never cached" if rrset.ttl == 0 else f"is more than a week ({HUGE_TTL} s)"
                reason = f"{names.to_text(owner)} {types.type_text(rtype)}: TTL {rrset.ttl} {why}"
                findings.rrset(owner, rtype, "warning", reason)


def _looks_like_address(name: bytes) -> bool:
    first = names.labels(name)[:4]
    return len(first) == 4 and all(label.isdigit() and int(label) < 256 for label in first)


def _check_targets(zone: Zone, findings: Findings) -> None:
    """Targets that are a slip of the pen: an address, or the origin twice for want of a final dot."""
    twice = zone.origin[:-1] + zone.origin
    for owner, rrsets in zone.nodes.items():
        for rtype in _TARGETED:
            for value in rrsets[rtype].rdatas if rtype in rrsets else ():
                target = rdata.names_in(rtype, value)[0].lower()
                what = f"{names.to_text(owner)} {types.type_text(rtype)} {names.to_text(target)}"
                if rtype in _NO_ALIAS and _looks_like_address(target):
                    findings.rrset(owner, rtype, "warning", f"{what}: a name is needed here, not an address")
                if zone.origin != names.ROOT and names.is_subdomain(target, twice):
                    findings.rrset(owner, rtype, "warning", f"{what}: is a final dot missing?")
        if zone.origin != names.ROOT and names.is_subdomain(owner, twice):
            rtype = next(iter(rrsets))
            findings.rrset(owner, rtype, "warning", f"owner {names.to_text(owner)}: is a final dot missing?")


def _check_aliases(zone: Zone, findings: Findings) -> None:
    loops: dict[bytes, bool] = {}
    for owner, rrsets in zone.nodes.items():
        if zone.is_occluded(owner):
            continue
        for rtype in _NO_ALIAS:
            for value in rrsets[rtype].rdatas if rtype in rrsets else ():
                target = rdata.names_in(rtype, value)[0].lower()
                if zone.rrset(target, types.CNAME):
                    what = f"{names.to_text(owner)} {types.type_text(rtype)} {names.to_text(target)}"
                    findings.rrset(owner, rtype, "warning", f"{what}: the target is an alias (RFC 2181 §10.3)")
        if types.CNAME in rrsets:
            target = rdata.names_in(types.CNAME, rrsets[types.CNAME].rdatas[0])[0].lower()
            _check_alias(zone, owner, target, loops, findings)


def _is_loop(zone: Zone, owner: bytes, known: dict[bytes, bool]) -> bool:
    """Return whether the chain of an alias comes back to itself; `known` has the aliases that were looked at before."""
    seen: dict[bytes, None] = {}
    step = owner
    while step not in known and step not in seen and (alias := zone.rrset(step, types.CNAME)):
        seen[step] = None
        step = names.fold(alias.rdatas[0])
    known.update(dict.fromkeys(seen, known.get(step, step in seen)))
    return known[owner]


def _check_alias(zone: Zone, owner: bytes, target: bytes, loops: dict[bytes, bool], findings: Findings) -> None:
    what = f"{names.to_text(owner)} CNAME {names.to_text(target)}"
    if zone.rrset(target, types.CNAME):
        loop = _is_loop(zone, owner, loops)
        why = "the chain is a loop" if loop else "the target is an alias itself (RFC 1034 §3.6.2)"
        findings.rrset(owner, types.CNAME, "warning", f"{what}: {why}")
    elif zone.contains(target) and not (zone.exists(target) or zone.cut_for(target) or zone.dname_for(target)):
        closest = next(name for name in names.suffixes(target) if zone.exists(name))
        if not zone.exists(names.wildcard_of(closest)):
            findings.rrset(owner, types.CNAME, "warning", f"{what}: the target does not exist")


def _check_wildcards(zone: Zone, findings: Findings) -> None:
    for owner in zone.delegations | zone.dnames:
        if names.is_wildcard(owner):
            rtype = types.NS if owner in zone.delegations else types.DNAME
            reason = f"{types.type_text(rtype)} at wildcard {names.to_text(owner)} has no defined meaning (RFC 4592 §4)"
            findings.rrset(owner, rtype, "warning", reason)
