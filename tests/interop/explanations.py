# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the peers differ from each other, and which of them this server follows: docs/differences.md as code.

A `Deviation` sets one peer aside for one question, because its reply has exactly the shape described; whoever remains
must agree with us. A `Choice` settles a case where the RFCs leave the answer open. Each names a question in the
zones of tests/interop/zones that needs it; a test fails when the need has gone.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from appliance.zone import names
from tests.interop import wire
from tests.interop.chains import chain_of, links_to_border
from tests.interop.compare import OURS, Case
from tests.interop.wire import RR

KNOT_LINKS, BIND_LINKS, OUR_LINKS = 5, 11, 16
_PROOF_TYPES = frozenset({wire.NSEC, wire.NSEC3, wire.RRSIG})


class Example(NamedTuple):
    """A question: how the zones are signed ("" for not at all), name below corner.test, type, whether DO is set."""

    signed: str
    name: str
    rtype: int
    dnssec_ok: bool = False


class Deviation(NamedTuple):
    """A reply by which one of these peers departs from what we follow."""

    name: str
    rfc: str
    servers: tuple[str, ...]
    applies: Callable[[Case, str], bool]
    example: Example


class Choice(NamedTuple):
    """A question to which several replies are right."""

    name: str
    rfc: str
    applies: Callable[[Case], bool]
    example: Example


def _proofs_only(records: frozenset[RR]) -> bool:
    """Tell whether there is nothing but NSEC, NSEC3 and signatures."""
    return all(record.rtype in _PROOF_TYPES for record in records)


def _only_proofs_differ(case: Case, server: str) -> bool:
    """Tell whether a peer differs from the reference in proofs alone."""
    if not case.question.dnssec_ok:
        return False
    found, other = case.essences[server], case.without(server).reference
    return found._replace(authority=other.authority) == other and _proofs_only(found.authority ^ other.authority)


def _end(case: Case) -> bytes:
    """Return the name at which the chain of the reference ends: the question name if there is none."""
    return chain_of(case.question.folded, case.reference.answer).end


def _chain_leaves_zone(case: Case, server: str) -> bool:
    """The chain ends at its zone's border (Knot: with the referral to a loaded child)."""
    found = case.essences[server]
    before = links_to_border(case.question.folded, case.without(server).reference.answer, case.loaded)
    if before is None or found.rcode or not found.authoritative or found.answer != before:
        return False
    cuts = {record.owner for record in found.authority if record.rtype == wire.NS}
    return _proofs_only(found.authority) or (server == "knot" and len(cuts) == 1 and cuts <= case.loaded.zones.keys())


def _chain_loop(case: Case, server: str) -> bool:
    """A loop is called SERVFAIL."""
    found = case.essences[server]
    return found.rcode == wire.SERVFAIL and chain_of(case.question.folded, found.answer).loops


def _chain_length(case: Case, server: str) -> bool:
    """The chain is given up after some links: Knot says so by silence, BIND by SERVFAIL."""
    found = case.essences[server]
    chain = chain_of(case.question.folded, case.without(server).reference.answer)
    if server == "knot":
        return chain.length > KNOT_LINKS and not found.rcode and found.answer == chain.records(KNOT_LINKS)
    given = chain_of(case.question.folded, found.answer)
    same = any(found.answer == chain.records(links) for links in range(BIND_LINKS, chain.length + 1))
    return found.rcode == wire.SERVFAIL and given.length > BIND_LINKS and same


def _our_chain_length(case: Case) -> bool:
    """NSD follows a chain to its end, we through sixteen links."""
    if OURS not in case.essences or "nsd" not in case.essences:
        return False
    ours, chain = case.essences[OURS], chain_of(case.question.folded, case.essences["nsd"].answer)
    cut = chain.length > OUR_LINKS and ours.answer == chain.records(OUR_LINKS)
    return cut and not ours.rcode and ours.authoritative and not ours.authority


