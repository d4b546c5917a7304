# SPDX-License-Identifier: GPL-3.0-or-later
"""The program on real devices: the same answers, and room that differs from device to device.

How much a frame may grow depends on who made it and on the mode. Each device has a size up to which every answer must
be given on the NIC path; beyond it an answer is either right or left to userspace with the query untouched.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from appliance.datapath import links
from tests.datapath import cases, devices, expected, packets, reply
from tests.datapath.cases import Case
from tests.datapath.devices import Device
from tests.datapath.lab import Lab, Outcome
from tests.datapath.packets import Frame, Opt, message

pytestmark = pytest.mark.netns


@dataclass(frozen=True)
class Kind:
    """A device, a mode, the octets that answers of any length may have at least, and whether there is room for all.

    That may depend on the kernel (None): up to Linux 6.6 a veth copies what comes from a socket into a page of its own.
    """

    make: Callable[[str], AbstractContextManager[Device]]
    mode: links.Mode
    growth: int
    room_for_all: bool | None


HEAD_ROOM = 200  # octets that adjust_head gives on every path (docs/experiments.md)
KINDS = {
    "tap-native": Kind(devices.tap, "native", HEAD_ROOM, False),
    "tap-generic": Kind(devices.tap, "generic", HEAD_ROOM, False),
    "veth-native": Kind(lambda name: devices.veth(name, "socket"), "native", HEAD_ROOM, None),
    "veth-generic": Kind(lambda name: devices.veth(name, "socket"), "generic", HEAD_ROOM, False),
    "veth-pages": Kind(lambda name: devices.veth(name, "live"), "native", 1200, True),
}
SHORT = [case for case in cases.CASES if len(case.query) < 90][::3]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return one kind of device after the other."""
    return KINDS[request.param]


@pytest.fixture(scope="module")
def device(kind: Kind, lab: Lab, module_name: Callable[[], str]) -> Iterator[Device]:
    """Yield the device with the program attached."""
    with kind.make(module_name()) as made, lab.on_device(made, kind.mode):
        yield made


def judge(lab: Lab, query: bytes, frame: bytes, outcome: Outcome) -> None:
    """Compare a reply with the oracle; a query that was passed up is as it was."""
    if outcome.verdict == "pass_room":
        assert outcome.frame == frame
        return
    said = reply.check_frame(frame, outcome.frame)
    if outcome.verdict == "answer_truncated":
        assert said == expected.truncated(query, aa=True)
    elif outcome.verdict in expected.BARE:
        assert said == expected.bare_of(outcome.verdict, query)
    else:
        assert not expected.faults(lab.reference, query, said)


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("case", SHORT, ids=str)
def test_answer(lab: Lab, device: Device, case: Case, ipv6: bool) -> None:
    """The table, short frames padded as a card would."""
    frame = Frame(case.query, ipv6=ipv6).padded().octets()
    outcome = lab.ask_device(device, frame)
    assert outcome.verdict in (case.verdict, "pass_room")
    judge(lab, case.query, frame, outcome)


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
def test_tagged(lab: Lab, device: Device, ipv6: bool) -> None:
    """A VLAN tag in the frame comes back in the reply."""
    query = message("x.cut.table.test")
    frame = Frame(query, ipv6=ipv6, tags=((packets.VLAN, 42),)).octets()
    outcome = lab.ask_device(device, frame)
    assert outcome.verdict == "answer_referral"
    judge(lab, query, frame, outcome)


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
def test_growth(lab: Lab, kind: Kind, device: Device, ipv6: bool) -> None:
    """Answers that grow the frame by 1 to 1,200 octets: all within the least room are given, none is ever wrong."""
    passed = []
    for size in range(1, 1180, 23):
        query = message(f"s{size:04}.sizes.test", cases.TXT, opt=Opt())
        frame = Frame(query, ipv6=ipv6).octets()
        outcome = lab.ask_device(device, frame)
        judge(lab, query, frame, outcome)
        if outcome.verdict == "pass_room":
            passed.append(12 + size)
        else:
            assert outcome.verdict == "answer_positive"
    assert not passed or min(passed) > kind.growth
    assert kind.room_for_all is None or kind.room_for_all == (not passed)


def test_runs_of_packets(lab: Lab, device: Device) -> None:
    """A thousand queries without a pause: each is answered or passed, and all are counted."""
    query = message("mail.table.test")
    frame = Frame(query).octets()
    before = lab.counters()
    answered = 0
    for _ in range(20):
        for _ in range(50):
            device.send(frame)
        while device.receive(0.3) is not None:
            answered += 1
            if answered % 50 == 0:
                break
    now = lab.counters()
    assert answered == 1000
    assert now["answer_positive"] - before["answer_positive"] == 1000
