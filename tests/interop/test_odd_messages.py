# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that are no ordinary queries: the second table of docs/differences.md, case by case."""

import struct

import pytest

from appliance.zone import names
from tests.interop import wire
from tests.interop.loaded import Loaded
from tests.interop.ours import InProcess
from tests.interop.zonesets import CORNERS, corners

_QNAME = names.from_text("mail.corner.test.")
_APEX = names.from_text("corner.test.")
_NOTIFY, _UPDATE = 4 << 11, 5 << 11
_A = names.from_text("x.") + struct.pack("!HHIH4s", 1, 1, 0, 4, b"\1\2\3\4")


def _header(flags: int = 0, qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0) -> bytes:
    return struct.pack("!6H", 7, flags, qd, an, ns, ar)


def _question(name: bytes = _QNAME, rtype: int = 1, rclass: int = 1) -> bytes:
    return name + struct.pack("!2H", rtype, rclass)


def _opt(data: bytes = b"", owner: bytes = b"\0", version: int = 0, size: int = 1232) -> bytes:
    return owner + struct.pack("!HHBBHH", wire.OPT, size, 0, version, 0, len(data)) + data


def _option(code: int, data: bytes) -> bytes:
    return struct.pack("!HH", code, len(data)) + data


_Q, _NX = _question(), _question(names.from_text("no-such.corner.test."))
_LONG = b"\x3f" + b"a" * 63
SILENCE = None
CASES = {
    "AXFR over UDP": (_header() + _question(_APEX, wire.AXFR), wire.NOTIMP),
    "AXFR over UDP, no zone of ours": (_header() + _question(names.from_text("foo."), wire.AXFR), wire.NOTIMP),
    "IXFR over UDP": (_header() + _question(_APEX, wire.IXFR), wire.REFUSED),
    "IXFR for no apex": (_header() + _question(_QNAME, wire.IXFR), wire.NOTAUTH),
    "UPDATE": (_header(_UPDATE) + _question(_APEX, wire.SOA), wire.NOTIMP),
    "opcode 2": (_header(2 << 11) + _Q, wire.NOTIMP),
    "opcode 15, no question": (_header(15 << 11, 0), wire.NOTIMP),
    "no question": (_header(0, 0), wire.FORMERR),
    "no question, OPT": (_header(0, 0, ar=1) + _opt(), wire.FORMERR),
    "two questions": (_header(0, 2) + _Q + _NX, wire.FORMERR),
    "name cut short": (_header() + _Q[:6], wire.FORMERR),
    "type cut short": (_header() + _Q[:-3], wire.FORMERR),
    "pointer to itself": (_header() + b"\xc0\x0c\0\1\0\1", wire.FORMERR),
    "label type 0x40": (_header() + b"\x41a\0\0\1\0\1", wire.FORMERR),
    "label type 0x80": (_header() + b"\x81a\0\0\1\0\1", wire.FORMERR),
    "name of 256 octets": (_header() + _LONG * 3 + b"\x3e" + b"a" * 62 + b"\0\0\1\0\1", wire.FORMERR),
    "name of 255 octets": (_header() + _LONG * 3 + b"\x3d" + b"a" * 61 + b"\0\0\1\0\1", wire.REFUSED),
    "an octet too many": (_header() + _Q + b"x", wire.FORMERR),
    "an octet behind OPT": (_header(ar=1) + _Q + _opt() + b"x", wire.FORMERR),
    "OPT that is not counted": (_header() + _Q + _opt(), wire.FORMERR),
    "OPT that is only counted": (_header(ar=1) + _Q, wire.FORMERR),
    "an answer": (_header(an=1) + _Q + _A, wire.FORMERR),
    "an authority record": (_header(ns=1) + _Q + _A, wire.FORMERR),
    "another additional record": (_header(ar=1) + _Q + _A, wire.FORMERR),
    "another additional record and OPT": (_header(ar=2) + _Q + _A + _opt(), wire.FORMERR),
    "two questions, OPT": (_header(0, 2, ar=1) + _Q + _NX + _opt(), wire.FORMERR),
    "an answer, OPT": (_header(an=1, ar=1) + _Q + _A + _opt(), wire.FORMERR),
    "an answer cut short, OPT": (_header(an=1, ar=1) + _Q + _A[:-1] + _opt(), wire.FORMERR),
    "two OPT": (_header(ar=2) + _Q + _opt() + _opt(), wire.FORMERR),
    "OPT of a name": (_header(ar=1) + _Q + _opt(owner=b"\1a\0"), wire.FORMERR),
    "OPT in the answer": (_header(an=1) + _Q + _opt(), wire.FORMERR),
    "OPT cut short": (_header(ar=1) + _Q + _opt()[:-1], wire.FORMERR),
    "option past the end": (_header(ar=1) + _Q + _opt(b"\0\3\0\5ab"), wire.FORMERR),
    "option header cut short": (_header(ar=1) + _Q + _opt(b"\0\3\0"), wire.FORMERR),
    "EDNS version 1": (_header(ar=1) + _Q + _opt(version=1), wire.BADVERS),
    "EDNS version 1, no zone": (_header(ar=1) + _question(b"\3foo\0") + _opt(version=1), wire.BADVERS),
    "EDNS version 1, broken option": (_header(ar=1) + _Q + _opt(b"\0\3\0", version=1), wire.FORMERR),
    "EDNS size 0": (_header(ar=1) + _Q + _opt(size=0), wire.NOERROR),
    "unknown option": (_header(ar=1) + _Q + _opt(_option(65001, b"abc")), wire.NOERROR),
    "cookie": (_header(ar=1) + _Q + _opt(_option(10, b"12345678")), wire.NOERROR),
    "cookie of a wrong length": (_header(ar=1) + _Q + _opt(_option(10, b"1234567")), wire.NOERROR),
    "client subnet": (_header(ar=1) + _Q + _opt(_option(8, b"\0\1\x18\0\xc0\0\2")), wire.NOERROR),
    "class ANY": (_header() + _question(rclass=255), wire.REFUSED),
    "class NONE": (_header() + _question(rclass=254), wire.REFUSED),
    "class HS": (_header() + _question(rclass=4), wire.REFUSED),
    "class CH, version.bind": (_header() + _question(b"\7version\4bind\0", 16, 3), wire.REFUSED),
    "rcode in the query": (_header(5) + _Q, wire.NOERROR),
    "AA, TC, RA, Z, AD in the query": (_header(0x06E0) + _Q, wire.NOERROR),
    "a response": (_header(0x8000) + _Q, SILENCE),
    "11 octets": (_header()[:11], SILENCE),
    "nothing": (b"", SILENCE),
}


