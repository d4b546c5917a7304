# SPDX-License-Identifier: GPL-3.0-or-later
"""The real server behind sockets: NIC path and userspace give the same octets, and the NIC path gives nearly all."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from demo.network import Pair
from demo.server import Server as RealServer
from demo.server import ZoneFile as Served
from tests.interop.differential import Remote, run
from tests.interop.differential import Server as AnyServer
from tests.interop.loaded import Loaded
from tests.interop.ours import InProcess
from tests.interop.peers import connected, serving
from tests.interop.questions import Generator, Question
from tests.interop.zonesets import ZoneSet, corners, registry

DNS_PORT = 53
OCTETS = 12_000
SHARE = 0.999
_VETH_ROOM = "pass_room"


def _served(zone_set: ZoneSet, folder: Path) -> tuple[Loaded, list[Served]]:
    files = zone_set.write(folder)
    return Loaded.read(files), [Served(file.origin, file.ours or file.path) for file in files]


def _remote(pair: Pair) -> Remote:
    return Remote("ours", partial(connected, pair.client.name, (pair.server.address4, DNS_PORT)))


def _questions(loaded: Loaded, count: int, dnssec_share: float) -> list[Question]:
    generator = Generator(list(loaded.zones.values()), seed=53, dnssec_share=dnssec_share)
    systematic = list(itertools.islice(generator.every(), count // 4))
    return [*systematic, *generator.draw(count - len(systematic))]


@pytest.mark.netns
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "zone_set",
    [ZoneSet("corners-nsec", corners, "nsec"), ZoneSet("registry-optout", registry, "optout")],
    ids=lambda zone_set: zone_set.name,
)
def test_both_paths_give_the_same_octets(zone_set: ZoneSet, tmp_path: Path, veth_pair: Pair) -> None:
    """What comes through sockets, from whichever path, is what the userspace steps make of the same query."""
    loaded, served = _served(zone_set, tmp_path)
    steps = InProcess.of(loaded)
    questions = _questions(loaded, OCTETS, dnssec_share=0.4)
    queries = [question.wire(number) for number, question in enumerate(questions)]
    with RealServer(veth_pair.server, tmp_path, served, {veth_pair.server.device: "native"}) as server:
        before = server.verdicts()
        replies = _remote(veth_pair).over_udp(queries)
        after = server.verdicts()
    wrong = []
    for question, query, reply in zip(questions, queries, replies, strict=True):
        expected = steps.answer(query, "udp")
        if reply != expected:
            shown = [octets.hex() if octets else "silence" for octets in (reply, expected)]
            wrong.append(f"{question.text()}\n  sockets: {shown[0]}\n  steps:   {shown[1]}")
    answered = sum(after[name] - before[name] for name in after if name.startswith("answer_"))
    print(f"{zone_set.name}: {answered} of {len(queries)} from the NIC path")
    assert answered > OCTETS // 2, "too few answers from the NIC path to compare anything"
    assert not wrong, f"{len(wrong)} replies differ\n" + "\n".join(wrong[:10])


@pytest.mark.netns
@pytest.mark.timeout(240)
def test_nearly_all_from_the_nic_path(tmp_path: Path, veth_pair: Pair) -> None:
    """A registry's ordinary questions, DO clear: at least 99.9 % are answered in the NIC path.

    A veth gives frames that came from a socket too little room for long answers; those passes are its own, and are
    counted apart.
    """
    loaded, served = _served(ZoneSet("registry", registry), tmp_path)
    questions = [
        question._replace(edns_flags=0)
        for question in _questions(loaded, OCTETS, dnssec_share=0)
        if question.rtype not in (0, 41, 249, 250)
    ]
    with RealServer(veth_pair.server, tmp_path, served, {veth_pair.server.device: "native"}) as server:
        assert server.interface_mode(veth_pair.server.device) == "native"
        before = server.verdicts()
        replies = _remote(veth_pair).over_udp([question.wire() for question in questions])
        after = server.verdicts()
    gained = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert None not in replies
    answered = sum(count for name, count in gained.items() if name.startswith("answer_"))
    missed = {
        name: count for name, count in gained.items() if name.startswith(("pass_", "drop_")) and name != _VETH_ROOM
    }
    print(f"answered {answered}, for want of room on a veth {gained.get(_VETH_ROOM, 0)}, missed {missed}")
    assert answered >= SHARE * (answered + sum(missed.values())), missed
    assert answered > len(questions) // 2


@pytest.mark.interop
@pytest.mark.netns
@pytest.mark.timeout(240)
def test_no_difference_through_sockets(tmp_path: Path, veth_pair: Pair, unique_name: Callable[[], str]) -> None:
    """The differential comparison once more, with the real server in our place, over UDP and TCP."""
    zone_set = ZoneSet("corners", corners)
    loaded, served = _served(zone_set, tmp_path)
    with (
        RealServer(veth_pair.server, tmp_path, served, {veth_pair.server.device: "native"}),
        serving(unique_name(), tmp_path / "peers", zone_set.write(tmp_path)) as peers,
    ):
        servers: list[AnyServer] = [_remote(veth_pair), *(Remote.peer(peer) for peer in peers)]
        report = run(servers, _questions(loaded, 4_000, dnssec_share=0.1), loaded)
    assert not report.failed, report.text()
