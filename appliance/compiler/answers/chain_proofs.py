# SPDX-License-Identifier: GPL-3.0-or-later
"""What an alias chain has to prove beside its links, known when the zone is compiled (RFC 4035 §3.1.3, RFC 5155 §7.2).

Only whether a closer name than the wildcard stands for the question name is left: that is searched for each question.
"""

from appliance.compiler.answers.assemble import MAX_FRAGMENTS, Sections
from appliance.compiler.answers.chains import Chain
from appliance.compiler.context import Context, signed_rrs
from appliance.compiler.denial.evidence import Evidence, Owners
from appliance.zone import types
from appliance.zone.model import Zone


def matter(context: Context, chain: Chain) -> bool:
    """Return whether DNSSEC adds anything to a chain that starts at a name of its own."""
    touched = (context.zone, chain.zone, *(zone for zone, _ in chain.made))
    return chain.signed != chain.plain or any(zone.signatures for zone in touched if zone)


def add(context: Context, chain: Chain, negative: bool, sections: Sections, listed: bool) -> bool:
    """Add the NSEC or NSEC3 RRs that the chain needs, each once; False where a zone lacks one, or the list the room.

    negative: it does not end in an RRset of the asked type. listed: a search adds to the proofs of the own zone, so
    these stand apart, where it sees what is there already; all others are part of the answer's own records.
    """
    needed: dict[tuple[bytes, bytes], Zone] = {}
    for zone, owners in _steps(context, chain, negative):
        if not owners:
            return False
        needed |= {(zone.origin, owner): zone for owner in owners}
    for (origin, owner), zone in needed.items():
        if listed and origin == context.zone.origin:
            sections.proofs.append(context.proofs.piece(owner))
            continue
        evidence = context.evidence(zone)
        assert evidence is not None
        sections.authority += signed_rrs(zone, owner, owner, evidence.rrset(owner), True)
    return len(sections.proofs) + 1 + bool(sections.additional) <= MAX_FRAGMENTS


def _steps(context: Context, chain: Chain, negative: bool) -> list[tuple[Zone, Owners]]:
    """Return what each step of the chain needs: of names that wildcards stand for, and of the end."""
    steps = []
    for zone, name in chain.made:
        if evidence := context.evidence(zone):
            steps.append((zone, evidence.next_closer(name)))
    if negative and chain.zone is not None and chain.end not in ("alone", "yxdomain"):
        evidence = context.evidence(chain.zone)
        if evidence is not None and not (chain.end == "cut" and types.DS in chain.zone.nodes[chain.source]):
            steps.append((chain.zone, _of_the_end(evidence, chain)))
    return steps


def _of_the_end(evidence: Evidence, chain: Chain) -> Owners:
    if chain.end == "nxdomain":
        return evidence.nxdomain(chain.shown)
    if chain.end == "name" and chain.shown != chain.source:
        return evidence.wildcard_nodata(chain.source)
    return evidence.nodata(chain.source)
