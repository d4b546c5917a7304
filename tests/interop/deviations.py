# SPDX-License-Identifier: GPL-3.0-or-later
"""What deviations in chains, types and names look like, and the questions to which several replies are right."""

from appliance.zone import names
from tests.interop import wire
from tests.interop.chains import chain_of, links_to_border
from tests.interop.compare import OURS, Case
from tests.interop.proofs import end, proofs_only

KNOT_LINKS, BIND_LINKS, OUR_LINKS = 5, 11, 16


def chain_leaves_zone(case: Case, server: str) -> bool:
    """The chain ends at its zone's border (Knot: with the referral to a loaded child)."""
    found = case.essences[server]
    before = links_to_border(case.question.folded, case.without(server).reference.answer, case.loaded)
    if before is None or found.rcode or not found.authoritative or found.answer != before:
        return False
    cuts = {record.owner for record in found.authority if record.rtype == wire.NS}
    return proofs_only(found.authority) or (server == "knot" and len(cuts) == 1 and cuts <= case.loaded.zones.keys())


def chain_loop(case: Case, server: str) -> bool:
    """A loop is called SERVFAIL."""
    found = case.essences[server]
    return found.rcode == wire.SERVFAIL and chain_of(case.question.folded, found.answer).loops


def chain_length(case: Case, server: str) -> bool:
    """The chain is given up after some links: Knot says so by silence, BIND by SERVFAIL."""
    found = case.essences[server]
    chain = chain_of(case.question.folded, case.without(server).reference.answer)
    if server == "knot":
        return chain.length > KNOT_LINKS and not found.rcode and found.answer == chain.records(KNOT_LINKS)
    given = chain_of(case.question.folded, found.answer)
    same = any(found.answer == chain.records(links) for links in range(BIND_LINKS, chain.length + 1))
    return found.rcode == wire.SERVFAIL and given.length > BIND_LINKS and same


def our_chain_length(case: Case) -> bool:
    """NSD follows a chain to its end, we through sixteen links (behind a DNAME: sixteen more)."""
    if OURS not in case.essences or "nsd" not in case.essences:
        return False
    ours, chain = case.essences[OURS], chain_of(case.question.folded, case.essences["nsd"].answer)
    if case.question.rtype == wire.NSEC3 and not chain.length:  # NSD follows none, see nsec3-at-cname: go by the data
        chain = chain_of(case.question.folded, ours.answer)
        links = {record for record in ours.answer if record.rtype == wire.CNAME}
        true = all(record in case.loaded.rrset(record.owner, wire.CNAME) for record in links)
        return (
            true
            and chain.length == OUR_LINKS
            and ours.answer == chain.records(OUR_LINKS)
            and not ours.rcode
            and not ours.authority
        )
    most = OUR_LINKS + sum(record.rtype == wire.DNAME for record in ours.answer)
    cut = chain.length > OUR_LINKS and any(ours.answer == chain.records(links) for links in range(OUR_LINKS, most + 1))
    return cut and not ours.rcode and ours.authoritative and not ours.authority


def dname_grows(case: Case) -> bool:
    """A DNAME into its own subtree: everyone stops somewhere behind the same first substitution."""
    name = case.question.folded
    zone = case.loaded.zone_of(name)
    owner = zone.dname_for(name) if zone else None
    if zone is None or owner is None:
        return False
    target = zone.nodes[owner][wire.DNAME].rdatas[0].lower()
    grows = names.is_subdomain(target, owner)
    if case.reference.rcode == wire.YXDOMAIN and not chain_of(name, case.reference.answer).length:
        too_long = (
            found.rcode == wire.YXDOMAIN and found.answer >= case.reference.answer for found in case.essences.values()
        )
        return grows and all(too_long)
    first = chain_of(name, case.reference.answer).records(1)
    for server, found in case.essences.items():
        chain = chain_of(name, found.answer)
        links_only = first <= found.answer == chain.records(chain.length)
        links_only &= found.answer <= case.reference.answer or found.answer >= case.reference.answer
        links_only &= all(record.ttl == zone.nodes[owner][wire.DNAME].ttl for record in found.answer)
        ends = found.rcode in (wire.NOERROR, wire.YXDOMAIN) or (server == "bind" and found.rcode == wire.SERVFAIL)
        if not (found.authoritative and links_only and ends and not found.authority):
            return False
    return grows and bool(first)


def dname_too_long(case: Case, server: str) -> bool:
    """A name too long for substitution is said not to exist, or the zone's SOA stands beside YXDOMAIN."""
    other = case.without(server).reference
    found = case.essences[server]
    same = found.answer == other.answer and any(record.rtype == wire.DNAME for record in other.answer)
    negative = frozenset(record for record in found.authority if record.rtype == wire.SOA)
    said = found.rcode == wire.NXDOMAIN or (found.rcode == wire.YXDOMAIN and proofs_only(found.authority - negative))
    return other.rcode == wire.YXDOMAIN and same and bool(negative) and said


