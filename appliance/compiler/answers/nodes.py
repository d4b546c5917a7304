# SPDX-License-Identifier: GPL-3.0-or-later
"""One node for each name of a zone, with the answers of its types."""

from appliance.compiler.answers import cnames, negatives, positive, referrals
from appliance.compiler.answers.assemble import Sections, build
from appliance.compiler.answers.chains import beside
from appliance.compiler.context import Context, exact_body, moving_body, preference, rrset_rrs
from appliance.compiler.writer import Answer, Entry
from appliance.store.fragments import Body
from appliance.store.layout import (
    DENIAL_NEXT_CLOSER,
    NODE_APEX,
    NODE_BELOW,
    NODE_CNAME,
    NODE_CUT,
    NODE_DNAME,
    NODE_FILLER,
    NODE_WILDCARD,
)
from appliance.store.verdict_names import KIND
from appliance.zone import names, types
from appliance.zone.model import RRset


def flags_of(context: Context, name: bytes) -> int:
    """Return the flags that a name's place and types give it, cuts aside."""
    rrsets = context.zone.nodes.get(name, {})
    flags = NODE_APEX if name == context.zone.origin else 0
    if types.DNAME in rrsets:
        flags |= NODE_DNAME
    if types.CNAME in rrsets:
        flags |= NODE_CNAME
    if names.is_wildcard(name):
        flags |= NODE_WILDCARD
    return flags


def exact_entry(context: Context, name: bytes, rrset: RRset) -> Entry:
    """Return the entry of an RRset at its own owner."""
    plain = positive.exact(context, name, rrset, False)
    signed: Answer = 0
    if context.signed and positive.needs_own(context, name, rrset):
        with context.placing(True):
            signed = positive.exact(context, name, rrset, True)
    return rrset.rtype, plain, signed


def write_name(context: Context, name: bytes) -> int:
    """Write the node of an authoritative name or ENT; return its reference, not published yet."""
    zone, writer = context.zone, context.writer
    rrsets = zone.nodes.get(name, {})
    other: tuple[Answer, Answer]
    if types.CNAME in rrsets:
        rrset = rrsets[types.CNAME]
        own = [cnames.cname_entry(context, name, rrset)]
        own += [exact_entry(context, name, rrsets[rtype]) for rtype in (types.NSEC,) if rtype in rrsets]
        own += positive.rrsig_entry(context, name)
        found, other = cnames.chain_table(context, name, name, rrset, lambda: exact_body(name))
        entries = own + found
    else:
        entries = [exact_entry(context, name, rrset) for rrset in rrsets.values()]
        if context.signed:
            entries += positive.rrsig_entry(context, name)
        if len(entries) > 1:
            entries.sort(key=lambda entry: preference(entry[0]))
        other = negatives.at_name(context, name)
    return writer.node(
        name, flags_of(context, name), entries, other, context.wildcards.get(name, 0), context.proofs.material(name)
    )


def write_wildcard(context: Context, wildcard: bytes) -> int:
    """Write the node that answers for the names that a wildcard stands for.

    In a zone without proofs it is the wildcard's own node too; in others it hangs beside the index, because what it
    says needs a proof that the literal question for the wildcard does not.
    """
    zone, writer = context.zone, context.writer
    parent = names.parent(wildcard)
    rrsets = zone.nodes.get(wildcard, {})

    def body() -> Body:
        return moving_body(parent)

    entries: list[Entry] = []
    for rrset in rrsets.values():
        plain = positive.expanded(context, body(), wildcard, rrset, False)
        signed = positive.expanded(context, body(), wildcard, rrset, True) if context.signed else 0
        entries.append((rrset.rtype, plain, signed))
    entries += _expanded_rrsig(context, wildcard, body())
    entries.sort(key=lambda entry: preference(entry[0]))
    other = negatives.at_wildcard(context, wildcard)
    if types.CNAME in rrsets:
        found, other = cnames.chain_table(context, wildcard, None, rrsets[types.CNAME], body)
        entries += found
    own = context.wildcards.get(wildcard, 0)
    return writer.node(wildcard, flags_of(context, wildcard), entries, other, own, context.proofs.material(wildcard))


def _expanded_rrsig(context: Context, wildcard: bytes, body: Body) -> list[Entry]:
    rrset = beside(context.zone, wildcard, types.RRSIG)
    if rrset is None:
        return []
    rrs = rrset_rrs(None, rrset)
    plain = context.writer.refer(build(context.writer, body, Sections(KIND["wildcard"], answer=rrs)))
    if context.zone.scheme == "unsigned":
        return [(types.RRSIG, plain, 0)]
    again = moving_body(names.parent(wildcard))
    sections = Sections(KIND["wildcard"], answer=rrs, denial=DENIAL_NEXT_CLOSER)
    return [(types.RRSIG, plain, build(context.writer, again, sections))]


def write_cut(context: Context, cut: bytes, below: bool) -> int:
    """Write the node of a delegation point; below tells whether other loaded zones lie at or under it."""
    flags = NODE_CUT | (NODE_BELOW if below else 0) | (NODE_WILDCARD if names.is_wildcard(cut) else 0)
    referred = referrals.referrals(context, cut)
    insecure = types.DS not in context.zone.nodes[cut]
    entries = [] if insecure and referrals.is_composed(referred) else referrals.ds_entry(context, cut)
    return context.writer.node(cut, flags, entries, referred)


def write_filler(context: Context, name: bytes, cut: tuple[Answer, Answer], flags: int) -> int:
    """Write a node for a name between a cut of this zone and the apex of a loaded zone below."""
    return context.writer.node(name, flags, [], cut)


def write_missing(context: Context, name: bytes, wildcard: int) -> int:
    """Write a node for a name that does not exist but has the apex of a loaded zone below, which nothing delegates.

    `wildcard` is the node of the wildcard that stands for the name. Userspace answers what needs it, or a proof.
    """
    nowhere = cnames.miss(context)
    return context.writer.node(name, NODE_FILLER, [], (nowhere if wildcard else context.nxdomain[0], nowhere), wildcard)