def _dname_grows(case: Case) -> bool:
    """A DNAME into its own subtree: everyone stops somewhere behind the same first substitution."""
    name = case.question.folded
    zone = case.loaded.zone_of(name)
    owner = zone.dname_for(name) if zone else None
    if zone is None or owner is None:
        return False
    target = zone.nodes[owner][wire.DNAME].rdatas[0].lower()
    first = chain_of(name, case.reference.answer).records(1)
    for server, found in case.essences.items():
        chain = chain_of(name, found.answer)
        links_only = first <= found.answer == chain.records(chain.length)
        ends = found.rcode in (wire.NOERROR, wire.YXDOMAIN) or (server == "bind" and found.rcode == wire.SERVFAIL)
        if not (found.authoritative and links_only and ends and not found.authority):
            return False
    return names.is_subdomain(target, owner) and bool(first)


def _dname_too_long(case: Case, server: str) -> bool:
    """A name too long for substitution is said not to exist."""
    other = case.without(server).reference
    found = case.essences[server]
    same = found.answer == other.answer and any(record.rtype == wire.DNAME for record in other.answer)
    return other.rcode == wire.YXDOMAIN and found.rcode == wire.NXDOMAIN and same


def _whole_rrsets(case: Case, server: str) -> int:
    """Return how many whole RRsets of one name the answer shows behind the chain of a DNAME; 0 if that is not all."""
    answer = case.essences[server].answer
    chain = chain_of(case.question.folded, answer)
    shown = answer - chain.records(chain.length) if chain.through_dname else answer
    data = frozenset(record for record in shown if record.rtype != wire.RRSIG)
    covered = {int.from_bytes(record.rdata[:2]) for record in shown - data}
    sets = {(record.owner, record.rtype) for record in data}
    if len({owner for owner, _ in sets}) != 1 or not covered <= {rtype for _, rtype in sets}:
        return 0
    expected = frozenset().union(*(case.loaded.rrset(owner, rtype) for owner, rtype in sets))
    return len(sets) if data == expected else 0


def _any(case: Case) -> bool:
    """Each server shows some whole RRsets of what there is; we one."""
    if case.question.rtype != wire.ANY or (OURS in case.essences and _whole_rrsets(case, OURS) != 1):
        return False
    replies = case.essences.values()
    authorities = {found.authority for found in replies}
    everyone = all(not found.rcode and found.authoritative for found in replies)
    whole = all(_whole_rrsets(case, server) for server in case.essences)
    return everyone and whole and len(authorities) == 1 and _proofs_only(next(iter(authorities)))


def _any_through_dname(case: Case, server: str) -> bool:
    """The synthesised CNAME counts as the answer to ANY."""
    if case.question.rtype != wire.ANY:
        return False
    chain = chain_of(case.question.folded, case.without(server).reference.answer)
    found = case.essences[server]
    return chain.through_dname and found.answer == chain.records(1) and not found.rcode and not found.authority


def _rrsig_query(case: Case) -> bool:
    """NSD shows every signature of the owner, the others one set of them, whichever."""
    if case.question.rtype != wire.RRSIG or "nsd" not in case.essences:
        return False
    everything = case.essences["nsd"]
    for found in case.essences.values():
        signed = any(record.rtype == wire.RRSIG for record in found.answer - _through_dname(case, found.answer))
        if (
            not signed
            or not found.answer <= everything.answer
            or found._replace(answer=everything.answer) != everything
        ):
            return False
    return True


def _through_dname(case: Case, answer: frozenset[RR]) -> frozenset[RR]:
    chain = chain_of(case.question.folded, answer)
    return chain.records(chain.length)


def _rrsig_at_cname(case: Case, server: str) -> bool:
    """A CNAME is followed for types that are the owner's own."""
    name = chain_of(case.question.folded, case.without(server).reference.answer).end
    followed = chain_of(name, case.essences[server].answer)
    return case.question.rtype in (wire.RRSIG, wire.NSEC) and followed.length > 0