def zero_octet(case: Case, server: str) -> bool:
    """A label with zero octets is taken for the same label without them, or put in the wrong place beside it.

    SERVFAIL where that leaves no NSEC3 to be found.
    """
    last = end(case)
    zone = case.loaded.zone_of(last)
    if zone is None:
        return False
    above = {_without_zeros(name) for name in names.suffixes(last) if len(name) > len(zone.origin)}
    alike = any(b"\0" in b"".join(names.labels(owner)) and _without_zeros(owner) in above for owner in zone.nodes)
    found, other = case.essences[server], case.without(server).reference
    negative = frozenset(record for record in found.authority | other.authority if record.rtype == wire.SOA)
    rest_is_proof = proofs_only((found.authority ^ other.authority) - negative)
    if alike and found.rcode == wire.SERVFAIL:
        return not (found.answer or found.authority or found.glue)
    return alike and rest_is_proof and found.answer <= other.answer and found.rcode in (wire.NOERROR, wire.NXDOMAIN)


def _without_zeros(name: bytes) -> tuple[bytes, ...]:
    return tuple(label.replace(b"\0", b"") for label in names.labels(name))


def whole_rrsets(case: Case, server: str) -> tuple[int, bool]:
    """Return how many RRsets of one name the answer shows behind the chain of a DNAME, and whether they are whole.

    Signatures alone count as none.
    """
    answer = case.essences[server].answer
    chain = chain_of(case.question.folded, answer)
    shown = answer - chain.records(chain.length) if chain.through_dname else answer
    data = frozenset(record for record in shown if record.rtype != wire.RRSIG)
    sets = {(record.owner, record.rtype) for record in data}
    expected = frozenset().union(*(case.loaded.rrset(owner, rtype) for owner, rtype in sets))
    one_name = len({record.owner for record in shown}) == 1
    return len(sets), one_name and data == expected


def _rightly_signed(case: Case) -> bool:
    """Return whether the one RRset that we show has just its own signatures, and none without DO."""
    answer = case.essences[OURS].answer
    chain = chain_of(case.question.folded, answer)
    shown = answer - chain.records(chain.length) if chain.through_dname else answer
    signatures = frozenset(record for record in shown if record.rtype == wire.RRSIG)
    (name, rtype), *_ = {(record.owner, record.rtype) for record in shown - signatures}
    return signatures == (case.loaded.signatures(name, rtype) if case.question.dnssec_ok else frozenset())


def any_query(case: Case) -> bool:
    """Each server shows some whole RRsets of what there is, or (Knot) signatures; we show one RRset."""
    if case.question.rtype != wire.ANY:
        return False
    if OURS in case.essences and not (whole_rrsets(case, OURS)[0] == 1 and _rightly_signed(case)):
        return False
    replies = case.essences.values()
    authorities = {found.authority for found in replies}
    everyone = all(not found.rcode and found.authoritative for found in replies)
    whole = all(whole_rrsets(case, server)[1] for server in case.essences)
    return everyone and whole and len(authorities) == 1 and proofs_only(next(iter(authorities)))


def any_through_dname(case: Case, server: str) -> bool:
    """The CNAME made from a DNAME, which answers ANY already, is followed."""
    if case.question.rtype != wire.ANY:
        return False
    found, other = case.essences[server], case.essences.get(OURS, case.essences.get("bind"))
    if other is None:
        return False
    chain = chain_of(case.question.folded, other.answer)
    stops = chain.through_dname and other.answer == chain.records(1) and not other.rcode and not other.authority
    return stops and other.answer <= found.answer and found != other and found.authoritative


def meta_types(case: Case, server: str) -> bool:
    """Types that no zone can hold are a format error."""
    rtype = case.question.rtype
    return (rtype == wire.OPT or 128 <= rtype <= 250) and case.essences[server].rcode == wire.FORMERR


def mail_types(case: Case, server: str) -> bool:
    """The types of RFC 883 are not implemented."""
    return case.question.rtype in (wire.MAILA, wire.MAILB) and case.essences[server].rcode == wire.NOTIMP


def type_zero(case: Case, server: str) -> bool:
    """Type 0 is not implemented."""
    return case.question.rtype == 0 and case.essences[server].rcode == wire.NOTIMP


def foreign_name(case: Case, server: str) -> bool:
    """A name that only another zone has (an apex below it, glue) is taken for one of this zone."""
    last = end(case)
    zone = case.loaded.zone_for(last, case.question.rtype)
    if zone is None:
        return False
    missing = {above for above in names.suffixes(last) if len(above) > len(zone.origin) and not zone.exists(above)}
    others = (other for other in case.loaded.zones.values() if other is not zone)
    foreign = any(not missing.isdisjoint(names.suffixes(owner)) for other in others for owner in other.nodes)
    found, other_reply = case.essences[server], case.without(server).reference
    negative = {record for record in found.authority if record.rtype == wire.SOA and record.owner == zone.origin}
    rest_is_proof = proofs_only(found.authority - negative)
    return foreign and bool(negative) and rest_is_proof and found.answer <= other_reply.answer and found.authoritative


def ds_of_own_apex(case: Case, server: str) -> bool:
    """A chain for DS that ends at the apex of its own zone is not taken to the parent."""
    last = end(case)
    zone = case.loaded.zones.get(last)
    if case.question.rtype != wire.DS or zone is None or case.loaded.zone_of(names.parent(last)) is None:
        return False
    found, other = case.essences[server], case.without(server).reference
    soa = {record.owner for record in found.authority if record.rtype == wire.SOA}
    return last != case.question.folded and found.answer == other.answer and not found.rcode and soa == {last}
