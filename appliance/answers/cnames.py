# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with a CNAME: the whole chain for every type that can be found at its end."""

from collections.abc import Callable, Iterable
from typing import Final

from appliance.answers import negatives, positive
from appliance.answers.assemble import AA, Sections, build
from appliance.answers.chains import Chain, follow
from appliance.answers.context import Context, signed_rrs, soa_rrs
from appliance.answers.fragments import Body
from appliance.answers.layout import ANSWER, DENIAL_NXDOMAIN, KIND
from appliance.answers.referrals import glue, referral_parts
from appliance.answers.writer import Answer, Entry
from appliance.zone import types
from appliance.zone.model import RRset

YXDOMAIN: Final = 6

NewBody = Callable[[], Body]

_OWN: Final = (types.CNAME, types.RRSIG, types.NSEC)
"""Types that a CNAME's owner answers itself (RFC 4035 §2.5)."""


def miss(context: Context) -> int:
    """Return the answer that only says: userspace builds this chain."""
    return context.writer.share(ANSWER.pack(AA, 0, 0, 0, 0, 0, KIND["cname"], DENIAL_NXDOMAIN, 0, 0, 0, 0))


def chain_table(
    context: Context, owner: bytes, shown: bytes | None, rrset: RRset, body: NewBody
) -> tuple[list[Entry], tuple[Answer, Answer]]:
    """Return the entries for the types found at the chain's end, and `node.other` for all others."""
    chain = follow(context.world, context.loading, context.zone, owner, shown, rrset)
    context.chains |= chain.zones
    nowhere = miss(context)
    if chain.again:
        return [], (nowhere, nowhere)
    proving = shown is None and context.zone.scheme != "unsigned"
    dnssec_too = any(zone.signatures for zone in (context.zone, chain.zone) if zone) or chain.signed != chain.plain

    def both(rtype: int) -> tuple[Answer, Answer]:
        plain = _found(context, chain, rtype, False, body()) if rtype else _ended(context, chain, False, body())
        if not dnssec_too:
            return plain, 0
        if proving or not chain.whole:
            return plain, nowhere
        return plain, _found(context, chain, rtype, True, body()) if rtype else _ended(context, chain, True, body())

    entries: list[Entry] = []
    if chain.end == "name" and chain.zone:
        entries = [(rtype, *both(rtype)) for rtype in _types_at_end(chain)]
    if _asks_parent(chain):
        entries = [(types.DS, nowhere, nowhere), *(entry for entry in entries if entry[0] != types.DS)]
    plain, signed = both(0)
    return entries, (plain, signed or plain)


def own_entries(context: Context, owner: bytes, present: Iterable[Entry]) -> list[Entry]:
    """Return NODATA entries for RRSIG and NSEC where the owner of a CNAME lacks them."""
    _, proved = negatives.at_name(context, owner)
    held = {entry[0] for entry in present}
    nodata = (context.nodata[0], proved or context.nodata[1])
    return [(rtype, *nodata) for rtype in (types.RRSIG, types.NSEC) if rtype not in held]


def _types_at_end(chain: Chain) -> list[int]:
    assert chain.zone is not None
    return [rtype for rtype in chain.zone.nodes.get(chain.source, {}) if rtype not in _OWN]


def _asks_parent(chain: Chain) -> bool:
    """Tell whether DS at the chain's end is not the business of the zone that it ends in (RFC 4035 §3.1.4.1)."""
    if chain.zone is None:
        return False
    apex = chain.end == "name" and chain.source == chain.zone.origin
    return chain.shown == chain.source and (chain.end == "cut" or apex)


def _found(context: Context, chain: Chain, rtype: int, dnssec: bool, body: Body) -> Answer:
    """Return the chain with the RRset at its end."""
    assert chain.zone is not None
    rrset = chain.zone.nodes[chain.source][rtype]
    links = chain.signed if dnssec else chain.plain
    final = signed_rrs(chain.zone, chain.source, chain.shown, rrset, dnssec)
    return build(context.writer, body, Sections(KIND["cname"], answer=links + final))


def _ended(context: Context, chain: Chain, dnssec: bool, body: Body) -> Answer:
    """Return the chain with the negative answer or referral at its end."""
    sections = Sections(KIND["cname"], answer=chain.signed if dnssec else chain.plain)
    zone = chain.zone
    if chain.end == "yxdomain":
        sections.flags = AA | YXDOMAIN
    if zone is None or chain.end == "alone":
        return build(context.writer, body, sections)
    own = zone.origin == context.zone.origin
    if chain.end == "cut":
        if own:
            parts = referral_parts(context, chain.source, dnssec)
            sections.authority, sections.proofs, sections.additional = parts
        elif dnssec and zone.scheme != "unsigned":
            return miss(context)
        else:
            sections.authority = signed_rrs(zone, chain.source, chain.source, zone.nodes[chain.source][types.NS], False)
            sections.additional = glue(zone, chain.source, dnssec)
        return build(context.writer, body, sections)
    sections.authority = soa_rrs(zone, dnssec)
    if chain.end == "nxdomain":
        sections.flags = AA | negatives.NXDOMAIN
    elif dnssec and zone.scheme != "unsigned":
        if not own:
            return miss(context)
        sections.proofs = context.proofs.nodata(chain.source)
    return build(context.writer, body, sections)


def cname_entry(context: Context, owner: bytes, rrset: RRset) -> Entry:
    """Return the entry that answers QTYPE CNAME and ANY."""
    plain = positive.exact(context, owner, rrset, False)
    signed = positive.exact(context, owner, rrset, True) if positive.needs_own(context, owner, rrset) else 0
    return types.CNAME, plain, signed
