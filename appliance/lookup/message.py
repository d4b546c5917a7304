# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages taken apart into records, and records put together into a message, where the store has no whole answer."""

import struct
from dataclasses import dataclass, field

from appliance.lookup.render import COPIED, HEADER, QR, TC, Edns
from appliance.store.fragments import RR, Body, question_places
from appliance.store.rdata_names import COMPRESSIBLE
from appliance.zone import names, types

_FIXED = struct.Struct(">HHIH")


@dataclass(slots=True)
class Records:
    """The sections of a reply as uncompressed records; each record is there once."""

    rcode: int = 0
    authoritative: bool = True
    answer: list[RR] = field(default_factory=list)
    authority: list[RR] = field(default_factory=list)
    additional: list[RR] = field(default_factory=list)

    def add(self, other: "Records") -> None:
        """Append the records of another reply that are not there yet."""
        for mine, theirs in (
            (self.answer, other.answer),
            (self.authority, other.authority),
            (self.additional, other.additional),
        ):
            mine += [rr for rr in dict.fromkeys(theirs) if rr not in mine]


def _name(wire: bytes, at: int) -> tuple[bytes, int]:
    """Return the name at an offset with its pointers followed, and the offset behind it."""
    parts = []
    after = 0
    while length := wire[at]:
        if length >= 0xC0:
            after = after or at + 2
            at = (length & 0x3F) << 8 | wire[at + 1]
            continue
        parts.append(wire[at : at + length + 1])
        at += length + 1
    return b"".join(parts) + b"\0", after or at + 1


def _record(wire: bytes, at: int) -> tuple[RR, int]:
    owner, at = _name(wire, at)
    rtype, _, ttl, length = _FIXED.unpack_from(wire, at)
    at += _FIXED.size
    end = at + length
    shape = COMPRESSIBLE.get(rtype)
    if shape is None:
        return (owner, rtype, ttl, wire[at:end]), end
    before, count = shape
    parts = [wire[at : at + before]]
    at += before
    for _ in range(count):
        name, at = _name(wire, at)
        parts.append(name)
    return (owner, rtype, ttl, b"".join(parts) + wire[at:end]), end


def take_apart(wire: bytes) -> Records:
    """Return the records of a message of our own making, without OPT."""
    _, flags, _, an, ns, ar = HEADER.unpack_from(wire)
    _, at = _name(wire, HEADER.size)
    at += 4
    found = Records(flags & 15, bool(flags & 0x0400))
    for section, count in ((found.answer, an), (found.authority, ns), (found.additional, ar)):
        for _ in range(count):
            rr, at = _record(wire, at)
            section.append(rr)
    return found


def _in_domain_glue(records: Records) -> list[RR]:
    """Return the addresses that a referral must not lack: of servers at or below the cut itself (RFC 9471 §3.1)."""
    servers = {
        rdata.lower()
        for owner, rtype, _, rdata in records.authority
        if owner is not None and rtype == types.NS and names.is_subdomain(rdata.lower(), owner.lower())
    }
    return [rr for rr in records.additional if rr[0] is not None and rr[0].lower() in servers]


def put_together(records: Records, ident: int, flags: int, question: bytes, limit: int, edns: Edns | None) -> bytes:
    """Return the message; over limit octets first what is optional goes, then everything, with TC set."""
    opt = edns.record() if edns else b""
    room = limit - HEADER.size - len(question) - len(opt)
    qname = question[:-4]
    body = Body(len(qname), question_places(qname.lower()), fixed=True)
    body.extend(records.answer)
    body.extend(records.authority)
    glue = _in_domain_glue(records)
    body.extend(glue)
    required = len(body.octets)
    body.extend([rr for rr in records.additional if rr not in glue])
    octets = bytes(body.octets)
    counts = [len(records.answer), len(records.authority), len(records.additional)]
    if len(octets) > room:
        octets, counts[2] = octets[:required], len(glue)
    flags = flags & COPIED | QR | records.rcode | (0x0400 if records.authoritative else 0)
    if len(octets) > room:
        octets, counts = b"", [0, 0, 0]
        flags |= TC
    return HEADER.pack(ident, flags, 1, counts[0], counts[1], counts[2] + (edns is not None)) + question + octets + opt
