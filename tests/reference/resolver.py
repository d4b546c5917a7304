# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle: what an authoritative server must answer, step by step as RFC 1034 §4.3.2 and its successors say.

Slow and literal on purpose. Wildcards: RFC 4592. DNAME: RFC 6672. Negative answers: RFC 2308, RFC 8020. DNSSEC:
RFC 4035 §3.1, RFC 5155 §7.2. ANY: RFC 8482 §4.1. Truncation is not its concern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype as rt
import dns.rrset
from dns.name import Name
from dns.rdataset import Rdataset

from tests.reference import denial
from tests.reference.zone import ReferenceZone

MAX_LINKS = 16
_ADDRESSES = (rt.A, rt.AAAA)
_TARGET = {rt.NS: "target", rt.MX: "exchange", rt.SRV: "target", rt.SVCB: "target", rt.HTTPS: "target"}

Record = tuple[bytes, int, int, bytes]  # folded owner, type, TTL, RDATA in canonical form (RFC 4034 §6.2)


@dataclass
class Expected:
    """What an answer must and may contain. Sections are compared as sets: order and duplicates do not matter.

    choices: where it is not empty (ANY, RRSIG), the answer section is .answer plus exactly one of them.
    authority_optional: the referral that a CNAME chain may end in.
    """

    rcode: int = dns.rcode.NOERROR
    aa: bool = True
    answer: set[Record] = field(default_factory=set)
    choices: list[set[Record]] = field(default_factory=list)
    authority: set[Record] = field(default_factory=set)
    authority_optional: set[Record] = field(default_factory=set)
    additional_required: set[Record] = field(default_factory=set)
    additional_optional: set[Record] = field(default_factory=set)

    def differences(
        self, rcode: int, aa: bool, answer: set[Record], authority: set[Record], additional: set[Record]
    ) -> list[str]:
        """Return what is wrong with an actual, complete (TC clear) answer; nothing if it is as expected."""
        wrong = []
        if rcode != self.rcode:
            wrong.append(f"rcode {rcode}, expected {self.rcode}")
        if aa != self.aa:
            wrong.append(f"AA is {aa}")
        answers = [self.answer | choice for choice in self.choices] or [self.answer]
        if answer not in answers:
            wrong.append(f"answer {answer}, expected {' or '.join(map(str, answers))}")
        if authority not in (self.authority, self.authority | self.authority_optional):
            wrong.append(f"authority {authority}, expected {self.authority} or with {self.authority_optional}")
        if missing := self.additional_required - additional:
            wrong.append(f"additional lacks {missing}")
        if surplus := additional - self.additional_required - self.additional_optional:
            wrong.append(f"additional has {surplus}")
        return wrong


def records_of(section: Iterable[dns.rrset.RRset]) -> set[Record]:
    """Return a section of a dnspython message in the form that Expected compares."""
    return {record for rrset in section for record in _records(rrset.name, rrset)}


def _records(owner: Name, rdataset: Rdataset, ttl: int | None = None) -> set[Record]:
    name = owner.to_digestable()
    return {
        (name, int(rdataset.rdtype), rdataset.ttl if ttl is None else ttl, rdata.to_digestable()) for rdata in rdataset
    }


def answer(zones: Sequence[ReferenceZone], qname_wire: bytes, qtype: int, do: bool) -> Expected:
    """Return what a server that has these zones must answer."""
    return _Query(zones, dns.name.from_wire(qname_wire, 0)[0], qtype, do).run()


