# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at random points of the swap to a larger generation: clients get every answer, the next start the newest."""

from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from demo.network import Pair
from tests.chaos import versions
from tests.chaos.client import Client
from tests.chaos.serving import START_S, Server
from tests.chaos.test_control_plane import all_of_one_version
from tests.harness.points import Points

pytestmark = [pytest.mark.chaos, pytest.mark.netns]

SMALL = 8
LARGE = 2500
"""Hosts that the index of a store with few names has no room for."""


def killed_in_swaps(
    pair: Pair, bpffs: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, times: int
) -> None:
    """Let a server grow again and again and die of it, while a client asks."""
    points = Points(folder, seed)
    for name, value in points.environment.items():
        monkeypatch.setenv(name, value)
    server = Server(pair.server, folder, versions.ORIGIN)
    server.write(versions.text(1))
    server.start()
    serial = 2
    try:
        server.write(versions.text(serial, LARGE))
        assert server.reload()
        assert points.lines("swap")
        with Client(pair.client.name, pair.server.address4, versions.QUESTIONS) as asking:
            for _ in range(times):
                serial = _killed_in_a_swap(server, points, serial)
                asking.wait_for(100)
                all_of_one_version(asking.take(), {serial - 2, serial - 1, serial})
                assert server.serial == serial
                assert len(server.generations(bpffs)) == 1
                said = server.ask("stats")["verdicts"]
                assert said["pass_flip"] == 0
        assert not list((folder / "state").glob(".store.image.*"))
    finally:
        server.stop()


def _killed_in_a_swap(server: Server, points: Points, serial: int) -> int:
    """Start over with a small zone, let it grow, and start again where that was fatal; return the newest version."""
    server.write(versions.text(serial + 1, SMALL))
    (server.folder / "state" / "store.image").unlink(missing_ok=True)  # its index has room for many names
    server.processes[-1].kill()
    server.processes[-1].wait(START_S)
    server.start()
    where = points.arm("swap")
    server.write(versions.text(serial + 2, LARGE))
    with pytest.raises(ApplianceError):
        server.reload()
    assert server.processes[-1].wait(START_S) < 0, where
    points.disarm()
    assert server.attached(), where
    server.start()
    return serial + 2


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_points(veth_pair: Pair, own_bpffs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points: a start with the NIC path takes a second and more."""
    killed_in_swaps(veth_pair, own_bpffs, tmp_path, monkeypatch, seed=5, times=2)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_fifty_points(veth_pair: Pair, own_bpffs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty points of the swap alone."""
    killed_in_swaps(veth_pair, own_bpffs, tmp_path, monkeypatch, seed=6, times=50)
