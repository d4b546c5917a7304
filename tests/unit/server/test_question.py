# SPDX-License-Identifier: GPL-3.0-or-later
"""The query parser: what is read, and every way a message can be wrong (RFC 1035 §4, RFC 6891, RFC 8945, RFC 9619)."""

import random
import struct

import dns.message
import dns.rrset
import pytest

from appliance.errors import WireError
from appliance.server.question import MAX_QUERY, read_name, read_query

pytestmark = pytest.mark.unit

HEADER = struct.Struct(">HHHHHH")
QUESTION = b"\x03www\x07eXaMpLe\x03org\x00\x00\x1c\x00\x01"
EDNS_SIZE = 1232


def message(
    question: bytes = QUESTION,
    tail: bytes = b"",
    qd: int = 1,
    an: int = 0,
    ns: int = 0,
    ar: int = 0,
    flags: int = 0x100,
) -> bytes:
    return HEADER.pack(0x1234, flags, qd, an, ns, ar) + question + tail


def opt(
    size: int = 1232, ttl: int = 0, options: bytes = b"", owner: bytes = b"\x00", length: int | None = None
) -> bytes:
    return owner + struct.pack(">HHIH", 41, size, ttl, len(options) if length is None else length) + options


def option(code: int, data: bytes) -> bytes:
    return struct.pack(">HH", code, len(data)) + data


def tsig(algorithm: bytes = b"\x0bhmac-sha256\x00", rclass: int = 255, ttl: int = 0, rest: bytes = b"") -> bytes:
    rdata = algorithm + bytes(6) + struct.pack(">HH", 300, 32) + bytes(32) + struct.pack(">HHH", 0x1234, 0, 0) + rest
    return b"\x03Key\x00" + struct.pack(">HHIH", 250, rclass, ttl, len(rdata)) + rdata


def is_formerr(wire: bytes) -> bool:
    try:
        read_query(wire, EDNS_SIZE)
    except WireError:
        return True
    return False


def test_a_plain_query() -> None:
    query = read_query(message(), EDNS_SIZE)
    assert (query.qname, query.qtype, query.qclass) == (b"\x03www\x07eXaMpLe\x03org\x00", 28, 1)
    assert query.question == QUESTION
    assert query.flags == 0x100
    assert (query.edns, query.dnssec_ok, query.limit, query.tsig) == (False, False, 512, None)


@pytest.mark.parametrize(
    ("size", "limit"),
    [(0, 512), (1, 512), (511, 512), (512, 512), (513, 513), (1232, 1232), (1233, 1232), (65535, 1232)],
)
def test_the_clients_size_is_kept_within_ours(size: int, limit: int) -> None:
    assert read_query(message(tail=opt(size), ar=1), EDNS_SIZE).limit == limit


@pytest.mark.parametrize(
    ("ttl", "version", "dnssec_ok"),
    [
        (0, 0, False),
        (0x8000, 0, True),
        (0x7FFF, 0, False),
        (0xFF000000, 0, False),
        (0x10000, 1, False),
        (0xFF8000, 255, True),
    ],
)
def test_version_and_do_of_opt(ttl: int, version: int, dnssec_ok: bool) -> None:
    query = read_query(message(tail=opt(ttl=ttl), ar=1), EDNS_SIZE)
    assert (query.edns, query.version, query.dnssec_ok) == (True, version, dnssec_ok)


@pytest.mark.parametrize(
    "options",
    [
        option(100, b""),
        option(10, bytes(8)),
        option(8, b"x" * 300),
        option(3, b"") * 40,
        option(65535, b"a") + option(0, b""),
    ],
)
def test_unknown_options_mean_nothing(options: bytes) -> None:
    assert read_query(message(tail=opt(options=options), ar=1), EDNS_SIZE).edns


