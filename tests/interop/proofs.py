# SPDX-License-Identifier: GPL-3.0-or-later
"""What deviations in DNSSEC records look like: proofs, signatures and the types that stand beside a CNAME."""

import base64

from appliance.zone import names, nsec3_hash
from appliance.zone.model import Zone
from tests.interop import wire
from tests.interop.chains import chain_of
from tests.interop.compare import Case
from tests.interop.wire import RR

_PROOF_TYPES = frozenset({wire.NSEC, wire.NSEC3, wire.RRSIG})


def proofs_only(records: frozenset[RR]) -> bool:
    """Return whether there is nothing but NSEC, NSEC3 and signatures."""
    return all(record.rtype in _PROOF_TYPES for record in records)


def only_proofs_differ(case: Case, server: str) -> bool:
    """Return whether a peer differs from the reference in proofs alone."""
    if not case.question.dnssec_ok:
        return False
    found, other = case.essences[server], case.without(server).reference
    answer = other.answer if case.question.rtype == wire.RRSIG else found.answer  # see rrsig-query
    same = found._replace(answer=answer, authority=other.authority) == other
    return same and proofs_only(found.authority ^ other.authority)


def end(case: Case) -> bytes:
    """Return the name at which the chain of the reference ends: the question name if there is none."""
    return chain_of(case.question.folded, case.reference.answer).end


def nsec_at_cut(case: Case, server: str) -> bool:
    """The NSEC of a cut is answered like its DS."""
    name = end(case)
    zone = case.loaded.zone_of(name)
    if zone is None or case.question.rtype != wire.NSEC or zone.cut_for(name) != name:
        return False
    found = case.essences[server]
    referral = any(record.rtype == wire.NS for record in case.without(server).reference.authority)
    return referral and not found.rcode and any(record.rtype == wire.NSEC for record in found.answer)


def wildcard_ent_proof(case: Case, server: str) -> bool:
    """The proof that the wildcard is an ENT is left out."""
    last = end(case)
    zone = case.loaded.zone_of(last)
    if zone is None or zone.scheme != "nsec" or not case.loaded.covers_by_wildcard(last) or case.loaded.types(last):
        return False
    found, other = case.essences[server], case.without(server).reference
    return only_proofs_differ(case, server) and found.authority < other.authority


def wildcard_itself_proof(case: Case, server: str) -> bool:
    """NODATA at the wildcard's own name brings the closest encloser's NSEC3 too."""
    found, other = case.essences[server], case.without(server).reference
    extra = {record.rtype for record in found.authority - other.authority}
    own_name = names.is_wildcard(end(case)) and other.authority < found.authority
    return own_name and only_proofs_differ(case, server) and extra == {wire.NSEC3, wire.RRSIG}


def proof_behind_dname(case: Case, server: str) -> bool:
    """Behind a DNAME the NSEC records are those of another name."""
    chain = chain_of(case.question.folded, case.reference.answer)
    return chain.through_dname and only_proofs_differ(case, server)


def nsec_from_wildcard(case: Case, server: str) -> bool:
    """An NSEC shown under a wildcard-made name is not repeated as the proof that this name does not exist."""
    found, other = case.essences[server], case.without(server).reference
    missing = {(record.owner[:2], record.rtype) for record in other.authority - found.authority}
    wildcards = missing == {(b"\x01*", wire.NSEC), (b"\x01*", wire.RRSIG)}
    return case.question.rtype == wire.NSEC and wildcards and only_proofs_differ(case, server)


def below_nsec3_owner(case: Case, server: str) -> bool:
    """The owner of an NSEC3 RR is taken for an existing name, so nothing below it can come from a wildcard."""
    name = end(case)
    zone = case.loaded.zone_of(name)
    above = zone is not None and any(upper in zone.nsec3 for upper in list(names.suffixes(name))[1:])
    found = case.essences[server]
    return above and found.rcode == wire.NXDOMAIN and not any(record.owner == name for record in found.answer)


def wildcard_encloser_proof(case: Case, server: str) -> bool:
    """In NODATA from a wildcard that has another one below, the NSEC3 of the closest encloser is left out."""
    last = end(case)
    zone = case.loaded.zone_of(last)
    if zone is None or zone.scheme != "nsec3" or not case.loaded.covers_by_wildcard(last):
        return False
    encloser = next(above for above in names.suffixes(last) if zone.exists(above))
    left_out = _matching(zone, encloser, case.without(server).reference.authority)
    found, other = case.essences[server], case.without(server).reference
    below = zone.exists(names.wildcard_of(names.wildcard_of(encloser)))
    return (
        below and only_proofs_differ(case, server) and found.authority == other.authority - left_out != other.authority
    )


