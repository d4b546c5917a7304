# SPDX-License-Identifier: GPL-3.0-or-later
"""What compiling one version of one zone needs to know."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from appliance.compiler.denial.evidence import Evidence, evidence_of
from appliance.compiler.denial.proofs import Proofs
from appliance.compiler.expected import is_large
from appliance.compiler.writer import Answer, Writer
from appliance.store.fragments import RR, Body, question_places
from appliance.zone import types
from appliance.zone.model import RRset, Zone

Loaded = Mapping[bytes, Zone]
"""The loaded zones by origin, for those who follow aliases."""


@dataclass
class Context:
    """One zone version being compiled."""

    zone: Zone
    world: Loaded
    writer: Writer
    proofs: Proofs
    known_evidence: dict[bytes, Evidence | None]
    """What the zones looked into can prove, by origin; shared by all zones that are compiled together."""
    nodata: tuple[Answer, Answer] = (0, 0)
    nxdomain: tuple[Answer, Answer] = (0, 0)
    soa_fragment: int = 0
    apex: int = 0
    """The node of the apex, once it is written."""
    below: frozenset[bytes] = frozenset()
    """Origins of the loaded zones strictly below this one."""
    wildcards: dict[bytes, int] = field(default_factory=dict)
    """Node that answers for what "*.<name>" stands for, by name."""

    loading: set[bytes] = field(default_factory=set)
    """Origins of zones that stand for data that are not there yet."""
    chains: set[bytes] = field(default_factory=set)
    """Origins of the zones that alias chains lead through, and targets that lie in no loaded zone."""

    @property
    def signed(self) -> bool:
        """Return whether answers differ with DO set."""
        return bool(self.zone.signatures)

    @property
    def shares_ds(self) -> bool:
        """Return whether the answers of a signed cut share DS and its signature as fragments."""
        return is_large(self.zone)

    def placing(self, dnssec: bool) -> AbstractContextManager[None]:
        """Place what is shared inside the `with` block where answers with or without DNSSEC are."""
        return self.writer.placing_aside() if dnssec else nullcontext()

    def evidence(self, zone: Zone) -> Evidence | None:
        """Return what a loaded zone can prove, None for an unsigned one."""
        return find_evidence(self.known_evidence, zone)


def find_evidence(known: dict[bytes, Evidence | None], zone: Zone) -> Evidence | None:
    """Return what a zone can prove, worked out once."""
    if zone.origin not in known:
        known[zone.origin] = evidence_of(zone)
    return known[zone.origin]


def rrset_rrs(owner: bytes | None, rrset: RRset) -> list[RR]:
    """Return an RRset as records of an owner as it is shown."""
    return [(owner, rrset.rtype, rrset.ttl, rdata) for rdata in rrset.rdatas]


def signed_rrs(zone: Zone, owner: bytes, shown: bytes | None, rrset: RRset, dnssec: bool) -> list[RR]:
    """Return an RRset, with its signatures if DNSSEC is asked for; shown is the owner in the message."""
    rrs = rrset_rrs(shown, rrset)
    if dnssec:
        signature = zone.signatures.get(owner, {}).get(rrset.rtype)
        if signature:
            rrs += rrset_rrs(shown, signature)
    return rrs


def soa_rrs(zone: Zone, dnssec: bool) -> list[RR]:
    """Return the SOA of a negative answer, with the TTL of RFC 2308 §3."""
    ttl = zone.negative_ttl
    rrs = signed_rrs(zone, zone.origin, zone.origin, zone.soa, dnssec)
    return [(owner, rtype, min(ttl, own_ttl), rdata) for owner, rtype, own_ttl, rdata in rrs]


def exact_body(name: bytes) -> Body:
    """Return an empty body for answers that are only ever given for exactly this name."""
    return Body(len(name), question_places(name), fixed=True)


def moving_body(base: bytes) -> Body:
    """Return an empty body for answers given for names at and below a base."""
    return Body(len(base), question_places(base))


def shadowed(context: Context, name: bytes) -> bool:
    """Return whether a name of the zone lies at or below the apex of another loaded zone."""
    if not context.below:
        return False
    origin = context.zone.origin
    while len(name) > len(origin):
        if name in context.below:
            return True
        name = name[name[0] + 1 :]
    return False


def name_of(rdata: bytes) -> bytes:
    """Return the folded target of a CNAME or DNAME."""
    return rdata.lower()


PREFERENCE = {
    rtype: rank
    for rank, rtype in enumerate(
        (types.CNAME, types.A, types.AAAA, types.MX, types.SOA, types.NS, types.PTR, types.SRV, types.HTTPS)
    )
}
"""The order of a node's type table: the first type answers ANY (RFC 8482 §4.1), so small and well-known ones lead."""

LAST = {types.DNSKEY: 1, types.TXT: 1, types.NSEC: 2, types.RRSIG: 3}


def preference(rtype: int) -> tuple[int, int, int]:
    """Return the sort key of a type in a node's table."""
    return LAST.get(rtype, 0), PREFERENCE.get(rtype, 99), rtype
