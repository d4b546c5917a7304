# SPDX-License-Identifier: GPL-3.0-or-later
"""Read one query: header, exactly one question, OPT, TSIG. As strict as `ebpf/question.h`, and readable beside it."""

import struct
from dataclasses import dataclass
from typing import Final

from appliance.errors import WireError
from appliance.zone import names, types

HEADER_LEN: Final = 12
MAX_QUERY: Final = 4096
"""Octets a query may have; a question, options and a signature need far less."""
MIN_UDP_SIZE: Final = 512
OPT_LEN: Final = 11

TSIG: Final = 250
CLASS_ANY: Final = 255

_OPCODE: Final = 0x7800
_NOTIFY: Final = 4 << 11

_HEADER = struct.Struct(">HHHHHH")
_QUESTION_TAIL = struct.Struct(">HH")
_RECORD = struct.Struct(">HHIH")  # type, class, TTL, RDLENGTH
_OPTION = struct.Struct(">HH")
_TSIG_TAIL = struct.Struct(">6sHH")  # time signed, fudge, MAC size
_TSIG_END = struct.Struct(">HHH")  # original ID, error, other length


@dataclass(slots=True)
class Tsig:
    """The signature record of a query, not verified (RFC 8945 §4.2)."""

    key_name: bytes
    algorithm: bytes
    time_signed: bytes
    fudge: int
    original_id: int


@dataclass(slots=True)
class Query:
    """One well-formed query.

    `qname` keeps its case; `question` has the octets to echo. `limit` is what a UDP reply may have: the client's size,
    at least 512 and at most ours.
    """

    flags: int
    question: bytes
    qname: bytes
    qtype: int
    qclass: int
    edns: bool = False
    version: int = 0
    dnssec_ok: bool = False
    limit: int = MIN_UDP_SIZE
    tsig: Tsig | None = None


@dataclass(frozen=True, slots=True)
class Remains:
    """What of a malformed message could be read: its question, empty unless there is exactly one, and DO of its OPT."""

    question: bytes
    dnssec_ok: bool


def read_query(wire: bytes, edns_size: int) -> Query:
    """Return the query in a message of at least 12 octets. Raises WireError for whatever deserves FORMERR.

    NOTIFY may bring records in every section (RFC 1996 §3.7); they are hints, and nobody takes them.
    """
    _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if len(wire) > MAX_QUERY:
        raise WireError(f"more than {MAX_QUERY} octets")
    notify = flags & _OPCODE == _NOTIFY
    if questions != 1 or (answers and not notify):
        raise WireError(f"{questions} questions and {answers} answers; a query has one and none (RFC 9619 §4)")
    qname, at = names.read(wire, HEADER_LEN)
    if at + 4 > len(wire):
        raise WireError("the question has no type and class")
    qtype, qclass = _QUESTION_TAIL.unpack_from(wire, at)
    at += 4
    query = Query(flags, wire[HEADER_LEN:at], qname, qtype, qclass)
    if notify:
        for _ in range(answers + authorities):
            at = _skip_record(wire, at)
    elif authorities:
        if qtype != types.IXFR or authorities != 1:
            raise WireError(f"{authorities} authority records in a query")
        at = _skip_soa(wire, at)
    for left in range(additionals - 1, -1, -1):
        at = _read_additional(wire, at, query, edns_size, last=not left)
    if at != len(wire):
        raise WireError(f"{len(wire) - at} octets after the last record")
    return query


def readable_opt(wire: bytes) -> Remains | None:
    """Return what can be read of a malformed message, None if its OPT cannot (RFC 6891 §7)."""
    _, _, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if len(wire) > MAX_QUERY:
        return None
    at = HEADER_LEN
    try:
        for _ in range(questions):
            _, at = names.read(wire, at)
            at += _QUESTION_TAIL.size
        question = wire[HEADER_LEN:at] if questions == 1 else b""
        for _ in range(answers + authorities):
            at = _skip_record(wire, at)
        for _ in range(additionals):
            owner, at = read_name(wire, at)
            rtype, _, ttl, _, at = _record(wire, at)
            if rtype == types.OPT and owner == names.ROOT:
                return Remains(question, bool(ttl & 0x8000))
    except WireError:
        return None
    return None