@pytest.mark.parametrize(
    "wire",
    [
        message(qd=0),
        message(b"", qd=0),
        message(QUESTION * 2, qd=2),
        message(qd=2),
        message(an=1),
        message(ns=1),
        message(ar=1),
        message(tail=b"\x00"),
        message(tail=opt()),  # not counted
        message(tail=opt() * 2, ar=2),
        message(tail=opt(owner=b"\x01a\x00"), ar=1),
        message(tail=opt() + b"\x00", ar=1),
        message(tail=opt(length=1), ar=1),
        message(tail=opt(options=b"\x00\x0a\x00"), ar=1),
        message(tail=opt(options=b"\x00\x0a\x00\x01"), ar=1),
        message(tail=opt(options=option(10, b"12345678") + b"\x00"), ar=1),
        message(tail=b"\x00" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes(4), ar=1),  # an address record
        message(b"\xc0\x0c\x00\x01\x00\x01"),
        message(b"\x03www\xc0\x0c\x00\x01\x00\x01"),
        message(b"\x40" + b"a" * 64 + b"\x00\x00\x01\x00\x01"),
        message(b"\x80a\x00\x00\x01\x00\x01"),
        message(b"\x01a" * 127 + b"\x01\x00\x00\x01\x00\x01"),  # 257 octets
        message((b"\x3f" + b"a" * 63) * 4 + b"\x00\x00\x01\x00\x01"),
        message(tail=tsig() + opt(), ar=2),  # TSIG not last
        message(tail=tsig(rclass=1), ar=1),
        message(tail=tsig(ttl=1), ar=1),
        message(tail=tsig(rest=b"\x00"), ar=1),
        message(tail=tsig(algorithm=b"\xc0\x0c"), ar=1),
        message(tail=opt(options=option(12, bytes(MAX_QUERY))), ar=1),
    ],
)
def test_malformed(wire: bytes) -> None:
    assert is_formerr(wire)


def test_names_of_255_octets_and_the_root() -> None:
    longest = b"\x01a" * 127 + b"\x00"
    assert read_query(message(longest + b"\x00\x01\x00\x01"), EDNS_SIZE).qname == longest
    assert read_query(message(b"\x00\x00\x02\x00\x01"), EDNS_SIZE).qname == b"\x00"
    labels = b"\x05\x00.\xff\\\xc0\x00"
    assert read_query(message(labels + b"\x00\x01\x00\x01"), EDNS_SIZE).qname == labels


def test_every_truncation_of_a_query_is_malformed() -> None:
    wire = message(tail=opt(options=option(10, bytes(8))) + tsig(), ar=2)
    assert read_query(wire, EDNS_SIZE).tsig is not None
    for end in range(12, len(wire)):
        assert is_formerr(wire[:end]), end


def test_every_count_but_the_right_ones_is_malformed() -> None:
    wire = message(tail=opt(), ar=1)
    for at, right in ((4, 1), (6, 0), (8, 0), (10, 1)):
        for count in (*range(20), 255, 256, 257, 512, 513, 65535):
            changed = wire[:at] + count.to_bytes(2) + wire[at + 2 :]
            assert is_formerr(changed) == (count != right), (at, count)


def test_tsig_is_read() -> None:
    signed = read_query(message(tail=opt() + tsig(), ar=2), EDNS_SIZE).tsig
    assert signed is not None
    assert (signed.key_name, signed.algorithm) == (b"\x03key\x00", b"\x0bhmac-sha256\x00")
    assert (signed.fudge, signed.original_id) == (300, 0x1234)


def test_an_ixfr_query_brings_its_soa() -> None:
    query = dns.message.make_query("example.org", "IXFR")
    query.authority.append(dns.rrset.from_text("example.org.", 0, "IN", "SOA", ". . 7 0 0 0 0"))
    wire = query.to_wire()
    assert read_query(wire, EDNS_SIZE).qtype == 251
    as_a = wire.replace(b"\x00\xfb\x00\x01", b"\x00\x01\x00\x01", 1)
    assert is_formerr(as_a)
    for end in range(12, len(wire)):
        assert is_formerr(wire[:end])


def test_compressed_names_end() -> None:
    wire = bytes(12) + b"\x01a\x00" + b"\x01b\xc0\x0c" + b"\xc0\x13" + b"\xc0\x0f"
    assert read_name(wire, 15) == (b"\x01b\x01a\x00", 19)
    assert read_name(wire, 21) == (b"\x01b\x01a\x00", 23)
    for at in (19,):  # to itself
        with pytest.raises(WireError):
            read_name(wire, at)


def test_random_octets_never_do_more_than_raise_wire_error() -> None:
    source = random.Random(6891)
    seeds = [message(tail=opt(options=option(10, bytes(8))) + tsig(), ar=2), message(tail=opt(), ar=1), message()]
    read = 0
    for _ in range(20_000):
        wire = bytearray(source.choice(seeds))
        for _ in range(source.randrange(1, 4)):
            wire[source.randrange(4, len(wire))] = source.randrange(256)
        read += not is_formerr(bytes(wire[: source.randrange(12, len(wire) + 1)] if source.random() < 0.3 else wire))
    assert 1000 < read < 19_000