def _matching(zone: Zone, name: bytes, records: frozenset[RR]) -> frozenset[RR]:
    """Return the NSEC3 whose owner is the hash of a name, and its signature."""
    label = base64.b32hexencode(nsec3_hash.digest(name, nsec3_hash.parameters(zone))).lower()
    return frozenset(record for record in records if record.owner == bytes((len(label),)) + label + zone.origin)


def _unprovable_ent(zone: Zone, name: bytes) -> bool:
    """Return whether the closest encloser of a name is an ENT that opt-out leaves without an NSEC3."""
    encloser = next(above for above in names.suffixes(name) if zone.exists(above) or above == zone.origin)
    below_cuts_only = not any(
        names.is_subdomain(owner, encloser) and owner not in zone.delegations and not zone.is_occluded(owner)
        for owner in zone.nodes
    )
    return encloser in zone.ents and below_cuts_only


def opt_out_ent(case: Case, server: str) -> bool:
    """An ENT without an NSEC3 of its own (opt-out) is taken for a closest encloser that can be proved."""
    last = end(case)
    zone = case.loaded.zone_of(last)
    if zone is None or zone.scheme != "nsec3":
        return False
    return _unprovable_ent(zone, last) and only_proofs_differ(case, server)


def undeniable_wildcard(zone: Zone, name: bytes) -> bytes:
    """Return the wildcard that stands in the way of a proof that a name does not exist, nothing if there is none.

    The closest encloser is an ENT without NSEC3 (opt-out), and the next one above that has one has a wildcard too.
    """
    if zone.scheme != "nsec3" or not _unprovable_ent(zone, name):
        return b""
    parameters = nsec3_hash.parameters(zone)
    hashes = set(nsec3_hash.table(zone, parameters)[0])
    upper = next(
        (above for above in names.suffixes(name) if nsec3_hash.digest(above, parameters) in hashes), zone.origin
    )
    wildcard = names.wildcard_of(upper)
    return wildcard if zone.exists(wildcard) else b""


def opt_out_wildcard(case: Case) -> bool:
    """Below an ENT without NSEC3, and a wildcard at the closest encloser that has one, nothing can be proved.

    Knot says nothing but NXDOMAIN, BIND shows the wildcard's NSEC3 besides what we show, NSD those of the ENT.
    """
    zone = case.loaded.zone_of(end(case))
    wildcard = undeniable_wildcard(zone, end(case)) if zone is not None and case.question.dnssec_ok else b""
    if zone is None or not wildcard or {found.rcode for found in case.essences.values()} != {wire.NXDOMAIN}:
        return False
    reference = case.reference
    for server, found in case.essences.items():
        if server == "knot" and not found.authority and not found.authoritative and found.answer <= reference.answer:
            continue
        shown = found.authority - _matching(zone, wildcard, found.authority)
        right = shown == reference.authority or (server == "nsd" and proofs_only(shown ^ reference.authority))
        if not (right and found.authoritative and found.answer == reference.answer):
            return False
    return True


def asterisk_asked(case: Case, server: str) -> bool:
    """A name that begins with an asterisk and comes from a wildcard above is taken for a wildcard of the zone."""
    chain = chain_of(case.question.folded, case.reference.answer)
    asked = [name for name in (*chain.owners, chain.end) if names.is_wildcard(name)]
    fewer = case.essences[server].authority < case.without(server).reference.authority
    return fewer and any(map(case.loaded.covers_by_wildcard, asked)) and only_proofs_differ(case, server)


def rrsig_query(case: Case) -> bool:
    """Each server shows some signatures of the owner, NSD all, the others one set of them, whichever."""
    if case.question.rtype != wire.RRSIG:
        return False
    chain = chain_of(case.question.folded, case.reference.answer)
    before, there = chain.records(chain.length), case.loaded.signatures(chain.end)
    for found in case.essences.values():
        shown = found.answer - before
        if (
            not shown
            or not shown <= there
            or found._replace(answer=frozenset()) != case.reference._replace(answer=frozenset())
        ):
            return False
    return True


def rrsig_at_cname(case: Case, server: str) -> bool:
    """A CNAME that has no RRSIG or NSEC beside it is not followed for these."""
    return case.question.rtype in (wire.RRSIG, wire.NSEC) and _not_followed(case, server)


def nsec3_at_cname(case: Case, server: str) -> bool:
    """A CNAME is not followed for NSEC3, which can never stand beside one."""
    return case.question.rtype == wire.NSEC3 and _not_followed(case, server)


def _not_followed(case: Case, server: str) -> bool:
    given = chain_of(case.question.folded, case.essences[server].answer)
    ends_early = wire.CNAME in case.loaded.types(given.end)
    return ends_early and any(record.rtype == wire.SOA for record in case.essences[server].authority)