def _skip_record(wire: bytes, at: int) -> int:
    _, at = read_name(wire, at)
    return _record(wire, at)[-1]


def _record(wire: bytes, at: int) -> tuple[int, int, int, int, int]:
    """Return type, class, TTL and the borders of the RDATA of the record whose owner name ends at an offset."""
    if at + _RECORD.size > len(wire):
        raise WireError("a record is cut short")
    rtype, rclass, ttl, rdlength = _RECORD.unpack_from(wire, at)
    start = at + _RECORD.size
    if start + rdlength > len(wire):
        raise WireError("a record's RDATA is cut short")
    return rtype, rclass, ttl, start, start + rdlength


def _skip_soa(wire: bytes, at: int) -> int:
    """Step over the client's SOA in an IXFR query (RFC 1995 §3)."""
    _, at = read_name(wire, at)
    rtype, rclass, _, _, end = _record(wire, at)
    if rtype != types.SOA or rclass != types.IN:
        raise WireError("the authority record of an IXFR query is no SOA")
    return end


def _read_additional(wire: bytes, at: int, query: Query, edns_size: int, last: bool) -> int:
    owner, at = read_name(wire, at)
    rtype, rclass, ttl, start, end = _record(wire, at)
    if rtype == types.OPT:
        if owner != names.ROOT or query.edns:
            raise WireError("an OPT record is the only one and belongs to the root (RFC 6891 §6.1.1)")
        _check_options(wire, start, end)
        query.edns = True
        query.version = ttl >> 16 & 0xFF
        query.dnssec_ok = bool(ttl & 0x8000)
        query.limit = max(MIN_UDP_SIZE, min(rclass, edns_size))
    elif rtype == TSIG:
        if not last or rclass != CLASS_ANY or ttl:
            raise WireError("a TSIG record is the last one, of class ANY and TTL 0 (RFC 8945 §4.2)")
        query.tsig = _read_tsig(wire, owner, start, end)
    elif query.flags & _OPCODE != _NOTIFY:
        raise WireError(f"{types.type_text(rtype)} record in the additional section of a query")
    return end


def _check_options(wire: bytes, at: int, end: int) -> None:
    """Check that options fill RDLENGTH; unknown ones, which all are, mean nothing (RFC 6891 §6.1.2)."""
    while at < end:
        if at + _OPTION.size > end:
            raise WireError("an EDNS option is cut short")
        at += _OPTION.size + _OPTION.unpack_from(wire, at)[1]
    if at > end:
        raise WireError("an EDNS option runs past the end of OPT")


def _read_tsig(wire: bytes, key_name: bytes, at: int, end: int) -> Tsig:
    algorithm, at = names.read(wire[:end], at)
    if at + _TSIG_TAIL.size > end:
        raise WireError("TSIG is cut short")
    time_signed, fudge, mac_size = _TSIG_TAIL.unpack_from(wire, at)
    at += _TSIG_TAIL.size + mac_size
    if at + _TSIG_END.size > end:
        raise WireError("TSIG is cut short")
    original_id, _, other_len = _TSIG_END.unpack_from(wire, at)
    if at + _TSIG_END.size + other_len != end:
        raise WireError("TSIG does not fill its RDATA")
    return Tsig(names.fold(key_name), names.fold(algorithm), time_signed, fudge, original_id)


def read_name(wire: bytes, at: int) -> tuple[bytes, int]:
    """Return an uncompressed copy of a name that may use compression, and the offset behind it.

    Pointers lead strictly backwards, so their number is bounded; the question's own name must use names.read instead.
    """
    name = bytearray()
    end = 0
    lowest = at
    while True:
        if at >= len(wire):
            raise WireError("a name runs past the end")
        length = wire[at]
        if length >= 0xC0:
            if at + 1 >= len(wire):
                raise WireError("a pointer is cut short")
            end = end or at + 2
            at = (length & 0x3F) << 8 | wire[at + 1]
            if not HEADER_LEN <= at < lowest:
                raise WireError("a pointer does not lead backwards")
            lowest = at
            continue
        if length > names.MAX_LABEL:
            raise WireError(f"{length} is no label length")
        name += wire[at : at + 1 + length]
        at += 1 + length
        if len(name) > names.MAX_NAME:
            raise WireError(f"a name has more than {names.MAX_NAME} octets")
        if not length:
            return bytes(name), end or at
