# SPDX-License-Identifier: GPL-3.0-or-later
"""From a query's octets to the reply's, compared with what dnspython makes of the RFCs' words."""

import struct
import time
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import pytest

from appliance.compiler.expected import capacity
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.server.counters import Counters
from appliance.server.respond import Exchange, Settings, Transport, respond
from appliance.server.responder import Responder
from appliance.store.layout import ZONE_EXPIRED, ZONE_LOADING, ZONE_SERVING
from appliance.store.store import Store
from appliance.zone import names
from appliance.zone.load import load_zone

pytestmark = pytest.mark.unit

SETTINGS = Settings(1232, "ns1.example", "")
OPCODE_NOTIFY = 4
ORIGIN = names.from_text("example.")
ZONE = """$TTL 300
@ SOA ns root 7 3600 900 1209600 60
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
alias CNAME www
*.wild TXT "any"
child NS ns.child
ns.child A 192.0.2.9
old DNAME new
host.new A 192.0.2.4
long DNAME a-rather-long-label-that-makes-names-grow.much-longer-than-they-were
big TXT {big}
"""
WWW = ("www.example. 300 IN A 192.0.2.2",)
SOA = "example. 60 IN SOA ns.example. root.example. 7 3600 900 1209600 60"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    file: Path = tmp_path_factory.mktemp("zones") / "example.zone"
    file.write_text(ZONE.format(big=" ".join(f'"{"x" * 250}"' for _ in range(6))))
    zone = load_zone(file, ORIGIN)
    made = Store.sized(capacity([zone]), seed=42)
    compile_zones(World(made), [zone])
    made.set("opcode_pass", 1 << OPCODE_NOTIFY)
    return made


def query(name: str, rtype: str = "A", **options: object) -> dns.message.QueryMessage:
    made = dns.message.make_query(name, rtype, **options)  # type: ignore[arg-type]
    made.id = 0x4321
    return made


def expected(
    asked: dns.message.Message,
    answer: tuple[str, ...] = (),
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    rcode: int = 0,
    aa: bool = True,
    tc: bool = False,
) -> bytes:
    """Return the reply that dnspython builds: header bits copied, question echoed, OPT if asked with one."""
    reply = dns.message.Message(asked.id)
    copied = asked.flags & (dns.flags.RD | dns.flags.CD)
    reply.flags = dns.flags.QR | copied | (dns.flags.AA if aa else 0) | (dns.flags.TC if tc else 0)
    reply.question = asked.question
    if asked.edns >= 0:
        reply.use_edns(0, asked.ednsflags & dns.flags.DO, 1232)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    sections = (reply.answer, reply.authority, reply.additional)
    for section, lines in zip(sections, (answer, authority, additional), strict=True):
        rrsets: dict[str, list[str]] = {}
        for line in lines:
            owner, ttl, rclass, rtype, rdata = line.split(" ", 4)
            rrsets.setdefault(f"{owner} {ttl} {rclass} {rtype}", []).append(rdata)
        section += [dns.rrset.from_text(*head.split(), *rdatas) for head, rdatas in rrsets.items()]  # type: ignore[arg-type]
    return reply.to_wire(max_size=65535)


def answer(store: Store, wire: bytes, transport: Transport = "udp", port: int = 5353) -> tuple[str, bytes | None]:
    reply = respond(Exchange(store, SETTINGS, wire, transport, port))
    return reply.verdict, reply.octets


VARIANTS: list[dict[str, object]] = [
    {},
    {"use_edns": 0, "payload": 4096},
    {"use_edns": 0, "payload": 512, "want_dnssec": True},
    {"flags": 0},
    {"flags": dns.flags.RD | dns.flags.CD | dns.flags.AD},
]


@pytest.mark.parametrize("options", VARIANTS)
@pytest.mark.parametrize(
    ("name", "rtype", "verdict", "parts"),
    [
        ("www.example.", "A", "positive", {"answer": WWW}),
        ("wWw.EXAMPLE.", "A", "positive", {"answer": WWW}),
        ("x.wild.example.", "TXT", "wildcard", {"answer": ('x.wild.example. 300 IN TXT "any"',)}),
        ("alias.example.", "CNAME", "positive", {"answer": ("alias.example. 300 IN CNAME www.example.",)}),
        ("www.example.", "AAAA", "nodata", {"authority": (SOA,)}),
        ("wild.example.", "A", "nodata", {"authority": (SOA,)}),
        ("none.example.", "A", "nxdomain", {"authority": (SOA,), "rcode": 3}),
        (
            "a.b.child.example.",
            "A",
            "referral",
            {
                "authority": ("child.example. 300 IN NS ns.child.example.",),
                "additional": ("ns.child.example. 300 IN A 192.0.2.9",),
                "aa": False,
            },
        ),
        ("elsewhere.", "A", "refused", {"rcode": 5, "aa": False}),
        (".", "NS", "refused", {"rcode": 5, "aa": False}),
    ],
)  # fmt: skip
def test_ordinary_answers(
    store: Store, options: dict[str, object], name: str, rtype: str, verdict: str, parts: dict[str, object]
) -> None:
    asked = query(name, rtype, **options)
    told, octets = answer(store, asked.to_wire())
    assert octets is not None
    assert octets == expected(asked, **parts)  # type: ignore[arg-type]
    assert told == f"answer_{verdict}" or (name, rtype) == ("alias.example.", "CNAME")


