# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare our reply with the peers': what must be equal, what is optional, what holds for each reply by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from appliance.zone import names
from tests.interop import wire
from tests.interop.loaded import Loaded
from tests.interop.questions import Question
from tests.interop.wire import RR, Reply

OURS = "ours"
EDNS_SIZE = 1232
_RR_FIXED = 10
_TARGET_AT = {wire.NS: 0, wire.MX: 2, wire.SRV: 6, 64: 2, 65: 2}
"""Octets before the name whose addresses are useful, by type (RFC 1034 §4.3.2 step 6)."""
_SECTIONS = ("answer", "authority", "glue")


class Essence(NamedTuple):
    """The part of a reply that all servers must agree on."""

    rcode: int
    authoritative: bool
    answer: frozenset[RR]
    authority: frozenset[RR]
    glue: frozenset[RR]


def required_glue(reply: Reply) -> frozenset[RR]:
    """Return the in-domain glue of a referral: addresses of servers at or below the cut itself (RFC 9471 §2.1)."""
    servers = {
        record.rdata
        for record in reply.authority
        if record.rtype == wire.NS and names.is_subdomain(record.rdata, record.owner)
    }
    return frozenset(record for record in reply.additional if record.owner in servers)


def essence(reply: Reply) -> Essence:
    """Return what must be equal."""
    aa = bool(reply.flags & wire.AA)
    return Essence(reply.rcode, aa, reply.answer, reply.authority, required_glue(reply))


@dataclass
class Case:
    """One question and what each server says in full: over TCP where any reply over UDP was truncated."""

    question: Question
    loaded: Loaded
    replies: Mapping[str, Reply]
    peers_say: Callable[[Question], Mapping[str, Reply]] | None = None
    """Asks the peers another question, in full."""

    @cached_property
    def essences(self) -> dict[str, Essence]:
        """Return each server's essence."""
        return {server: essence(reply) for server, reply in self.replies.items()}

    @property
    def peers(self) -> list[str]:
        """Return the servers other than ours."""
        return [server for server in self.replies if server != OURS]

    def all_agree(self) -> bool:
        """Return whether everyone says the same."""
        return len(set(self.essences.values())) == 1

    def without(self, server: str) -> "Case":
        """Return the case as if this server had not been asked."""
        kept = {name: reply for name, reply in self.replies.items() if name != server}
        return replace(self, replies=kept)

    @property
    def reference(self) -> Essence:
        """The reply that shows most: ours, else that of the first peer (NSD, while it has not been set aside)."""
        return self.essences[OURS] if OURS in self.essences else self.essences[self.peers[0]]

    def text(self) -> str:
        """Return the question and, for each server, what not all of them say."""
        lines = [self.question.text()]
        found = list(self.essences.values())
        common = {section: frozenset.intersection(*(getattr(one, section) for one in found)) for section in _SECTIONS}
        lines += [
            f"  all: {section} {record_text(record)}" for section in _SECTIONS for record in sorted(common[section])
        ]
        for server, one in self.essences.items():
            lines.append(f"  {server}: rcode={one.rcode} aa={one.authoritative}")
            for section in _SECTIONS:
                own = sorted(getattr(one, section) - common[section])
                lines += [f"      {section:9} {record_text(record)}" for record in own]
        return "\n".join(lines)


def record_text(record: RR) -> str:
    """Return a record to read; the RDATA in hexadecimal."""
    return f"{names.to_text(record.owner)} {record.ttl} TYPE{record.rtype} {record.rdata[:48].hex()}"


def own_faults(question: Question, over_udp: Reply, full: Reply, loaded: Loaded) -> list[str]:
    """Return what is wrong with our reply by itself, whatever the peers say; `full` is the reply over TCP."""
    faults = []
    if over_udp.question != question.name + question.rtype.to_bytes(2) + b"\0\1":
        faults.append("question not echoed octet for octet")
    if over_udp.flags & (wire.RD | wire.CD) != question.flags & (wire.RD | wire.CD):
        faults.append("RD or CD not copied (RFC 4035 section 3.1.6)")
    if over_udp.flags & (wire.RA | wire.AD):
        faults.append("RA or AD set")
    if over_udp.edns != (question.size > 0):
        faults.append("OPT without being asked, or none where one was (RFC 6891 section 6.1.1)")
    if over_udp.repeated or full.repeated:
        faults.append("a record twice in a section")
    faults += _size_faults(question, over_udp, full)
    return faults + _additional_faults(full, loaded) + _signature_faults(question, full, loaded)


def _size_faults(question: Question, over_udp: Reply, full: Reply) -> list[str]:
    limit = min(question.limit, EDNS_SIZE)
    if over_udp.size > limit:
        return [f"{over_udp.size} octets where {limit} are allowed"]
    if not over_udp.truncated:
        complete = essence(over_udp) == essence(full)
        return [] if complete else ["a required record left out without TC (RFC 2181 section 9, RFC 9471 section 3.1)"]
    faults = []
    if over_udp.answer or over_udp.authority or over_udp.additional:
        faults.append("TC with records")
    optional = full.additional - required_glue(full)
    smallest = full.size - sum(2 + _RR_FIXED + len(record.rdata) for record in optional)
    if smallest <= limit:
        faults.append(f"TC although {smallest} octets would do where {limit} are allowed")
    return faults


def _targets(record: RR) -> set[bytes]:
    """Return the name whose addresses are useful beside a record; the root stands for the owner (RFC 9460 §2.5)."""
    name = wire.read_name(record.rdata, _TARGET_AT[record.rtype], {})[0]
    return {record.owner if name == b"\0" else name}


def _additional_faults(full: Reply, loaded: Loaded) -> list[str]:
    shown = full.answer | full.authority
    targets = {target for record in shown if record.rtype in _TARGET_AT for target in _targets(record)}
    return [
        f"additional record out of place: {record_text(record)}"
        for record in full.additional
        if record.owner not in targets or not loaded.has_address(record)
    ]


def _signature_faults(question: Question, full: Reply, loaded: Loaded) -> list[str]:
    """Return what is wrong with the signatures of additional addresses, which peers may leave out with these."""
    signatures = frozenset(record for record in full.additional if record.rtype == wire.RRSIG)
    fitting: frozenset[RR] = frozenset()
    for owner, rtype in {(record.owner, record.rtype) for record in full.additional - signatures}:
        found = frozenset(
            record for record in signatures if record.owner == owner and int.from_bytes(record.rdata[:2]) == rtype
        )
        if found not in (loaded.address_signatures(owner, rtype) if question.dnssec_ok else {frozenset()}):
            return [f"additional {names.to_text(owner)} TYPE{rtype} without the signatures of its zone"]
        fitting |= found
    return [] if signatures == fitting else ["a signature in the additional section without what it signs"]


def missing_additional(case: Case) -> frozenset[RR]:
    """Return optional additional records that every peer gives and we do not, though all of them would have fitted.

    Behind a CNAME we give none, and none that only a wildcard gives.
    """
    if any(record.rtype == wire.CNAME for record in case.replies[OURS].answer):
        return frozenset()
    given = [case.replies[server].additional for server in case.peers]
    ours = case.replies[OURS]
    common = frozenset.intersection(*given) - ours.additional
    missing = frozenset(record for record in common if not case.loaded.covers_by_wildcard(record.owner))
    more = frozenset().union(*given) - ours.additional
    octets = sum(len(record.owner) + _RR_FIXED + len(record.rdata) for record in more)
    return missing if ours.size + octets <= min(case.question.limit, EDNS_SIZE) else frozenset()
