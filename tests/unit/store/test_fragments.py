# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets of fragments: compression, pointers that move, sums that need no packet."""

import dns.message
import pytest

from appliance.store.fragments import Body, encode, octet_sum, question_places, weight
from appliance.store.layout import FRAGMENT, MOVES_MAX
from appliance.zone import names, types

pytestmark = pytest.mark.unit

BASE = names.from_text("sub.example.")


def body(base: bytes = BASE, **options: bool) -> Body:
    return Body(len(base), question_places(base), **options)


def message(qname: bytes, octets: bytes, answers: int) -> dns.message.Message:
    """Return a message whose answer section is these octets."""
    head = bytes.fromhex("0001840000010000 00000000".replace(" ", ""))
    head = head[:6] + answers.to_bytes(2, "big") + head[8:]
    return dns.message.from_wire(head + qname + b"\0\2\0\1" + octets)


def moved(made: Body, delta: int) -> bytes:
    """Return the octets with every pointer moved."""
    octets = bytearray(made.octets)
    for offset, value in made.moves:
        octets[offset : offset + 2] = (value + delta).to_bytes(2, "big")
    return bytes(octets)


def referral() -> Body:
    made = body()
    for server in ("ns1.sub.example.", "NS2.Sub.Example.", "ns.elsewhere.test.", "ns2.elsewhere.test."):
        made.rr(BASE, types.NS, 300, names.from_text(server))
    made.rr(names.from_text("ns1.sub.example."), types.A, 300, b"\xc0\0\2\1")
    return made


@pytest.mark.parametrize("above", ["", "a.", "www.", "x.y.", "b" * 63 + "."])
def test_pointers_move_with_the_question(above: str) -> None:
    qname = names.from_text(above, BASE) if above else BASE
    if above:
        qname = names.from_text(above + "sub.example.")
    made = referral()
    delta = len(qname) - len(BASE)
    octets = moved(made, delta)
    assert octet_sum(octets) == (octet_sum(made.octets) + weight(made.moves) * delta) % 65535
    shown = [record for rrset in message(qname, octets, made.records).answer for record in rrset.to_text().splitlines()]
    assert shown == [
        "sub.example. 300 IN NS ns1.sub.example.",
        "sub.example. 300 IN NS NS2.sub.example.",
        "sub.example. 300 IN NS ns.elsewhere.test.",
        "sub.example. 300 IN NS ns2.elsewhere.test.",
        "ns1.sub.example. 300 IN A 192.0.2.1",
    ]


def test_names_are_compressed_against_question_and_body() -> None:
    made = referral()
    assert bytes(made.octets).count(b"\x07example") == 0
    assert bytes(made.octets).count(b"\x09elsewhere") == 1


def test_the_question_name_itself_never_moves() -> None:
    made = body()
    made.rr(None, types.A, 300, b"\xc0\0\2\1")
    assert bytes(made.octets[:2]) == b"\xc0\x0c"
    assert not made.moves


def test_exact_bodies_have_nothing_to_move() -> None:
    made = body(fixed=True)
    made.rr(BASE, types.MX, 300, b"\0\1" + names.from_text("mail.sub.example."))
    assert not made.moves
    assert made.octets.endswith(b"\0\1\x04mail\xc0\x0c")


def test_newer_types_are_not_compressed() -> None:
    made = body()
    srv = bytes(6) + names.from_text("mail.sub.example.")
    made.rr(BASE, types.SRV, 300, srv)
    made.rr(BASE, types.DNAME, 300, BASE)
    assert srv in bytes(made.octets)
    assert made.octets.endswith(BASE)


def test_a_later_body_points_only_to_its_places() -> None:
    made = body(first=False)
    other = names.from_text("a.other.test.")
    made.rr(other, types.A, 300, b"\xc0\0\2\1")
    made.rr(other, types.A, 300, b"\xc0\0\2\2")
    assert bytes(made.octets).count(other) == 2
    assert not made.moves


def test_pointers_stay_in_reach() -> None:
    """A target beyond 0x3fff, or one that could move there, is written out."""
    made = body()
    for number in range(1200):
        made.rr(names.from_text(f"n{number}.test."), types.TXT, 0, b"\x01x")
    values = [value & 0x3FFF for _, value in made.moves]
    assert max(values) + 255 - len(BASE) < 0x4000


def test_moves_are_bounded() -> None:
    made = body()
    for number in range(200):
        made.rr(BASE, types.A, 300, number.to_bytes(4, "big"))
    assert len(made.moves) == MOVES_MAX
    assert len(message(names.from_text("www.sub.example."), moved(made, 4), 200).answer[0]) == 200


@pytest.mark.parametrize("octets", [b"", b"\xff", b"\x12\x34\x56", b"\xff\xff" * 5, bytes(range(255))])
def test_sum(octets: bytes) -> None:
    even = octets + b"\0" * (len(octets) & 1)
    words = [int.from_bytes(even[at : at + 2], "big") for at in range(0, len(even), 2)]
    assert octet_sum(octets) == sum(words) % 65535


def test_encoding() -> None:
    fragment = encode(b"12345", [(0, 0xC00C), (3, 0xC010)], 7, 2)
    assert FRAGMENT.unpack_from(fragment) == (5, octet_sum(b"12345"), 257, 4, 7, 2)
    assert fragment[FRAGMENT.size :] == bytes.fromhex("00000cc0" + "030010c0" * 3) + b"12345"