def test_every_truncation_is_formerr_with_a_bare_header(store: Store) -> None:
    wire = query("www.example.", use_edns=0).to_wire()
    for cut in range(12, len(wire)):
        assert answer(store, wire[:cut]) == ("answer_formerr", b"\x43\x21\x81\x01" + bytes(8))


def test_runts_and_responses_get_nothing(store: Store) -> None:
    wire = query("www.example.").to_wire()
    for length in range(12):
        assert answer(store, wire[:length]) == ("drop_runt", None)
    for flags in range(0x8000, 0x10000, 0x97):
        assert answer(store, wire[:2] + flags.to_bytes(2) + wire[4:]) == ("drop_response", None)


@pytest.mark.parametrize("opcode", [1, 2, 3, 5, 6, 7, 15])
def test_other_opcodes(store: Store, opcode: int) -> None:
    for rest in (query("www.example.").to_wire()[4:], bytes(8), b"\xff" * 30):
        wire = b"\x43\x21" + (opcode << 11 | 0x0110).to_bytes(2) + rest
        flags = 0x8000 | opcode << 11 | 0x0110 | 4
        assert answer(store, wire) == ("answer_notimp", b"\x43\x21" + flags.to_bytes(2) + bytes(8))


def test_notify(store: Store) -> None:
    for name, rcode in (("example.", 5), ("www.example.", 9), ("elsewhere.", 9)):
        wire = bytearray(query(name, "SOA").to_wire())
        wire[2] = OPCODE_NOTIFY << 3
        _, octets = answer(store, bytes(wire))
        assert octets == b"\x43\x21" + (0xA000 | rcode).to_bytes(2) + bytes(wire[4:])


@pytest.mark.parametrize("version", [1, 2, 255])
def test_badvers(store: Store, version: int) -> None:
    asked = query("elsewhere.", use_edns=0, payload=4096, want_dnssec=True)
    wire = asked.to_wire()
    at = len(wire) - 5
    assert wire[at] == 0
    verdict, octets = answer(store, wire[:at] + bytes((version,)) + wire[at + 1 :])
    assert verdict == "answer_badvers"
    assert octets == expected(asked, rcode=16, aa=False)


@pytest.mark.parametrize(
    ("name", "rclass", "rtype", "text"),
    [
        ("id.server.", "CH", "TXT", "ns1.example"),
        ("HOSTNAME.bind.", "CH", "ANY", "ns1.example"),
        ("version.bind.", "CH", "TXT", ""),
        ("id.server.", "CH", "A", ""),
        ("example.", "CH", "TXT", ""),
        ("example.", "HS", "A", ""),
        ("example.", "ANY", "A", ""),
        ("example.", "NONE", "A", ""),
    ],
)
def test_other_classes(store: Store, name: str, rclass: str, rtype: str, text: str) -> None:
    asked = query(name, rtype, rdclass=rclass, use_edns=0)
    verdict, octets = answer(store, asked.to_wire())
    if text:
        assert octets == expected(asked, (f'{name} 0 CH TXT "{text}"',), aa=False)
    else:
        assert (verdict, octets) == ("answer_refused", expected(asked, rcode=5, aa=False))


@pytest.mark.parametrize(
    ("name", "rtype", "transport", "rcode"),
    [
        ("example.", "AXFR", "udp", 4),
        ("elsewhere.", "AXFR", "udp", 4),
        ("example.", "AXFR", "tcp", 5),
        ("www.example.", "AXFR", "tcp", 9),
        ("example.", "IXFR", "udp", 5),
        ("elsewhere.", "IXFR", "tcp", 9),
    ],
)
def test_transfers(store: Store, name: str, rtype: str, transport: Transport, rcode: int) -> None:
    asked = query(name, rtype)
    assert answer(store, asked.to_wire(), transport)[1] == expected(asked, rcode=rcode, aa=False)


@pytest.mark.parametrize("rtype", ["TYPE0", "OPT", "TKEY", "TSIG", "MAILA", "MAILB", "TYPE65535"])
def test_types_without_data_are_like_any_other(store: Store, rtype: str) -> None:
    asked = query("www.example.", rtype)
    assert answer(store, asked.to_wire())[1] == expected(asked, authority=(SOA,))


def test_an_unknown_key(store: Store) -> None:
    asked = query("www.example.", use_edns=0)
    asked.use_tsig(dns.tsigkeyring.from_text({"Key.": "AAAA"}), algorithm=dns.tsig.HMAC_SHA256)
    verdict, octets = answer(store, asked.to_wire())
    assert verdict == "answer_notauth"
    assert octets is not None
    with pytest.raises(dns.tsig.PeerBadKey):
        dns.message.from_wire(octets, keyring=asked.keyring, request_mac=asked.mac)
    assert octets[2:4] == b"\x81\x09"
    assert struct.unpack(">4H", octets[4:12]) == (1, 0, 0, 2)


