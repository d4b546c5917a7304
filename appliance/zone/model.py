# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone as the rest of the program sees it: RRsets by owner and type, cuts, ENTs, what is authoritative."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from appliance.zone import names, types

Scheme = Literal["unsigned", "nsec", "nsec3"]


@dataclass(slots=True)
class RRset:
    """Records of one owner and type; RDATA is uncompressed wire, its case kept, without duplicates, in file order."""

    rtype: int
    ttl: int
    rdatas: list[bytes]


RRsets = dict[int, RRset]


@dataclass(frozen=True, slots=True)
class DnssecSummary:
    """What was seen of DNSSEC when a zone was loaded; times count from 1970.

    Signatures are RRSIG RRs. Missing, expired and not yet valid are authoritative RRsets without any RRSIG, and those
    none of whose RRSIGs is in force. The earliest expiration is the moment at which the first RRset loses its last
    RRSIG. Findings are counted by class. Proofs come from userspace where the NIC path does not compute such hashes.
    """

    scheme: Scheme
    iterations: int
    salt_length: int
    proofs_from_userspace: bool
    signatures: int
    missing: int
    expired: int
    not_yet_valid: int
    earliest_expiration: int | None
    findings: dict[str, int]


@dataclass
class Zone:
    """One whole, consistent zone. All owner names are folded wire names; nothing changes it after Zone.build.

    NSEC3 RRsets are in .nsec3 only, never in .nodes: their owner names do not exist (RFC 5155 §7.2.8). RRSIGs are in
    .signatures only, by the type they cover. Names at or below a cut and below a DNAME (glue, occluded data) are in
    .nodes: ask is_authoritative. load_zone adds .dnssec where there is anything of DNSSEC, and .includes, the other
    files that were read. .digest is that of the text or of the records (digests.py), where somebody has made it.
    """

    origin: bytes
    serial: int
    nodes: Mapping[bytes, RRsets]
    signatures: Mapping[bytes, RRsets] = field(default_factory=dict)
    nsec3: Mapping[bytes, RRset] = field(default_factory=dict)
    delegations: AbstractSet[bytes] = frozenset()
    dnames: AbstractSet[bytes] = frozenset()
    ents: AbstractSet[bytes] = frozenset()
    scheme: Scheme = "unsigned"
    dnssec: DnssecSummary | None = None
    includes: tuple[str, ...] = ()
    digest: bytes = b""

    @classmethod
    def build(
        cls,
        origin: bytes,
        nodes: Mapping[bytes, RRsets],
        signatures: Mapping[bytes, RRsets] | None = None,
        nsec3: Mapping[bytes, RRset] | None = None,
    ) -> "Zone":
        """Return the zone of these RRsets, which hold one SOA at the origin; cuts, ENTs and scheme are worked out."""
        soa = nodes[origin][types.SOA].rdatas[0]
        zone = cls(origin, int.from_bytes(soa[-20:-16]), nodes, signatures or {}, nsec3 or {})
        zone._find_cuts()
        zone._find_ents()
        zone.find_scheme()
        return zone

    def find_scheme(self) -> None:
        """Set .scheme from what the apex has."""
        apex = self.nodes[self.origin]
        if types.NSEC3PARAM in apex and self.nsec3:
            self.scheme = "nsec3"
        elif types.NSEC in apex:
            self.scheme = "nsec"

    def _find_cuts(self) -> None:
        """Fill .delegations and .dnames: the highest ones only, since nothing below a cut or a DNAME counts."""
        cuts = {owner for owner, rrsets in self.nodes.items() if types.NS in rrsets and owner != self.origin}
        dnames = {owner for owner, rrsets in self.nodes.items() if types.DNAME in rrsets} - cuts
        borders = cuts | dnames
        highest = {owner for owner in borders if not any(above in borders for above in self._above(owner))}
        self.delegations, self.dnames = highest & cuts, highest & dnames

    def _find_ents(self) -> None:
        ents: set[bytes] = set()
        for owner in self.nodes:
            if not self.is_occluded(owner):
                for above in self._above(owner):
                    if above in self.nodes or above in ents:
                        break  # this one, or whoever added it, has seen to the names above
                    ents.add(above)
        self.ents = ents

    def _above(self, owner: bytes) -> Iterator[bytes]:
        """Yield the names above an owner of this zone, nearest first, up to and with the origin."""
        while len(owner) > len(self.origin):
            owner = owner[owner[0] + 1 :]
            yield owner

    def wildcards(self) -> list[bytes]:
        """Return the owners and ENTs whose first label is a lone asterisk."""
        return [name for known in (self.nodes, self.ents) for name in known if names.is_wildcard(name)]

    def has_type(self, rtype: int) -> bool:
        """Return whether any name has records of a type, RRSIG and NSEC3 aside."""
        return any(rtype in rrsets for rrsets in self.nodes.values())

    @property
    def soa(self) -> RRset:
        """The SOA RRset of the apex."""
        return self.nodes[self.origin][types.SOA]

    @property
    def negative_ttl(self) -> int:
        """TTL of the SOA in negative answers, in seconds (RFC 2308 §3: the lower of its TTL and its MINIMUM)."""
        return min(self.soa.ttl, int.from_bytes(self.soa.rdatas[0][-4:]))

    def rrset(self, owner: bytes, rtype: int) -> RRset | None:
        """Return one RRset of .nodes, glue and occluded ones too."""
        return self.nodes.get(owner, {}).get(rtype)

    def contains(self, name: bytes) -> bool:
        """Return whether a folded name is the origin or below it."""
        return names.is_subdomain(name, self.origin)

    def cut_for(self, name: bytes) -> bytes | None:
        """Return the cut at or above a folded name of the zone."""
        if not self.delegations:
            return None
        if name in self.delegations:
            return name
        return next((above for above in self._above(name) if above in self.delegations), None)

    def dname_for(self, name: bytes) -> bytes | None:
        """Return the DNAME owner strictly above a folded name of the zone (RFC 6672 §2.2)."""
        if not self.dnames:
            return None
        return next((above for above in self._above(name) if above in self.dnames), None)

    def is_occluded(self, name: bytes) -> bool:
        """Return whether a folded name lies strictly below a cut or a DNAME, where only glue is ever of use."""
        if not (self.delegations or self.dnames):
            return False
        return any(above in self.delegations or above in self.dnames for above in self._above(name))

    def how_many(self) -> int:
        """Count the names that have data."""
        return len(self.nodes)

    def is_authoritative(self, owner: bytes) -> bool:
        """Return whether data at a folded name is authoritative: in the zone, not at or below a cut, not below a DNAME.

        At a cut only DS and NSEC are (RFC 4035 §2.6); the caller asks .delegations.
        """
        return self.contains(owner) and owner not in self.delegations and not self.is_occluded(owner)

    def exists(self, name: bytes) -> bool:
        """Return whether a folded name is an owner, a cut or an ENT of the authoritative name space (RFC 4592 §2.2)."""
        return name in self.ents or (name in self.nodes and not self.is_occluded(name))

    @cached_property
    def children(self) -> dict[bytes, list[bytes]]:
        """Existing names (cuts and ENTs too) by their parent, each list in canonical order."""
        below: dict[bytes, list[bytes]] = {}
        for name in (*self.ents, *(owner for owner in self.nodes if not self.is_occluded(owner))):
            if name != self.origin:
                below.setdefault(names.parent(name), []).append(name)
        for found in below.values():
            found.sort(key=lambda name: name[1 : 1 + name[0]])
        return below

    def occluded(self) -> set[bytes]:
        """Return the owners strictly below a cut or a DNAME: glue and data that no answer ever shows."""
        return {owner for owner in self.nodes if self.is_occluded(owner)}

    def addresses(self, name: bytes) -> list[RRset]:
        """Return the A and AAAA RRsets at a folded name, glue or authoritative."""
        rrsets = self.nodes.get(name, {})
        return [rrsets[rtype] for rtype in (types.A, types.AAAA) if rtype in rrsets]

    def rrsets(self) -> Iterator[tuple[bytes, RRset]]:
        """Yield every RRset with its owner: data, NSEC3s and signatures; the SOA comes first."""
        yield self.origin, self.soa
        for owner, found in self.nodes.items():
            for rtype, rrset in found.items():
                if rtype != types.SOA or owner != self.origin:
                    yield owner, rrset
        yield from self.nsec3.items()
        for owner, found in self.signatures.items():
            for rrset in found.values():
                yield owner, rrset


def placeholder(origin: bytes) -> Zone:
    """Return an empty zone that keeps a name's place in the store; its answers must never be shown."""
    soa = names.ROOT * 2 + bytes(20)
    apex = {types.SOA: RRset(types.SOA, 0, [soa]), types.NS: RRset(types.NS, 0, [names.ROOT])}
    return Zone.build(origin, {origin: apex})