def _nsec3_at_cname(case: Case, server: str) -> bool:
    """A CNAME is not followed for NSEC3, which can never stand beside one."""
    if case.question.rtype != wire.NSEC3:
        return False
    given = chain_of(case.question.folded, case.essences[server].answer)
    ends_early = wire.CNAME in case.loaded.types(given.end)
    return ends_early and any(record.rtype == wire.SOA for record in case.essences[server].authority)


def _nsec_at_cut(case: Case, server: str) -> bool:
    """The NSEC of a cut is answered like its DS."""
    name = _end(case)
    zone = case.loaded.zone_of(name)
    if zone is None or case.question.rtype != wire.NSEC or zone.cut_for(name) != name:
        return False
    found = case.essences[server]
    return not found.rcode and bool(found.answer) and not case.without(server).reference.authoritative


def _meta_types(case: Case, server: str) -> bool:
    """Types that no zone can hold are a format error."""
    rtype = case.question.rtype
    return (rtype == wire.OPT or 128 <= rtype <= 250) and case.essences[server].rcode == wire.FORMERR


def _mail_types(case: Case, server: str) -> bool:
    """The types of RFC 883 are not implemented."""
    return case.question.rtype in (wire.MAILA, wire.MAILB) and case.essences[server].rcode == wire.NOTIMP


def _type_zero(case: Case, server: str) -> bool:
    """Type 0 is not implemented."""
    return case.question.rtype == 0 and case.essences[server].rcode == wire.NOTIMP


def _wildcard_ent_proof(case: Case, server: str) -> bool:
    """The proof that the wildcard is an ENT is left out."""
    end = _end(case)
    zone = case.loaded.zone_of(end)
    if zone is None or zone.scheme != "nsec" or not case.loaded.covers_by_wildcard(end) or case.loaded.types(end):
        return False
    found, other = case.essences[server], case.without(server).reference
    return _only_proofs_differ(case, server) and found.authority < other.authority


def _wildcard_itself_proof(case: Case, server: str) -> bool:
    """NODATA at the wildcard's own name brings the closest encloser's NSEC3 too."""
    found, other = case.essences[server], case.without(server).reference
    extra = {record.rtype for record in found.authority - other.authority}
    own_name = names.is_wildcard(_end(case)) and other.authority < found.authority
    return own_name and _only_proofs_differ(case, server) and extra == {wire.NSEC3, wire.RRSIG}


def _proof_behind_dname(case: Case, server: str) -> bool:
    """Behind a DNAME the NSEC records are those of another name."""
    chain = chain_of(case.question.folded, case.reference.answer)
    return chain.through_dname and _only_proofs_differ(case, server)


def _nsec_from_wildcard(case: Case, server: str) -> bool:
    """An NSEC shown under a wildcard-made name is not repeated as the proof that this name does not exist."""
    found, other = case.essences[server], case.without(server).reference
    missing = {(record.owner[:2], record.rtype) for record in other.authority - found.authority}
    wildcards = missing == {(b"\x01*", wire.NSEC), (b"\x01*", wire.RRSIG)}
    return case.question.rtype == wire.NSEC and wildcards and _only_proofs_differ(case, server)


def _below_nsec3_owner(case: Case, server: str) -> bool:
    """The owner of an NSEC3 RR is taken for an existing name, so nothing below it can come from a wildcard."""
    name = _end(case)
    zone = case.loaded.zone_of(name)
    above = zone is not None and any(upper in zone.nsec3 for upper in list(names.suffixes(name))[1:])
    found = case.essences[server]
    return above and found.rcode == wire.NXDOMAIN and not any(record.owner == name for record in found.answer)


def _opt_out_ent(case: Case, server: str) -> bool:
    """An ENT without an NSEC3 of its own (opt-out) is taken for a closest encloser that can be proved."""
    end = _end(case)
    zone = case.loaded.zone_of(end)
    if zone is None or zone.scheme != "nsec3":
        return False
    encloser = next(above for above in names.suffixes(end) if zone.exists(above) or above == zone.origin)
    below_cuts_only = not any(
        names.is_subdomain(owner, encloser) and owner not in zone.delegations and not zone.is_occluded(owner)
        for owner in zone.nodes
    )
    return encloser in zone.ents and below_cuts_only and _only_proofs_differ(case, server)


