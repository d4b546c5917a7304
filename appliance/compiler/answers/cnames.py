# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with a CNAME: the whole alias chain for every type that can be found at its end."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from appliance.compiler.answers import chain_proofs, negatives, positive
from appliance.compiler.answers.assemble import AA, Sections, build
from appliance.compiler.answers.chains import Chain, beside, follow, locate, zone_for
from appliance.compiler.answers.referrals import ds_rrs, glue
from appliance.compiler.context import Context, preference, rrset_rrs, signed_rrs, soa_rrs
from appliance.compiler.writer import Answer, Entry
from appliance.store.fragments import RR, Body
from appliance.store.layout import ANSWER, DENIAL_NEXT_CLOSER, DENIAL_NXDOMAIN
from appliance.store.verdict_names import KIND
from appliance.zone import names, types
from appliance.zone.model import RRset, Zone

YXDOMAIN: Final = 6

ROOM: Final = 16384
"""Most octets of RRsets at the end of an alias chain that are copied to each alias."""
_LEAST_OCTETS: Final = 12
"""Octets of a record without its RDATA, its owner being a pointer."""

NewBody = Callable[[], Body]


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
    writer = _Writer(context, shown is None and context.zone.scheme != "unsigned", body)
    entries = []
    if chain.end == "name" and chain.zone:
        at_end = chain.zone.nodes.get(chain.source, {})
        room = Room()
        entries = [
            (rtype, *(writer.both(chain, found) if room.takes(chain.zone, chain.source, found) else (nowhere, 0)))
            for rtype, found in sorted(at_end.items(), key=lambda one: preference(one[0]))
            if rtype != types.NSEC
        ]
    if chain_proofs.matter(context, chain):
        entries += _of_links(context, owner, shown, rrset, writer)
    if chain.zone and _asks_parent(chain):
        at_parent = _at_parent(context, chain)
        ds = writer.both(at_parent, _ds_at(at_parent)) if at_parent else (nowhere, nowhere)
        entries = [(types.DS, *ds), *(entry for entry in entries if entry[0] != types.DS)]
    plain, signed = writer.both(chain, None)
    return entries, (plain, signed or plain)


def _of_links(context: Context, owner: bytes, shown: bytes | None, rrset: RRset, writer: "_Writer") -> Iterator[Entry]:
    """Yield the entries for types that links may have themselves, the first of which then ends the chain."""
    for rtype in (types.RRSIG, types.NSEC):
        if beside(context.zone, owner, rtype):
            continue
        chain = follow(context.world, context.loading, context.zone, owner, shown, rrset, until=rtype)
        found = beside(chain.zone, chain.source, rtype) if chain.zone and chain.end == "name" else None
        if found and chain.zone:
            fits = Room().takes(chain.zone, b"", found)
            yield rtype, *(writer.both(chain, found) if fits else (miss(context), 0))


def _asks_parent(chain: Chain) -> bool:
    """Return whether DS at the chain's end is not the business of the zone that it ends in (RFC 4035 §3.1.4.1)."""
    if chain.zone is None or chain.shown != chain.source:
        return False
    return chain.end == "cut" or (chain.end == "name" and chain.source == chain.zone.origin != names.ROOT)


def _at_parent(context: Context, chain: Chain) -> Chain | None:
    """Return the chain as it ends for type DS: at a cut, in the zone above it; None where userspace has to look."""
    assert chain.zone is not None
    if chain.end == "cut":
        return replace(chain, end="name")
    above = names.parent(chain.source)
    parent = zone_for(context.world, above)
    context.chains.add(parent.origin if parent else above)
    if parent is None:
        return chain
    what, source = locate(parent, chain.source)
    if parent.origin in context.loading or what != "cut":
        return None
    return replace(chain, zone=parent, source=source, end="name" if source == chain.source else "cut")


def _ds_at(chain: Chain) -> RRset | None:
    """Return the DS RRset at a chain's end."""
    return chain.zone.nodes[chain.source].get(types.DS) if chain.zone and chain.end == "name" else None


class Room:
    """The room at an alias for what its chain leads to; userspace puts together what has no room.

    Each of many aliases has a copy, so without a bound a target of n octets and n aliases would take n² of them.
    """

    def __init__(self) -> None:
        """Start with all the room."""
        self._left = ROOM

    def takes(self, zone: Zone, owner: bytes, rrset: RRset) -> bool:
        """Return whether an RRset with its signatures still has room; then it is taken."""
        octets = 0
        for one in (rrset, zone.signatures.get(owner, {}).get(rrset.rtype) if zone.signatures else None):
            if one is not None:
                few = len(one.rdatas) * _LEAST_OCTETS <= self._left
                octets += sum(map(len, one.rdatas)) + len(one.rdatas) * _LEAST_OCTETS if few else self._left + 1
        if octets > self._left:
            return False
        self._left -= octets
        return True


class _Writer:
    """Writes the answers of one owner's chain."""

    def __init__(self, context: Context, proving: bool, body: NewBody) -> None:
        """Take whether the first link comes from a wildcard of a signed zone, and a maker of empty bodies."""
        self._context = context
        self._proving = proving
        self._body = body

    def both(self, chain: Chain, rrset: RRset | None) -> tuple[Answer, Answer]:
        """Return the answers, without and with DNSSEC, that end in an RRset, or in what says that there is none."""
        plain = build(self._context.writer, self._body(), self._sections(chain, rrset, False))
        if not self._proving and not chain_proofs.matter(self._context, chain):
            return plain, 0
        sections = self._sections(chain, rrset, True)
        if not chain_proofs.add(self._context, chain, rrset is None, sections, listed=self._proving):
            return plain, miss(self._context)
        return plain, build(self._context.writer, self._body(), sections)

    def _sections(self, chain: Chain, rrset: RRset | None, dnssec: bool) -> Sections:
        sections = Sections(KIND["cname"], answer=list(chain.signed if dnssec else chain.plain))
        if dnssec and self._proving:
            sections.denial = DENIAL_NEXT_CLOSER
        if chain.end == "yxdomain":
            sections.flags = AA | YXDOMAIN
        if chain.zone is None or chain.end == "alone":
            return sections
        if rrset is not None:
            sections.answer += _final(chain, rrset, dnssec)
        elif chain.end == "cut":
            sections.authority = rrset_rrs(chain.source, chain.zone.nodes[chain.source][types.NS])
            sections.authority += ds_rrs(chain.zone, chain.source) if dnssec else []
            sections.additional = glue(chain.zone, chain.source, dnssec)
        else:
            sections.authority = soa_rrs(chain.zone, dnssec)
            if chain.end == "nxdomain":
                sections.flags = AA | negatives.NXDOMAIN
        return sections


def _final(chain: Chain, rrset: RRset, dnssec: bool) -> list[RR]:
    assert chain.zone is not None
    if rrset.rtype == types.RRSIG:
        return rrset_rrs(chain.shown, rrset)
    return signed_rrs(chain.zone, chain.source, chain.shown, rrset, dnssec)


def cname_entry(context: Context, owner: bytes, rrset: RRset) -> Entry:
    """Return the entry that answers QTYPE CNAME and ANY."""
    plain = positive.exact(context, owner, rrset, False)
    signed = positive.exact(context, owner, rrset, True) if positive.needs_own(context, owner, rrset) else 0
    return types.CNAME, plain, signed
