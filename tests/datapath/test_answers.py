# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of answer, over both families, with 0 to 2 VLAN tags: what the oracle says, octet for octet."""

import pytest

from appliance.server.respond import Exchange, Settings, respond
from appliance.zone import names
from tests.datapath import cases, expected, reply, served
from tests.datapath.cases import Case
from tests.datapath.lab import Lab
from tests.datapath.packets import SERVICE_VLAN, VLAN, Frame, Opt, message
from tests.datapath.served import LARGEST

pytestmark = pytest.mark.datapath

TAGS = {
    "untagged": (),
    "tagged": ((VLAN, 5 << 13 | 42),),
    "priority-tag": ((VLAN, 7 << 13),),
    "two-tags": ((SERVICE_VLAN, 7), (VLAN, 4095)),
}


def judge(lab: Lab, case: Case, frame: Frame) -> None:
    """Ask, and compare the verdict, the frame and the message."""
    outcome = lab.ask(frame)
    assert outcome.verdict == case.verdict
    said = reply.check_frame(frame.octets(), outcome.frame)
    reply.check_header(case.query, said)
    slow = respond(Exchange(lab.store, Settings(), case.query, "udp", frame.source_port))
    assert said == slow.octets, "the slow path says something else"
    if case.verdict in expected.BARE:
        assert said == expected.bare_of(case.verdict, case.query)
    else:
        assert not expected.faults(lab.reference, case.query, said)


@pytest.mark.parametrize("case", cases.CASES, ids=str)
@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
def test_answer(lab: Lab, case: Case, ipv6: bool) -> None:
    """The table, with each number of tags and with the padding that cards add."""
    for tags in TAGS.values():
        frame = Frame(case.query, ipv6=ipv6, tags=tags)
        judge(lab, case, frame)
        judge(lab, case, frame.padded(octet=0xA5))


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("verify", [True, False], ids=["verified", "unverified"])
def test_every_length(lab: Lab, ipv6: bool, verify: bool) -> None:
    """Answers of 60 octets to the limit, and TC beyond, whether the query has a UDP checksum or (IPv4) none."""
    lengths = set()
    with lab.port_flags(verify=verify):
        for size in range(1, LARGEST + 1):
            query = message(f"s{size:04}.sizes.test", cases.TXT, opt=Opt(size=4096))
            for checksum in (None, 0) if not (ipv6 and verify) else (None,):
                frame = Frame(query, ipv6=ipv6, udp_checksum=checksum)
                outcome = lab.ask(frame)
                said = reply.check_frame(frame.octets(), outcome.frame)
                lengths.add(len(said))
                if outcome.verdict == "answer_truncated":
                    assert said == expected.truncated(query, aa=True)
                    assert len(query) + 12 + size > reply.EDNS_SIZE
                else:
                    assert len(said) == len(query) + 12 + size
                    assert not expected.faults(lab.reference, query, said)
    assert lengths >= set(range(60, reply.EDNS_SIZE + 1))


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("size", [0, 511, 512, 513, 600, 1231, 1232, 1233, 65535])
def test_limit_is_exact(lab: Lab, size: int, ipv6: bool) -> None:
    """One octet more than the client takes, and the reply is TC; one less, and it is whole (RFC 6891 §6.2.3)."""
    limit = min(max(size, 512), reply.EDNS_SIZE)
    overhead = len(message("s0500.sizes.test", opt=Opt())) + 12
    for octets, verdict in ((limit - overhead, "answer_positive"), (limit - overhead + 1, "answer_truncated")):
        query = message(f"s{octets:04}.sizes.test", cases.TXT, opt=Opt(size=size))
        outcome = lab.ask(Frame(query, ipv6=ipv6))
        assert outcome.verdict == verdict
        said = reply.check_frame(Frame(query, ipv6=ipv6).octets(), outcome.frame)
        if verdict == "answer_positive":
            assert len(said) == limit
            assert not expected.faults(lab.reference, query, said)
        else:
            assert said == expected.truncated(query, aa=True)


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
def test_limit_without_edns(lab: Lab, ipv6: bool) -> None:
    """512 octets fit, 513 do not (RFC 1035 §4.2.1)."""
    overhead = len(message("s0500.sizes.test")) + 12
    for octets, verdict in ((512 - overhead, "answer_positive"), (513 - overhead, "answer_truncated")):
        query = message(f"s{octets:04}.sizes.test", cases.TXT)
        outcome = lab.ask(Frame(query, ipv6=ipv6))
        assert outcome.verdict == verdict
        said = reply.check_frame(Frame(query, ipv6=ipv6).octets(), outcome.frame)
        assert len(said) == (512 if verdict == "answer_positive" else len(query))