_WITH_OPT = {
    "no question, OPT", "two questions, OPT", "an answer, OPT", "another additional record and OPT", "two OPT",
    "an octet behind OPT", "option past the end", "option header cut short", "EDNS version 1, broken option",
}  # fmt: skip
"""The malformed messages whose OPT can be read: FORMERR has one too, and the question if it is one (RFC 6891 §7)."""


@pytest.fixture(scope="module")
def server() -> InProcess:
    """The server with the hand-made zones."""
    return InProcess.of(Loaded.read(corners(CORNERS)))


@pytest.mark.unit
@pytest.mark.parametrize("case", CASES)
def test_reply(case: str, server: InProcess) -> None:
    """The promised rcode; header bits, question and OPT as the rules have it."""
    query, rcode = CASES[case]
    message = server.answer(query, "udp")
    if rcode is SILENCE:
        assert message is None
        return
    assert message is not None
    reply = wire.parse(message)
    assert (reply.rcode, reply.opcode) == (rcode, query[2] >> 3 & 15)
    assert message[:2] == query[:2]
    assert reply.flags & ~wire.AA == 0
    if case in _WITH_OPT:
        assert reply.edns
        assert reply.question == (_Q if query[4:6] == b"\0\1" else b"")
    elif rcode == wire.FORMERR or reply.opcode:
        assert len(message) == len(_header()), "an error about the message itself is a bare header"
    else:
        assert query.startswith(reply.question, len(_header()))
        assert reply.edns == (query[11] == 1)
    if rcode:
        assert not reply.answer | reply.authority | reply.additional


@pytest.mark.unit
def test_notify_is_refused(server: InProcess) -> None:
    """NOTIFY by a stranger changes nothing: REFUSED for a zone, NOTAUTH elsewhere, NOTIMP where it is not served."""
    replies = [
        server.answer(_header(_NOTIFY) + _question(name, wire.SOA), "udp") for name in (_APEX, names.from_text("foo."))
    ]
    rcodes = [wire.parse(reply).rcode for reply in replies if reply is not None]
    assert rcodes in ([wire.REFUSED, wire.NOTAUTH], [wire.NOTIMP, wire.NOTIMP])


@pytest.mark.unit
@pytest.mark.parametrize("soa_in", ["answer", "authority", "additional"])
def test_notify_may_bring_records(server: InProcess, soa_in: str) -> None:
    """The new SOA, which RFC 1996 §3.7 lets a primary send along, changes nothing about the reply; damage does."""
    soa = _question(_APEX, wire.SOA) + struct.pack("!IH", 0, 22) + b"\0\0" + bytes(20)
    counts = {"an": int(soa_in == "answer"), "ns": int(soa_in == "authority"), "ar": int(soa_in == "additional") + 1}
    plain = server.answer(_header(_NOTIFY, ar=1) + _question(_APEX, wire.SOA) + _opt(), "udp")
    told = server.answer(_header(_NOTIFY, **counts) + _question(_APEX, wire.SOA) + soa + _opt(), "udp")
    assert told == plain
    assert plain is not None
    assert wire.parse(plain).rcode in (wire.REFUSED, wire.NOTIMP)
    short = server.answer(_header(_NOTIFY, **counts) + _question(_APEX, wire.SOA) + soa[:-1], "udp")
    assert short is not None
    assert wire.parse(short).rcode in (wire.FORMERR, wire.NOTIMP)