_LONG = f"{'a' * 63}.{'b' * 9}.dname-long"
DEVIATIONS = (
    Deviation("meta-types", "3597 §2", ("bind",), _meta_types, Example("", "mail", 128)),
    Deviation("mail-types", "8906 §3.1.4", ("bind",), _mail_types, Example("", "mail", 253)),
    Deviation("type-zero", "8906 §3.1.4", ("knot",), _type_zero, Example("", "mail", 0)),
    Deviation("nsec3-at-cname", "5155 §3", ("nsd",), _nsec3_at_cname, Example("", "www", 50)),
    Deviation("rrsig-at-cname", "4035 §2.5", ("nsd",), _rrsig_at_cname, Example("", "www", 46)),
    Deviation("chain-loop", "1034 §3.6.2", ("bind",), _chain_loop, Example("", "loop1", 1)),
    Deviation("chain-length", "1034 §5.2.2", ("knot", "bind"), _chain_length, Example("", "long1", 1)),
    Deviation("chain-leaves-zone", "1034 §4.3.2", ("knot", "bind"), _chain_leaves_zone, Example("", "to-other", 1)),
    Deviation("dname-too-long", "6672 §2.2", ("knot",), _dname_too_long, Example("", _LONG, 1)),
    Deviation("any-through-dname", "8482 §4.1", ("bind",), _any_through_dname, Example("", "x.dname-in", 255)),
    Deviation("nsec-at-cut", "4035 §3.1.4.1", ("bind",), _nsec_at_cut, Example("nsec", "cut-in", 47, True)),
    Deviation(
        "wildcard-ent-proof",
        "4035 §3.1.3.4",
        ("knot", "bind"),
        _wildcard_ent_proof,
        Example("nsec", "x.stars", 16, True),
    ),
    Deviation(
        "wildcard-itself-proof", "5155 §7.2.3", ("nsd",), _wildcard_itself_proof, Example("nsec3", "*.wild", 16, True)
    ),
    Deviation("proof-behind-dname", "4035 §3.1.3", ("nsd",), _proof_behind_dname, Example("nsec", "to-dname", 1, True)),
    Deviation(
        "nsec-from-wildcard", "4035 §3.1.3.3", ("knot",), _nsec_from_wildcard, Example("nsec", "x.wilddead", 47, True)
    ),
    Deviation("below-nsec3-owner", "5155 §7.2.8", ("nsd",), _below_nsec3_owner, Example("nsec3", "x.<nsec3>", 1, True)),
    Deviation("opt-out-ent", "5155 §7.2.4", ("nsd",), _opt_out_ent, Example("optout", "ent-cut", 43, True)),
)
CHOICES = (
    Choice("any", "8482 §4.1", _any, Example("", "@", 255)),
    Choice("rrsig-query", "8482 §7", _rrsig_query, Example("nsec", "mail", 46, True)),
    Choice("dname-grows", "6672 §2.4", _dname_grows, Example("", "x.dname-grow", 1)),
    Choice("our-chain-length", "1034 §5.2.2", _our_chain_length, Example("", "long1", 1)),
)


def explain(case: Case) -> list[str] | None:
    """Return the names of what explains a case where not all agree, or None: then it is a failure."""
    used: list[str] = []
    while not case.all_agree():
        choice = next((found for found in CHOICES if found.applies(case)), None)
        if choice is not None:
            return [*used, choice.name]
        aside = next(_deviating(case), None)
        if aside is None:
            return None
        used.append(aside[0].name)
        case = case.without(aside[1])
    return used if case.peers else None


def _deviating(case: Case) -> Iterator[tuple[Deviation, str]]:
    """Yield the deviations that apply, while another peer remains to vouch for the answer."""
    for found in DEVIATIONS:
        for server in found.servers:
            if server in case.essences and len(case.peers) > 1 and found.applies(case, server):
                yield found, server
