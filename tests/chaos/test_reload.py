# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones change under load: each answer is of exactly one version, and versions never go back."""

from pathlib import Path

import pytest

from demo.network import Pair
from tests.chaos import versions
from tests.chaos.client import Client, Exchange
from tests.chaos.serving import Server

pytestmark = [pytest.mark.chaos, pytest.mark.netns]


def no_blend(exchanges: list[Exchange], changes: list[tuple[int, float, float]], first: int = 1) -> None:
    """Hold each answer against the versions that were there between its query and its reply.

    `changes` has each version with the times between which it was put in place.
    """
    for exchange in exchanges:
        assert exchange.reply is not None
        found = versions.stamps(exchange.reply)
        assert len(found) == 1, f"a blend of versions {found}: {exchange.reply.hex()}"
        (version,) = found
        earliest = max((one for one, _, done in changes if done < exchange.sent), default=first)
        latest = max((one for one, begun, _ in changes if begun < exchange.received), default=first)
        assert earliest <= version <= latest, f"version {version} where {earliest} to {latest} were served"


def _reload_often(server: Server, pair: Pair, times: int, address: str) -> None:
    changes, first, before = [], server.serial, server.answered_by_nic()
    with Client(pair.client.name, address, versions.QUESTIONS, pause_s=0.0) as asking:
        for version in range(first + 1, first + 1 + times):
            server.write(versions.text(version, hosts=8 + version % 50))
            begun = asking.now()
            assert server.reload()
            changes.append((version, begun, asking.now()))
    assert not asking.lost
    assert len(asking.exchanges) > 10 * times
    assert server.answered_by_nic() - before > 0.9 * len(asking.exchanges)
    no_blend(asking.exchanges, changes, first)


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_reload_under_load(steady: Server, steady_pair: Pair, family: str) -> None:
    """A hundred versions."""
    address = steady_pair.server.address4 if family == "v4" else steady_pair.server.address6
    _reload_often(steady, steady_pair, 100, address)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_reload_under_load_for_long(steady: Server, steady_pair: Pair) -> None:
    """A hundred thousand versions, and a server that does not grow."""
    before = _resident_octets(steady)
    for _ in range(100):
        _reload_often(steady, steady_pair, 1000, steady_pair.server.address4)
    assert _resident_octets(steady) < before + (20 << 20)


def test_compaction_by_a_new_generation(veth_pair: Pair, own_bpffs: Path, tmp_path: Path) -> None:
    """Changes leave waste behind; a store without it takes over, with what changed meanwhile, and no query is lost."""
    server = Server(veth_pair.server, tmp_path, versions.ORIGIN)
    text = server.config.read_text()
    server.config.write_text(text + "[store]\ncompact_mib = 0\ncompact_percent = 15\n")
    server.write(versions.text(1, hosts=1200))
    server.start()
    try:
        before = server.attached()
        changes: list[tuple[int, float, float]] = []
        with Client(veth_pair.client.name, veth_pair.server.address4, versions.QUESTIONS) as asking:
            deadline = asking.now() + 60
            while "compiled anew" not in server.log.read_text():
                assert asking.now() < deadline, server.log.read_text()
                version = 2 + len(changes)
                server.write(versions.text(version, hosts=1200 + version))
                begun = asking.now()
                assert server.reload()
                changes.append((version, begun, asking.now()))
            asking.wait_for(300)
        assert server.attached() not in (0, before)
        assert len(server.generations(own_bpffs)) == 1
        mapped = Path(f"/proc/{server.processes[-1].pid}/maps").read_text()
        assert mapped.count("anon_inode:bpf-map") == 8  # the arrays of one generation
        assert not asking.lost
        no_blend(asking.exchanges, changes)
    finally:
        server.stop()


def _resident_octets(server: Server) -> int:
    pages = int(Path(f"/proc/{server.ask('status')['pid']}/statm").read_text().split()[1])
    return pages * 4096


def test_growth_into_a_new_generation(server: Server, veth_pair: Pair) -> None:
    """A zone that outgrows the arrays moves to a larger generation: no query is lost, no answer is a blend."""
    before = server.attached()
    with Client(veth_pair.client.name, veth_pair.server.address4, versions.QUESTIONS) as asking:
        asking.wait_for(100)
        server.write(versions.text(2, hosts=20_000))
        begun = asking.now()
        assert server.reload()
        done = asking.now()
        asking.wait_for(300)
    assert server.attached() not in (0, before)
    assert not asking.lost
    no_blend(asking.exchanges, [(2, begun, done)])
