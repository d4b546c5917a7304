# SPDX-License-Identifier: GPL-3.0-or-later
"""Alias chains, followed when a zone is compiled: through wildcards, DNAMEs, other loaded zones (RFC 1034 §3.6.2)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from appliance.compiler.context import Loaded, name_of, preference, rrset_rrs, signed_rrs
from appliance.compiler.denial.evidence import closest_encloser
from appliance.lookup.follow import MAX_LINKS
from appliance.store.fragments import RR
from appliance.zone import names, types
from appliance.zone.model import RRset, Zone

End = Literal["alone", "name", "cut", "nxdomain", "yxdomain"]


@dataclass(slots=True)
class Chain:
    """The links of a chain, and where it ends.

    `source` is the name whose RRsets end it: `shown` itself, a wildcard, or the cut. `made` holds the names, the first
    one aside, that a wildcard of a signed zone stands for. `again` tells whether a chain that starts at a wildcard
    comes back to it: then it differs for a question name that is one of its links.
    """

    plain: list[RR] = field(default_factory=list)
    signed: list[RR] = field(default_factory=list)
    end: End = "alone"
    zone: Zone | None = None
    shown: bytes = b""
    source: bytes = b""
    made: list[tuple[Zone, bytes]] = field(default_factory=list)
    again: bool = False
    zones: set[bytes] = field(default_factory=set)
    """Origins of all zones looked into, and of names no zone was found for."""


def zone_for(world: Loaded, name: bytes) -> Zone | None:
    """Return the loaded zone with the longest origin at or above a folded name."""
    for suffix in names.suffixes(name):
        zone = world.get(suffix)
        if zone is not None:
            return zone
    return None


def locate(zone: Zone, name: bytes) -> tuple[Literal["cut", "dname", "name", "wildcard", "nxdomain"], bytes]:
    """Return what a folded name is in its zone, and the name whose records say so (RFC 1034 §4.3.2 step 3)."""
    cut = zone.cut_for(name)
    if cut is not None:
        return "cut", cut
    dname = zone.dname_for(name)
    if dname is not None:
        return "dname", dname
    if zone.exists(name):
        return "name", name
    wildcard = names.wildcard_of(closest_encloser(zone, name))
    if zone.exists(wildcard) and wildcard not in zone.delegations:
        return "wildcard", wildcard
    return "nxdomain", name


def beside(zone: Zone, owner: bytes, rtype: int) -> RRset | None:
    """Return the RRset of a type that may stand beside a CNAME (RFC 4035 §2.5): NSEC, or RRSIGs of one RRset."""
    if rtype != types.RRSIG:
        return zone.nodes.get(owner, {}).get(rtype)
    signatures = zone.signatures.get(owner)
    return signatures[min(signatures, key=preference)] if signatures else None


def follow(
    world: Loaded,
    loading: Collection[bytes],
    zone: Zone,
    owner: bytes,
    shown: bytes | None,
    rrset: RRset,
    until: int = 0,
) -> Chain:
    """Follow a CNAME of an owner; shown is the owner as the message shows it (None: any name a wildcard stands for).

    The chain ends early at a CNAME that has the type `until`, RRSIG or NSEC, beside it.
    """
    chain = Chain(zones={zone.origin})
    first = owner if shown is None else None
    seen = set() if shown is None else {owner}
    links = 1
    while True:
        chain.plain += rrset_rrs(shown, rrset)
        chain.signed += signed_rrs(zone, owner, shown, rrset, True)
        place = _walk_dnames(world, loading, chain, name_of(rrset.rdatas[0]), seen, links)
        if place is None:
            return chain
        found, what, source, target, links = place
        chain.again = chain.again or source == first
        cname = found.nodes.get(source, {}).get(types.CNAME) if what in ("name", "wildcard") else None
        if cname is not None and until and beside(found, source, until):
            cname = None
        if cname is not None and links == MAX_LINKS:
            return chain
        if what == "wildcard" and found.scheme != "unsigned":
            chain.made.append((found, target))
        if cname is None:
            chain.zone, chain.shown, chain.source = found, target, source
            chain.end = "cut" if what == "cut" else "nxdomain" if what == "nxdomain" else "name"
            return chain
        links += 1
        zone, owner, shown, rrset = found, source, target, cname


_Place = tuple[Zone, str, bytes, bytes, int]
"""Zone, what the name is there, the source of its records, the name, links so far."""


def _walk_dnames(
    world: Loaded, loading: Collection[bytes], chain: Chain, target: bytes, seen: set[bytes], links: int
) -> _Place | None:
    """Return where a target leads when all DNAMEs on the way are applied; None when the chain ends before."""
    while target not in seen:
        seen.add(target)
        found = zone_for(world, target)
        chain.zones.add(found.origin if found else target)
        if found is None or found.origin in loading:
            return None
        what, source = locate(found, target)
        if what != "dname":
            return found, what, source, target, links
        if links == MAX_LINKS:
            return None
        links += 1
        rrset = found.nodes[source][types.DNAME]
        for rrs, dnssec in ((chain.plain, False), (chain.signed, True)):
            rrs += [rr for rr in signed_rrs(found, source, source, rrset, dnssec) if rr not in rrs]
        changed = target[: len(target) - len(source)] + rrset.rdatas[0]
        if len(changed) > names.MAX_NAME:
            chain.end = "yxdomain"
            return None
        synthesised: RR = (target, types.CNAME, rrset.ttl, changed)
        chain.plain.append(synthesised)
        chain.signed.append(synthesised)
        target = changed.lower()
    return None