_MIXED = ("cut-mixed.table.test", "www.cut-mixed.table.test", "a.b.c.d.e.f.g.h.cut-mixed.table.test")


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("name", _MIXED)
def test_smaller_variants(lab: Lab, name: str, ipv6: bool) -> None:
    """As the client takes less, optional glue goes first; without the required glue the reply is TC (RFC 9471 §3)."""
    lengths, verdicts = set(), set()
    for size in range(512, 1000):
        query = message(name, cases.A, opt=Opt(size=size))
        frame = Frame(query, ipv6=ipv6)
        outcome = lab.ask(frame)
        said = reply.check_frame(frame.octets(), outcome.frame)
        verdicts.add(outcome.verdict)
        lengths.add(len(said))
        if outcome.verdict == "answer_truncated":
            assert said == expected.truncated(query, aa=False)
        else:
            assert outcome.verdict == "answer_referral"
            assert not expected.faults(lab.reference, query, said)
    assert "answer_referral" in verdicts
    assert len(lengths) >= 2, "the zone's referral has variants to choose from"


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
def test_required_glue_or_tc(lab: Lab, ipv6: bool) -> None:
    """A referral whose required glue does not fit is TC and empty, never without its glue."""
    seen = set()
    for opt in (None, Opt(size=512), Opt(size=1232)):
        query = message("x.cut-big.table.test", cases.A, opt=opt)
        frame = Frame(query, ipv6=ipv6)
        outcome = lab.ask(frame)
        said = reply.check_frame(frame.octets(), outcome.frame)
        seen.add(outcome.verdict)
        if outcome.verdict == "answer_truncated":
            assert said == expected.truncated(query, aa=False)
        else:
            assert not expected.faults(lab.reference, query, said)
    assert seen == {"answer_referral", "answer_truncated"}


def _all_rrsets(lab: Lab) -> list[tuple[bytes, int]]:
    return [
        (owner, rtype)
        for zone in lab.zones
        for owner, rrsets in zone.nodes.items()
        if zone.is_authoritative(owner)
        for rtype in rrsets
    ]


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
def test_every_rrset(lab: Lab, ipv6: bool) -> None:
    """Each authoritative RRset of all zones, also those of unknown type; but for types that only userspace answers."""
    wide = names.from_text("beyond.wide.test.")
    types_seen = set()
    for owner, rtype in _all_rrsets(lab):
        query = message(owner, rtype, opt=Opt())
        frame = Frame(query, ipv6=ipv6)
        outcome = lab.ask(frame)
        if owner == wide:
            assert outcome.verdict == "pass_type_table"
        elif owner.endswith(names.from_text(served.EXPIRED)):
            assert outcome.verdict == "answer_servfail"
        elif outcome.verdict != "answer_truncated":
            said = reply.check_frame(frame.octets(), outcome.frame)
            assert not expected.faults(lab.reference, query, said)
            types_seen.add(rtype)
        else:
            assert len(query) + 12 + lab_rdata(lab, owner, rtype) > reply.EDNS_SIZE
    assert len(types_seen) > 150


def lab_rdata(lab: Lab, owner: bytes, rtype: int) -> int:
    """Return the octets of an RRset's RDATA."""
    rrset = next(found for zone in lab.zones if (found := zone.rrset(owner, rtype)))
    return sum(map(len, rrset.rdatas))