def test_source_ports(store: Store) -> None:
    good, bad, unknown = query("www.example.").to_wire(), b"\x01" * 12, query("elsewhere.").to_wire()
    for port in (0, 7, 13, 17, 19, 37, 69, 123, 1900, 11211):
        assert answer(store, good, port=port) == ("drop_source_port", None)
    for port in (1, 53, 1023):
        assert answer(store, good, port=port)[0] == "answer_positive"
        assert answer(store, bad, port=port) == ("drop_service_error", None)
        assert answer(store, unknown, port=port) == ("drop_service_error", None)
    assert answer(store, unknown, port=1024)[0] == "answer_refused"
    assert answer(store, unknown, "tcp", port=0)[0] == "answer_refused"


@pytest.mark.parametrize(
    ("options", "transport", "whole"),
    [
        ({}, "udp", False),
        ({"use_edns": 0, "payload": 1232}, "udp", False),
        ({"use_edns": 0, "payload": 65535}, "udp", False),
        ({"use_edns": 0, "payload": 512}, "tcp", True),
        ({}, "tcp", True),
    ],
)
def test_truncation(store: Store, options: dict[str, object], transport: Transport, whole: bool) -> None:
    asked = query("big.example.", "TXT", **options)
    verdict, octets = answer(store, asked.to_wire(), transport)
    if whole:
        assert octets is not None
        assert len(octets) > 1500
        assert verdict == "answer_positive"
    else:
        assert (verdict, octets) == ("answer_truncated", expected(asked, tc=True))


def test_below_a_dname(store: Store) -> None:
    asked = query("HOST.old.example.", use_edns=0)
    verdict, octets = answer(store, asked.to_wire())
    assert verdict == "answer_dname"
    assert octets is not None
    reply = dns.message.from_wire(octets)
    assert [rrset.to_text() for rrset in reply.answer] == [
        "old.example. 300 IN DNAME new.example.",
        "HOST.old.example. 300 IN CNAME HOST.new.example.",
        "HOST.new.example. 300 IN A 192.0.2.4",
    ]
    too_long = ".".join(["x" * 50] * 4) + ".long.example."
    _, octets = answer(store, query(too_long).to_wire())
    assert octets is not None
    reply = dns.message.from_wire(octets)
    assert reply.rcode() == dns.rcode.YXDOMAIN
    assert [rrset.rdtype.name for rrset in reply.answer] == ["DNAME"]


def test_zones_that_are_not_served(store: Store) -> None:
    number = store.numbers[ORIGIN]
    asked = query("www.example.")
    try:
        for state in (ZONE_EXPIRED, ZONE_LOADING):
            store.set_zone_word(number, "state", state)
            assert answer(store, asked.to_wire()) == ("answer_servfail", expected(asked, rcode=2, aa=False))
    finally:
        store.set_zone_word(number, "state", ZONE_SERVING)
    store.set_expiry(number, 1)
    try:
        assert answer(store, asked.to_wire())[0] == "answer_servfail"
    finally:
        store.set_expiry(number, 0)


def test_a_lookup_during_a_flip_is_taken_again(store: Store) -> None:
    row = Counters(1).row(0)
    responder = Responder(store, SETTINGS, row)
    wire = query("www.example.").to_wire()
    with store.flipping():
        reply = responder.answer_udp(wire, 5353, "192.0.2.1")
    assert reply == b"\x43\x21\x81\x02" + bytes(8)  # it never came to rest
    assert row.value("drop_internal_error") == 1
    reply = responder.answer_udp(wire, 5353, "192.0.2.1")
    assert reply is not None
    assert reply[3] & 15 == 0
    assert row.value("answer_positive") == 1


def test_a_flip_that_never_ends_is_waited_for_once(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Its writer is stopped or dead: a worker that waited for each query would answer ten a second, and end late."""
    responder = Responder(store, SETTINGS, Counters(1).row(0))
    wire = query("www.example.").to_wire()
    for _ in range(2):
        with store.flipping():
            started = time.monotonic()
            for _ in range(50):
                assert responder.answer_udp(wire, 5353, "192.0.2.1") == b"\x43\x21\x81\x02" + bytes(8)
            assert time.monotonic() - started < 1.0
        reply = responder.answer_udp(wire, 5353, "192.0.2.1")
        assert reply is not None
        assert reply[3] & 15 == 0
    assert len(caplog.records) == 2
    assert "SERVFAIL until it goes on" in caplog.text


def test_a_defect_costs_one_servfail_and_not_the_worker(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    damaged = Store.create(8, 1, 1, seed=1)
    damaged.set("refused", 0xFFFFFF)  # outside the heap
    row = Counters(1).row(0)
    responder = Responder(damaged, SETTINGS, row)
    wire = query("www.example.").to_wire()
    for _ in range(30):
        assert responder.answer_tcp(wire, b"") == b"\x43\x21\x81\x02" + bytes(8)
    assert row.value("drop_internal_error") == 30
    assert len(caplog.records) == 20
    assert wire.hex() in caplog.text
