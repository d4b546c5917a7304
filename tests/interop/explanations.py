# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the peers differ from each other, and which of them this server follows: docs/differences.md as code.

A `Deviation` sets one peer aside for one question, because its reply has exactly the shape described; whoever remains
must agree with us. A `Choice` settles a case where the RFCs leave the answer open. Each names a question in the
zones of tests/interop/zones that needs it; a test fails when the need has gone.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from tests.interop import deviations, proofs, wire
from tests.interop.chains import chain_of
from tests.interop.compare import OURS, Case


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


_LONG = f"{'a' * 63}.{'b' * 9}.dname-long"
DEVIATIONS = (
    Deviation("meta-types", "3597 §2", ("bind",), deviations.meta_types, Example("", "mail", 128)),
    Deviation("mail-types", "8906 §3.1.4", ("bind",), deviations.mail_types, Example("", "mail", 253)),
    Deviation("type-zero", "8906 §3.1.4", ("knot",), deviations.type_zero, Example("", "mail", 0)),
    Deviation("nsec3-at-cname", "5155 §3", ("nsd",), proofs.nsec3_at_cname, Example("", "www", 50)),
    Deviation("rrsig-at-cname", "6840 §4.3", ("knot", "bind"), proofs.rrsig_at_cname, Example("", "www", 46)),
    Deviation("chain-loop", "1034 §3.6.2", ("bind",), deviations.chain_loop, Example("", "loop1", 1)),
    Deviation("chain-length", "1034 §5.2.2", ("knot", "bind"), deviations.chain_length, Example("", "long5", 1)),
    Deviation(
        "chain-leaves-zone", "1034 §4.3.2", ("knot", "bind"), deviations.chain_leaves_zone, Example("", "to-other", 1)
    ),
    Deviation("dname-too-long", "6672 §2.2", ("knot",), deviations.dname_too_long, Example("", _LONG, 1)),
    Deviation(
        "any-through-dname", "8482 §4.1", ("nsd", "knot"), deviations.any_through_dname, Example("", "x.dname-in", 255)
    ),
    Deviation("nsec-at-cut", "4035 §3.1.4.1", ("bind",), proofs.nsec_at_cut, Example("nsec", "cut-in", 47, True)),
    Deviation(
        "wildcard-ent-proof",
        "4035 §3.1.3.4",
        ("knot", "bind"),
        proofs.wildcard_ent_proof,
        Example("nsec", "x.stars", 16, True),
    ),
    Deviation(
        "wildcard-itself-proof",
        "5155 §7.2.3",
        ("nsd",),
        proofs.wildcard_itself_proof,
        Example("nsec3", "*.wild", 16, True),
    ),
    Deviation(
        "proof-behind-dname", "4035 §3.1.3", ("nsd",), proofs.proof_behind_dname, Example("nsec", "to-dname", 1, True)
    ),
    Deviation(
        "nsec-from-wildcard",
        "4035 §3.1.3.3",
        ("knot",),
        proofs.nsec_from_wildcard,
        Example("nsec", "x.wilddead", 47, True),
    ),
    Deviation(
        "below-nsec3-owner", "5155 §7.2.8", ("nsd",), proofs.below_nsec3_owner, Example("nsec3", "x.<nsec3>", 1, True)
    ),
    Deviation("asterisk-asked", "4592 §2.3", ("knot",), proofs.asterisk_asked, Example("nsec", "*.n.wild", 1, True)),
    Deviation("foreign-name", "8020 §2", ("nsd",), deviations.foreign_name, Example("", "glue.foreign", 1)),
    Deviation(
        "ds-of-own-apex",
        "4035 §3.1.4.1",
        ("knot", "bind"),
        deviations.ds_of_own_apex,
        Example("", "to-own-apex.child", 43),
    ),
    Deviation("zero-octet", "2181 §11", ("knot",), deviations.zero_octet, Example("nsec", "x.nul", 1, True)),
    Deviation(
        "wildcard-encloser-proof",
        "5155 §7.2.5",
        ("nsd",),
        proofs.wildcard_encloser_proof,
        Example("nsec3", "x.twowild", 1, True),
    ),
    Deviation("opt-out-ent", "5155 §7.2.4", ("nsd",), proofs.opt_out_ent, Example("optout", "ent-cut", 43, True)),
)
CHOICES = (
    Choice("any", "8482 §4.1", deviations.any_query, Example("", "@", 255)),
    Choice("rrsig-query", "8482 §7", proofs.rrsig_query, Example("nsec", "mail", 46, True)),
    Choice("opt-out-wildcard", "5155 §7.2.2", proofs.opt_out_wildcard, Example("optout", "x.cuts.wildent", 1, True)),
    Choice("dname-grows", "6672 §2.4", deviations.dname_grows, Example("", "x.dname-grow", 1)),
    Choice("our-chain-length", "1034 §5.2.2", deviations.our_chain_length, Example("", "long1", 1)),
)


def explain(case: Case) -> list[str] | None:
    """Return the names of what explains a case where not all agree, or None: then it is a failure."""
    used = _explain_whole(case)
    return [TAIL.name] if used is None and TAIL.applies(case) else used


def _explain_whole(case: Case) -> list[str] | None:
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


def _chain_tail(case: Case) -> bool:
    """Return whether we say what the peers do for each link, asked for as CNAME, and then what they do for the end.

    For chains about which no peer is right as a whole, or which only one of them follows.
    """
    ours, question = case.replies.get(OURS), case.question
    chain = chain_of(question.folded, ours.answer) if ours is not None else None
    if ours is None or case.peers_say is None or not chain or not chain.length or not ours.flags & wire.AA:
        return False
    if question.rtype in (wire.CNAME, wire.ANY):
        return False
    proofs_of_links: frozenset[wire.RR] = frozenset()
    for owner, step in zip(chain.owners, chain.steps, strict=True):
        link = question._replace(name=owner, rtype=wire.CNAME)
        said = case.peers_say(link)
        for proof in {reply.authority for reply in said.values()}:
            part = ours._replace(rcode=0, answer=step, authority=proof & ours.authority, additional=frozenset())
            if _is_explained(replace(case, question=link, replies={OURS: part, **said})):
                proofs_of_links |= part.authority
                break
        else:
            return False
    end = question._replace(name=chain.end)
    said = case.peers_say(end)
    for tail in said.values():
        rest = ours._replace(
            flags=ours.flags & ~wire.AA | tail.flags & wire.AA,
            answer=ours.answer - chain.records(chain.length),
            authority=ours.authority - (proofs_of_links - tail.authority),
        )
        if _is_explained(replace(case, question=end, replies={OURS: rest, **said})):
            return True
    return False


def _is_explained(case: Case) -> bool:
    return len(case.peers) > 1 and (case.all_agree() or _explain_whole(case) is not None)


TAIL = Choice("chain-tail", "1034 §4.3.2", _chain_tail, Example("nsec", "x.dname-other", 1, True))


def _deviating(case: Case) -> Iterator[tuple[Deviation, str]]:
    """Yield the deviations that apply, while another peer remains to vouch for the answer."""
    for found in DEVIATIONS:
        for server in found.servers:
            if server not in case.essences or case.essences[server] == case.essences.get(OURS):
                continue  # who agrees with us is not set aside
            if len(case.peers) > 1 and found.applies(case, server):
                yield found, server
