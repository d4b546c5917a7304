# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the DNS message of a reply: sections against the oracle, header, question and OPT octet for octet."""

from collections.abc import Sequence
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode

from tests.datapath import reply
from tests.datapath.packets import CD, DO, QR, RD
from tests.reference import resolver
from tests.reference.zone import ReferenceZone

AA, TC = 0x0400, 0x0200
BARE = {"answer_refused": 5, "answer_servfail": 2, "answer_formerr": 1, "answer_notimp": 4, "answer_badvers": 0}
"""Verdicts whose reply has no records, and the lower bits of their rcode."""
_OPCODE = 0x7800
_ANY = 255
_WITH_ADDRESSES = (2, 15, 33, 64, 65)  # NS, MX, SRV, SVCB, HTTPS


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a well-formed query decides the answer."""

    flags: int
    qname: bytes
    qtype: int
    question_end: int
    edns: bool
    dnssec_ok: bool
    limit: int


def read_query(query: bytes) -> Asked:
    """Take a well-formed query apart."""
    end = reply.question_end(query)
    opt = query[end:]
    size = int.from_bytes(opt[3:5]) if opt else 512
    return Asked(
        flags=int.from_bytes(query[2:4]),
        qname=query[12 : end - 4],
        qtype=int.from_bytes(query[end - 4 : end - 2]),
        question_end=end,
        edns=bool(opt),
        dnssec_ok=bool(opt and opt[7] & DO >> 8),
        limit=min(max(size, 512), reply.EDNS_SIZE),
    )


def opt_record(dnssec_ok: bool, extended: int = 0) -> bytes:
    """Return the one OPT that replies carry (RFC 6891 §6.1.1): our size, version 0, the asker's DO, no option."""
    size = reply.EDNS_SIZE.to_bytes(2)
    return b"\0\0\x29" + size + bytes([extended, 0, 0x80 if dnssec_ok else 0, 0, 0, 0])


def bare(query: bytes, rcode: int, *, question: bool, extended: int = 0) -> bytes:
    """Return the only right reply without records: REFUSED, SERVFAIL, FORMERR, NOTIMP, BADVERS."""
    flags = QR | int.from_bytes(query[2:4]) & (_OPCODE | RD | CD) | rcode
    if not question:
        return query[:2] + flags.to_bytes(2) + bytes(8)
    asked = read_query(query)
    opt = opt_record(asked.dnssec_ok, extended) if asked.edns else b""
    counts = b"\0\1" + bytes(4) + bytes([0, int(asked.edns)])
    return query[:2] + flags.to_bytes(2) + counts + query[12 : asked.question_end] + opt


def bare_of(verdict: str, query: bytes) -> bytes:
    """Return the only right reply for a verdict of BARE to a query with a well-formed question."""
    return bare(query, BARE[verdict], question=True, extended=int(verdict == "answer_badvers"))


def truncated(query: bytes, *, aa: bool) -> bytes:
    """Return the only right truncated reply: TC, no records but OPT."""
    whole = bare(query, 0, question=True)
    return whole[:2] + (int.from_bytes(whole[2:4]) | TC | (AA if aa else 0)).to_bytes(2) + whole[4:]


def faults(zones: Sequence[ReferenceZone], query: bytes, message: bytes) -> list[str]:
    """Return what is wrong with a whole (TC clear) reply to a well-formed query, given the zones served."""
    asked = read_query(query)
    expected = resolver.answer(zones, asked.qname, asked.qtype, asked.dnssec_ok)
    if asked.qtype == _ANY:  # the one RRset comes with what it would come with if it were asked for by its type
        for rtype in _WITH_ADDRESSES:
            typed = resolver.answer(zones, asked.qname, rtype, asked.dnssec_ok)
            expected.additional_optional |= typed.additional_optional | typed.additional_required
    said = dns.message.from_wire(message)
    found = expected.differences(
        said.rcode(),
        bool(said.flags & dns.flags.AA),
        resolver.records_of(said.answer),
        resolver.records_of(said.authority),
        resolver.records_of(said.additional),
    )
    flags = QR | asked.flags & (_OPCODE | RD | CD) | (AA if expected.aa else 0) | expected.rcode
    if message[2:4] != flags.to_bytes(2):
        found.append(f"flags {message[2:4].hex()}, expected {flags:04x}")
    if message[12 : asked.question_end] != query[12 : asked.question_end]:
        found.append("question not echoed octet for octet")
    if len(message) > asked.limit:
        found.append(f"{len(message)} octets where {asked.limit} are allowed")
    opt = opt_record(asked.dnssec_ok)
    if asked.edns != (said.opt is not None) or (asked.edns and not message.endswith(opt)):
        found.append("OPT is not last or not as it has to be")
    for section in (said.answer, said.authority, said.additional):
        if len({(rrset.name, rrset.rdtype, rrset.covers) for rrset in section}) != len(section):
            found.append("an RRset is torn in two")
    counted = sum(len(rrset) for section in (said.answer, said.authority, said.additional) for rrset in section)
    if counted + asked.edns != sum(int.from_bytes(message[at : at + 2]) for at in (6, 8, 10)):
        found.append("a record twice in a section, or counts that are not those of the records")
    return found
