# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast reply parser agrees with dnspython, and refuses what breaks the rules."""

from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import pytest

from tests.interop import ask, wire
from tests.interop.loaded import Loaded
from tests.interop.peers import serving
from tests.interop.questions import Generator
from tests.interop.zonesets import SIGNED, ZoneSet, corners

_HEADER = bytes.fromhex("000080000001000000000000")
_QUESTION = b"\x01A\x00\x00\x01\x00\x01"


def _by_dnspython(message: bytes) -> tuple[int, int, list[frozenset[wire.RR]]]:
    read = dns.message.from_wire(message)
    sections = []
    for section in (read.answer, read.authority, read.additional):
        records = set()
        for rrset in section:
            owner = rrset.name.to_wire()
            assert owner is not None
            for rdata in rrset:
                octets = rdata.to_wire()
                assert octets is not None
                folded = wire.rdata(octets, rrset.rdtype, 0, len(octets), {})
                records.add(wire.RR(owner.lower(), int(rrset.rdtype), rrset.ttl, folded))
        sections.append(frozenset(records))
    kept = wire.AA | wire.TC | wire.RD | wire.RA | wire.AD | wire.CD
    return int(read.rcode()), int(read.flags) & kept, sections


@pytest.mark.interop
def test_agrees_with_dnspython(tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """1,500 replies of three servers, signed and unsigned."""
    zones = ZoneSet("corners-nsec", corners, "nsec").write(tmp_path)
    questions = Generator(list(Loaded.read(zones).zones.values()), seed=5, dnssec_share=0.5).draw(500)
    queries = [question.wire() for question in questions]
    with serving(unique_name(), tmp_path / "peers", zones) as peers:
        for peer in peers:
            with peer.socket() as asker:
                replies = ask.over_udp(asker, queries)
            for reply in replies:
                assert reply is not None
                if reply[3] & 15 == wire.FORMERR:  # dnspython asks more of these than a header
                    continue
                parsed = wire.parse(reply)
                found = (parsed.rcode, parsed.flags, [parsed.answer, parsed.authority, parsed.additional])
                assert found == _by_dnspython(reply)
    assert set(SIGNED) >= {"nsec"}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (bytes.fromhex("000000000001000000000000") + _QUESTION, "not a reply"),
        (_HEADER + b"\xc0\x0c\x00\x01\x00\x01", "backwards"),
        (_HEADER + b"\x41A\x00\x00\x01\x00\x01", "label type"),
        (_HEADER + (b"\x3f" + b"a" * 63) * 4 + b"\x00\x00\x01\x00\x01", "octets"),
        (_HEADER + _QUESTION + b"x", "after the last record"),
        (_HEADER[:2] + bytes.fromhex("80000001000100000000") + _QUESTION, "early"),
        (
            bytes.fromhex("000080000001000100000000") + _QUESTION + bytes.fromhex("c00c0001000300000000000401020304"),
            "class",
        ),
        (
            bytes.fromhex("000080000001000100000000")
            + _QUESTION
            + bytes.fromhex("c00c002100010000000000080000000000 00c00c"),
            "compressed name",
        ),
        (
            bytes.fromhex("000080000001000100000000") + _QUESTION + bytes.fromhex("0000290200000000000000"),
            "outside the additional",
        ),
    ],
)
def test_refuses_what_breaks_the_rules(message: bytes, reason: str) -> None:
    """Each malformed reply is named for what is wrong with it."""
    with pytest.raises(wire.Malformed, match=reason):
        wire.parse(message)


@pytest.mark.unit
def test_folds_and_decompresses() -> None:
    """Owner and RDATA names come out whole and in lower case; the question as it is on the wire."""
    message = bytes.fromhex("000084000001000100000000") + _QUESTION + bytes.fromhex("c00c0002000100000007 0004014ec00c")
    reply = wire.parse(message)
    assert reply.answer == {wire.RR(b"\x01a\x00", wire.NS, 7, b"\x01n\x01a\x00")}
    assert reply.question == _QUESTION
    assert reply.flags == wire.AA


@pytest.mark.unit
def test_counts_a_record_twice() -> None:
    """A record that stands twice in a section is noticed although sections are sets."""
    record = bytes.fromhex("c00c000100010000000700040a000001")
    once = bytes.fromhex("000084000001000100000000") + _QUESTION + record
    twice = bytes.fromhex("000084000001000200000000") + _QUESTION + record * 2
    assert not wire.parse(once).repeated
    assert wire.parse(twice).repeated