class _Query:
    def __init__(self, zones: Sequence[ReferenceZone], qname: Name, qtype: int, do: bool) -> None:
        self.zones = zones
        self.qname = qname
        self.qtype = qtype
        self.do = do
        self.links = 0
        self.visited = {qname}
        self.expected = Expected()

    def run(self) -> Expected:
        """Follow the question from zone to zone until something other than an alias ends it."""
        while self.step():
            pass
        return self.expected

    def find_zone(self) -> ReferenceZone | None:
        """Step 2: the nearest ancestor zone; for DS at an apex the one above, if there is any (RFC 4035 §3.1.4.1)."""
        above = sorted(
            (zone for zone in self.zones if self.qname.is_subdomain(zone.origin)), key=lambda zone: len(zone.origin)
        )
        if len(above) > 1 and self.qtype == rt.DS and above[-1].origin == self.qname:
            return above[-2]
        return above[-1] if above else None

    def step(self) -> bool:
        """Answer the current name; return True if it is an alias whose target is to be answered next."""
        zone = self.find_zone()
        if zone is None:
            if not self.links:
                self.expected.rcode, self.expected.aa = dns.rcode.REFUSED, False
            return False
        # Step 3: match down, label by label.
        for count in range(len(zone.origin), len(self.qname) + 1):
            name = Name(self.qname.labels[-count:])
            if name != zone.origin and zone.get(name, rt.NS) is not None:
                if name == self.qname and self.qtype == rt.DS:
                    return self.data(zone, name)
                return self.referral(zone, name)
            if name == self.qname:
                return self.data(zone, name)
            if zone.get(name, rt.DNAME) is not None:
                return self.redirect(zone, name)
            if not zone.exists(Name(self.qname.labels[-count - 1 :])):
                return self.no_match(zone, name)
        raise AssertionError("the last label is the query name")

    def data(self, zone: ReferenceZone, source: Name) -> bool:
        """Steps 3a and 3c: the data at a name that exists, or at the wildcard that stands in for the query name."""
        rrsets = zone.rrsets.get(source, {})
        covered = [rtype for owner, rtype in zone.signatures if owner == source]
        by_wildcard = source != self.qname
        qname = self.qname
        asked_all = (self.qtype == rt.ANY and rrsets) or (self.qtype == rt.RRSIG and covered)
        if not (asked_all or self.qtype in rrsets or rt.CNAME in rrsets):
            self.negative(zone)
            if by_wildcard:
                self.prove(zone, lambda: denial.wildcard_nodata(zone, qname, source.parent()))
            else:
                self.prove(zone, lambda: denial.nodata(zone, qname))
            return False
        if by_wildcard:
            self.prove(zone, lambda: denial.wildcard_answer(zone, qname, source.parent()))
        if self.qtype == rt.ANY:
            self.expected.choices = [self.signed(zone, source, rdataset) for rdataset in rrsets.values()]
        elif self.qtype == rt.RRSIG and covered:
            self.expected.choices = [_records(qname, zone.signatures[source, rtype]) for rtype in covered]
        elif self.qtype in rrsets:
            self.expected.answer |= self.signed(zone, source, rrsets[self.qtype])
            self.expected.additional_optional |= self.addresses(zone, _targets(rrsets[self.qtype]))
        else:
            return self.alias(self.signed(zone, source, rrsets[rt.CNAME]), rrsets[rt.CNAME][0].target)
        return False

    def no_match(self, zone: ReferenceZone, closest_encloser: Name) -> bool:
        """Step 3c: nothing has the next label; the asterisk label may."""
        try:
            wildcard = denial.star(closest_encloser)
        except dns.name.NameTooLong:
            wildcard = None
        if wildcard is not None and zone.exists(wildcard):
            return self.data(zone, wildcard)
        self.expected.rcode = dns.rcode.NXDOMAIN
        self.negative(zone)
        self.prove(zone, lambda: denial.nxdomain(zone, self.qname, closest_encloser))
        return False

    def redirect(self, zone: ReferenceZone, owner: Name) -> bool:
        """RFC 6672 §3.2 step 3c: add the DNAME and the CNAME that it stands for."""
        if self.links == MAX_LINKS:
            return False
        dname = zone.rrsets[owner][rt.DNAME]
        self.expected.answer |= self.signed(zone, owner, dname, owner)
        try:
            target = self.qname.relativize(owner).concatenate(dname[0].target)
        except dns.name.NameTooLong:
            self.expected.rcode = dns.rcode.YXDOMAIN
            return False
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rt.CNAME, target.to_text())
        cname = (self.qname.to_digestable(), int(rt.CNAME), dname.ttl, rdata.to_digestable())
        # By the letter of §3.2 even a question for CNAME goes on; to every known server the CNAME is the answer to it.
        return self.alias({cname}, target) and self.qtype not in (rt.CNAME, rt.ANY)

    def alias(self, records: set[Record], target: Name) -> bool:
        """Add one link of a chain; a loop ends where it closes."""
        if self.links == MAX_LINKS:
            return False
        self.links += 1
        self.expected.answer |= records
        if target in self.visited:
            return False
        self.visited.add(target)
        self.qname = target
        return True

    def referral(self, zone: ReferenceZone, cut: Name) -> bool:
        """Step 3b: the NS of the cut, its DS or the proof that it has none (RFC 4035 §3.1.4), and glue (RFC 9471)."""
        servers = zone.rrsets[cut][rt.NS]
        authority = _records(cut, servers)
        if self.do and zone.is_signed:
            ds = zone.get(cut, rt.DS)
            if ds is not None:
                authority |= self.signed(zone, cut, ds, cut)
            else:
                authority |= self.proof(zone, denial.nodata(zone, cut))
        in_domain = [name for name in _targets(servers) if name.is_subdomain(cut)]
        glue = {record for name in in_domain for rtype in _ADDRESSES for record in _glue(zone, name, rtype)}
        others = self.addresses(zone, _targets(servers)) - glue
        if self.links:
            self.expected.authority_optional |= authority
            self.expected.additional_optional |= glue | others
        else:
            self.expected.aa = False
            self.expected.authority |= authority
            self.expected.additional_required |= glue
            self.expected.additional_optional |= others
        return False

    def negative(self, zone: ReferenceZone) -> None:
        """Add the SOA with the TTL of negative answers (RFC 2308 §3)."""
        soa = zone.rrsets[zone.origin][rt.SOA]
        ttl = min(soa.ttl, soa[0].minimum)
        self.expected.authority |= _records(zone.origin, soa, ttl)
        signature = zone.signatures.get((zone.origin, rt.SOA))
        if self.do and signature is not None:
            self.expected.authority |= _records(zone.origin, signature, ttl)

    def prove(self, zone: ReferenceZone, owners: Callable[[], set[Name]]) -> None:
        """Add a proof to the authority section if the client asks for DNSSEC and the zone has it."""
        if self.do and zone.is_signed:
            self.expected.authority |= self.proof(zone, owners())

    def proof(self, zone: ReferenceZone, owners: set[Name]) -> set[Record]:
        found: set[Record] = set()
        for owner in owners:
            rdataset = zone.nsec3[owner] if zone.nsec3_parameters else zone.rrsets[owner][rt.NSEC]
            found |= self.signed(zone, owner, rdataset, owner)
        return found

    def signed(self, zone: ReferenceZone, source: Name, rdataset: Rdataset, owner: Name | None = None) -> set[Record]:
        """Return an RRset, with its RRSIGs if asked for; the owner is the query name unless given."""
        owner = self.qname if owner is None else owner
        signature = zone.signatures.get((source, rdataset.rdtype))
        records = _records(owner, rdataset)
        return records | _records(owner, signature) if self.do and signature is not None else records

    def addresses(self, zone: ReferenceZone, targets: Iterable[Name]) -> set[Record]:
        """Return the addresses of targets in the zone: its data or glue, never what a DNAME occludes."""
        found: set[Record] = set()
        for name in targets:
            if name.is_subdomain(zone.origin) and not _below_dname(zone, name):
                for rtype in _ADDRESSES:
                    if (rdataset := zone.get(name, rtype)) is not None:
                        found |= self.signed(zone, name, rdataset, name)
        return found


def _targets(rdataset: Rdataset) -> list[Name]:
    attribute = _TARGET.get(rt.RdataType(rdataset.rdtype))
    return [getattr(rdata, attribute) for rdata in rdataset] if attribute else []


def _glue(zone: ReferenceZone, name: Name, rtype: int) -> set[Record]:
    rdataset = zone.get(name, rtype)
    return set() if rdataset is None else _records(name, rdataset)


def _below_dname(zone: ReferenceZone, name: Name) -> bool:
    while name != zone.origin:
        name = name.parent()
        if zone.get(name, rt.DNAME) is not None:
            return True
    return False
