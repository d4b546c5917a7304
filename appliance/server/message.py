# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the replies that come from no zone: header, question, OPT, nothing else, as the XDP program makes them."""

import struct
from typing import Final

from appliance.server.question import Query, Remains, Tsig
from appliance.zone import names, types

QR: Final = 0x8000
COPIED: Final = 0x7910
"""Opcode, RD and CD come back as they were sent (RFC 1035 §4.1.1, RFC 4035 §3.1.6)."""

FORMERR: Final = 1
SERVFAIL: Final = 2
NOTIMP: Final = 4
REFUSED: Final = 5
YXDOMAIN: Final = 6
NOTAUTH: Final = 9
BADVERS_UPPER: Final = 1  # BADVERS is 16: the upper eight bits go into OPT (RFC 6891 §6.1.3)

_TSIG_BADKEY: Final = 17
_OPT = struct.Struct(">BHHBBHH")
_TC: Final = 0x02  # of the third octet
_FLAG_DO: Final = 0x8000
_TSIG_CLASS_ANY: Final = 255
_TSIG_TYPE: Final = 250


def bare_header(wire: bytes, rcode: int) -> bytes:
    """Return a reply of twelve octets; for messages whose question was not, or could not be, read."""
    flags = int.from_bytes(wire[2:4]) & COPIED | QR | rcode
    return wire[:2] + struct.pack(">H", flags) + bytes(8)


def malformed(wire: bytes, remains: Remains | None, edns_size: int) -> bytes:
    """Return FORMERR: question and OPT where OPT could be read, else a bare header. It is no longer than the query."""
    if remains is None:
        return bare_header(wire, FORMERR)
    head = bare_header(wire, FORMERR)[:4] + struct.pack(">HHHH", bool(remains.question), 0, 0, 1)
    return head + remains.question + opt_record(edns_size, remains.dnssec_ok)


def opt_record(edns_size: int, dnssec_ok: bool, extended: int = 0) -> bytes:
    """Return the OPT record of a reply: version 0, no options."""
    return _OPT.pack(0, types.OPT, edns_size, extended, 0, _FLAG_DO if dnssec_ok else 0, 0)


def without_data(
    wire: bytes, query: Query, edns_size: int, rcode: int, extended: int = 0, answer: bytes = b"", last: bytes = b""
) -> bytes:
    """Return a reply of the question, one answer record or none, OPT if the query has one, one more record or none."""
    flags = query.flags & COPIED | QR | rcode
    opt = opt_record(edns_size, query.dnssec_ok, extended) if query.edns else b""
    counts = struct.pack(">HHHH", 1, bool(answer), 0, bool(opt) + bool(last))
    return wire[:2] + struct.pack(">H", flags) + counts + query.question + answer + opt + last


def truncated(reply: bytes) -> bytes:
    """Return a reply with TC set: what is missing can be had over TCP."""
    return reply[:2] + bytes((reply[2] | _TC,)) + reply[3:]


def unknown_key(tsig: Tsig) -> bytes:
    """Return the TSIG record that says we do not know the key; it is unsigned (RFC 8945 §5.2.1, §5.3.2)."""
    rdata = b"".join(
        (
            tsig.algorithm,
            tsig.time_signed,
            struct.pack(">HHHHH", tsig.fudge, 0, tsig.original_id, _TSIG_BADKEY, 0),
        )
    )
    return tsig.key_name + struct.pack(">HHIH", _TSIG_TYPE, _TSIG_CLASS_ANY, 0, len(rdata)) + rdata


def chaos_txt(text: str) -> bytes:
    """Return a TXT record of class CH and TTL 0 at the question name (RFC 4892 §2)."""
    data = text.encode()[: names.MAX_NAME]
    return b"\xc0\x0c" + struct.pack(">HHIHB", types.TXT, 3, 0, len(data) + 1, len(data)) + data
