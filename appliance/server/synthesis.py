# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that no store can hold: names below a DNAME (RFC 6672 §3.2), and chains that pass one.

The chain is followed link by link, each link an answer from the store. It is a rare way: dnspython joins the parts.
"""

from collections.abc import Iterable
from typing import Final

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.exception import TooBig
from dns.rrset import RRset

from appliance.answers import lookup
from appliance.answers.layout import KIND, NODE_DNAME, NODE_FILLER
from appliance.answers.lookup import Outcome
from appliance.answers.render import render
from appliance.answers.store import Store
from appliance.server import message
from appliance.server.question import Query
from appliance.zone import names, types

MAX_LINKS: Final = 16

_WHOLE: Final = 65535
_NO_ANSWER: Final = frozenset((KIND["refused"], KIND["servfail"]))
_AA: Final = 0x0400


class Chain:
    """The sections of a reply as they grow, link by link."""

    def __init__(self, store: Store, query: Query) -> None:
        self._store = store
        self._query = query
        self.rcode = 0
        self.answer: list[RRset] = []
        self.authority: list[RRset] = []
        self.additional: list[RRset] = []

    def follow(self) -> None:
        """Follow the chain from the question name to its end, or until it closes, leaves our zones or gets too long."""
        query, name = self._query, self._query.qname
        seen: set[bytes] = set()
        for _ in range(MAX_LINKS + 1):
            seen.add(names.fold(name))
            outcome = lookup.find(self._store, names.fold(name), query.qtype, query.dnssec_ok)
            if outcome.lacks == "dname":
                target = self._substitute(name, outcome)
            elif outcome.lacks == "chain":
                target = self._take_link(name)
            else:
                self._finish(name, outcome)
                return
            if target is None or query.qtype in (types.CNAME, types.ANY) or names.fold(target) in seen:
                return
            name = target

    def _substitute(self, name: bytes, outcome: Outcome) -> bytes | None:
        """Add the DNAME above a name and the CNAME made from it; return that one's target, None if it is too long."""
        owner = self._dname_owner(outcome.record)
        part, _ = self._part(owner, types.DNAME)
        self._add(self.answer, part.answer)
        self._add(self.authority, part.authority)
        dname = next(rrset for rrset in part.answer if rrset.rdtype == dns.rdatatype.DNAME)
        target: bytes = name[: len(name) - len(owner)] + dname[0].target.to_wire()
        if len(target) > names.MAX_NAME:
            self.rcode = message.YXDOMAIN
            return None
        alias, _ = dns.name.from_wire(name, 0)
        cname = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.CNAME, target, 0, len(target))
        self._add(self.answer, [dns.rrset.from_rdata(alias, dname.ttl, cname)])
        return target

    def _dname_owner(self, record: int) -> bytes:
        """Return the owner of the DNAME that a record is at or, as a filler, below."""
        owner = lookup.owner_at(self._store, record)
        while self._store.octets[record * 16 + 2] & (NODE_DNAME | NODE_FILLER) != NODE_DNAME:
            owner = names.parent(owner)
            record = self._store.find_record(owner)
        return owner

    def _take_link(self, name: bytes) -> bytes | None:
        """Add the CNAME at a name; return its target."""
        part, _ = self._part(name, types.CNAME)
        self._add(self.answer, part.answer)
        self._add(self.authority, part.authority)
        links = [rrset for rrset in part.answer if rrset.rdtype == dns.rdatatype.CNAME]
        return bytes(links[0][0].target.to_wire()) if links else None

    def _finish(self, name: bytes, outcome: Outcome) -> None:
        """Add what the chain's last name brings; a name outside our zones ends the chain without an error."""
        part, kind = self._part(name, self._query.qtype, outcome)
        if kind in _NO_ANSWER:
            return
        self.rcode = part.rcode()
        self._add(self.answer, part.answer)
        self._add(self.authority, part.authority)
        self._add(self.additional, part.additional)

    def _part(self, name: bytes, rtype: int, outcome: Outcome | None = None) -> tuple[dns.message.Message, int]:
        """Return one answer of the store as a message of its own, and its kind."""
        if outcome is None:
            outcome = lookup.find(self._store, names.fold(name), rtype, self._query.dnssec_ok)
        question = name + rtype.to_bytes(2) + types.IN.to_bytes(2)
        kind, wire = render(self._store, outcome, 0, 0, question, _WHOLE, None)
        return dns.message.from_wire(wire, one_rr_per_rrset=False), kind

    @staticmethod
    def _add(section: list[RRset], found: Iterable[RRset]) -> None:
        """Add RRsets that are not there yet."""
        for rrset in found:
            if not any(rrset.match(other.name, other.rdclass, other.rdtype, other.covers) for other in section):
                section.append(rrset)


def synthesise(store: Store, wire: bytes, query: Query, limit: int, edns_size: int) -> tuple[int, bytes]:
    """Return the kind of answer and the reply to a question whose name leads through a DNAME."""
    chain = Chain(store, query)
    chain.follow()
    reply = dns.message.from_wire(wire[:4] + b"\x00\x01" + bytes(6) + query.question)
    reply.flags = query.flags & message.COPIED | message.QR | _AA
    reply.set_rcode(dns.rcode.Rcode(chain.rcode))
    if query.edns:
        reply.use_edns(0, dns.flags.DO if query.dnssec_ok else 0, edns_size)
    reply.answer, reply.authority, reply.additional = chain.answer, chain.authority, chain.additional
    synthesised = any(rrset.rdtype == dns.rdatatype.DNAME for rrset in chain.answer)
    try:
        return KIND["dname" if synthesised else "cname"], reply.to_wire(max_size=limit)
    except TooBig:
        reply.flags |= dns.flags.TC
        reply.answer, reply.authority, reply.additional = [], [], []
        return KIND["truncated"], reply.to_wire()
