# SPDX-License-Identifier: GPL-3.0-or-later
"""A reply taken apart for comparison: names decompressed and folded, sections as sets; fast, because there are many."""

from typing import NamedTuple

AA, TC, RD, RA, AD, CD = 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
A, NS, CNAME, SOA, MX, TXT, AAAA, SRV, DNAME, OPT, DS = 1, 2, 5, 6, 15, 16, 28, 33, 39, 41, 43
RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM, IXFR, AXFR, MAILB, MAILA, ANY = 46, 47, 48, 50, 51, 251, 252, 253, 254, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, NOTAUTH, BADVERS = 0, 1, 2, 3, 4, 5, 6, 9, 16
_CLASS_IN = b"\0\1"
_POINTER = 0xC0


class Malformed(ValueError):
    """A reply that is no DNS message, or breaks a rule that holds for every reply."""


class RR(NamedTuple):
    """A record: folded owner, type, TTL, RDATA without compression and with folded names."""

    owner: bytes
    rtype: int
    ttl: int
    rdata: bytes


class Reply(NamedTuple):
    """A reply without its id. `repeated`: some section holds a record twice; `size`: octets of the message."""

    rcode: int
    opcode: int
    flags: int
    question: bytes
    answer: frozenset[RR]
    authority: frozenset[RR]
    additional: frozenset[RR]
    edns: bool
    repeated: bool
    size: int

    @property
    def truncated(self) -> bool:
        """Return whether TC is set."""
        return bool(self.flags & TC)


# Octets before the first name in RDATA, and how many names follow; the rest is taken as it is.
_COMPRESSIBLE = {
    NS: (0, 1), CNAME: (0, 1), SOA: (0, 2), MX: (2, 1),
    3: (0, 1), 4: (0, 1), 7: (0, 1), 8: (0, 1), 9: (0, 1), 12: (0, 1), 14: (0, 2),
}  # fmt: skip
_PLAIN = {
    DNAME: (0, 1), SRV: (6, 1), RRSIG: (18, 1), NSEC: (0, 1), 17: (0, 2), 18: (2, 1), 21: (2, 1), 26: (2, 2),
    36: (2, 1), 64: (2, 1), 65: (2, 1), 107: (2, 1),
}  # fmt: skip
_NAPTR = 35
_LAYOUTS = {**_COMPRESSIBLE, **_PLAIN}


def read_name(wire: bytes, at: int, known: dict[int, bytes]) -> tuple[bytes, int]:
    """Return the folded name at an offset, without compression, and the offset behind it; `known` remembers names."""
    length = wire[at]
    if length >= _POINTER and (name := known.get((length & 0x3F) << 8 | wire[at + 1])):
        return name, at + 2  # it is known, so it stands further up
    start, parts = at, []
    while True:
        length = wire[at]
        if length == 0:
            parts.append(b"\0")
            at += 1
            break
        if length >= _POINTER:
            target = (length & 0x3F) << 8 | wire[at + 1]
            if target >= start:
                raise Malformed(f"pointer at {at} does not point backwards")
            at += 2
            parts.append(known.get(target) or read_name(wire, target, known)[0])
            break
        if length > 63:
            raise Malformed(f"label type {length:#x} at {at}")
        parts.append(wire[at : at + 1 + length])
        at += 1 + length
    name = b"".join(parts).lower()
    if len(name) > 255:
        raise Malformed(f"name of {len(name)} octets at {start}")
    known[start] = name
    return name, at


def _skip_strings(wire: bytes, at: int, count: int) -> int:
    for _ in range(count):
        at += 1 + wire[at]
    return at


def rdata(wire: bytes, rtype: int, at: int, end: int, known: dict[int, bytes]) -> bytes:
    """Return the RDATA between two offsets without compression and with folded names."""
    layout = _LAYOUTS.get(rtype)
    if layout is None:
        if rtype != _NAPTR:
            return wire[at:end]
        layout = (_skip_strings(wire, at + 4, 3) - at, 1)
    plain = rtype not in _COMPRESSIBLE
    before, names = layout
    parts = [wire[at : at + before]]
    at += before
    for _ in range(names):
        name, after = read_name(wire, at, known)
        if plain and after - at != len(name):
            raise Malformed(f"compressed name in RDATA of type {rtype} (RFC 3597 section 4)")
        parts.append(name)
        at = after
    if at > end:
        raise Malformed(f"RDATA of type {rtype} ends inside a name")
    parts.append(wire[at:end])
    return b"".join(parts)


def _records(wire: bytes, at: int, count: int, known: dict[int, bytes]) -> tuple[list[RR], bytes, int]:
    """Return the records of a section but OPT, the fixed part of the OPT, and the offset behind."""
    records, opt = [], b""
    for _ in range(count):
        owner, at = read_name(wire, at, known)
        fixed = wire[at : at + 10]
        rtype = fixed[0] << 8 | fixed[1]
        start = at + 10
        at = start + (fixed[8] << 8 | fixed[9])
        if at > len(wire):
            raise Malformed("a record runs past the end")
        if rtype == OPT:
            if opt or owner != b"\0":
                raise Malformed("two OPT records, or one whose owner is not the root")
            opt = fixed
            continue
        if fixed[2:4] != _CLASS_IN:
            raise Malformed(f"class {fixed[2:4].hex()}")
        ttl = int.from_bytes(fixed[4:8])
        records.append(RR(owner, rtype, ttl, rdata(wire, rtype, start, at, known)))
    return records, opt, at


def parse(wire: bytes) -> Reply:
    """Take a reply apart; raise Malformed where it breaks the rules of RFC 1035 §4.1, RFC 3597 §4 or RFC 6891 §6.1."""
    try:
        return _parse(wire)
    except IndexError:
        raise Malformed("the message ends early") from None


def _parse(wire: bytes) -> Reply:
    flags = wire[2] << 8 | wire[3]
    if not flags & 0x8000:
        raise Malformed("not a reply")
    questions, at, known = wire[4] << 8 | wire[5], 12, dict[int, bytes]()
    for _ in range(questions):
        at = read_name(wire, at, known)[1] + 4
    question = wire[12:at]
    answer, early, at = _records(wire, at, wire[6] << 8 | wire[7], known)
    authority, early2, at = _records(wire, at, wire[8] << 8 | wire[9], known)
    additional, opt, at = _records(wire, at, wire[10] << 8 | wire[11], known)
    if early or early2:
        raise Malformed("OPT outside the additional section")
    if at != len(wire):
        raise Malformed(f"{len(wire) - at} octets after the last record")
    extended = opt[4] << 4 if opt else 0
    sets = frozenset(answer), frozenset(authority), frozenset(additional)
    return Reply(
        rcode=flags & 15 | extended,
        opcode=flags >> 11 & 15,
        flags=flags & (AA | TC | RD | RA | AD | CD),
        question=question,
        answer=sets[0],
        authority=sets[1],
        additional=sets[2],
        edns=bool(opt),
        repeated=len(sets[0]) + len(sets[1]) + len(sets[2]) != len(answer) + len(authority) + len(additional),
        size=len(wire),
    )
