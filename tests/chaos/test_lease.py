# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: a program that nobody looks after hands everything up when its time is over, and not a moment before."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from demo.network import Pair
from tests.chaos import versions
from tests.chaos.serving import Server
from tests.chaos.test_expiry import rcode, wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

LEASE_S: Final = 4.0
_PATIENCE_S: Final = 60.0


@pytest.fixture
def leased(veth_pair: Pair, tmp_path: Path) -> Iterator[Server]:
    """Yield a server that leaves its program on the interface, with a lease of seconds."""
    yield from _serving(Server(veth_pair.server, tmp_path, versions.ORIGIN, detach_on_stop=False, lease_s=LEASE_S))


def _serving(server: Server) -> Iterator[Server]:
    server.write(versions.text(1))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_it_runs_out_when_the_server_has_ended(leased: Server, veth_pair: Pair, number: signal.Signals) -> None:
    """Killed or stopped in order: it answers at first and is silent later; the next start makes it answer again."""
    before = time.monotonic()
    leased.signal(number)
    ended = time.monotonic()
    said = rcode(veth_pair)
    assert said == "NOERROR" or time.monotonic() > before + LEASE_S * 0.9  # renewed a tenth of it before, at worst
    wait_until(ended + LEASE_S)
    assert leased.attached()
    assert rcode(veth_pair) == "none"
    leased.start()
    assert rcode(veth_pair) == "NOERROR"
    assert leased.answered_by_nic()


def test_it_is_renewed_while_control_is_healthy(leased: Server, veth_pair: Pair) -> None:
    """Long after the first lease all is answered there; while control stands still it ends, and comes back."""
    for _ in range(3):
        wait_until(time.monotonic() + LEASE_S / 2)
        answered = leased.answered_by_nic()
        assert rcode(veth_pair) == "NOERROR"
        assert leased.answered_by_nic() == answered + 1
    assert not leased.ask("stats")["verdicts"]["pass_lease"]
    control = leased.processes[-1].pid
    os.kill(control, signal.SIGSTOP)
    try:
        wait_until(time.monotonic() + LEASE_S)
        assert [rcode(veth_pair), rcode(veth_pair, "tcp")] == ["NOERROR"] * 2  # from the workers
    finally:
        os.kill(control, signal.SIGCONT)
    assert leased.ask("stats")["verdicts"]["pass_lease"]
    deadline = time.monotonic() + _PATIENCE_S
    answered = leased.answered_by_nic()
    while leased.answered_by_nic() == answered:
        assert rcode(veth_pair) == "NOERROR"
        assert time.monotonic() < deadline, "the lease was not renewed"


def test_it_may_be_without_end(veth_pair: Pair, tmp_path: Path) -> None:
    """With lease_s = 0 the program never looks at the clock."""
    for server in _serving(Server(veth_pair.server, tmp_path, versions.ORIGIN, detach_on_stop=False, lease_s=0)):
        server.signal(signal.SIGKILL)
        assert rcode(veth_pair) == "NOERROR"
        assert "lease" not in server.log.read_text()
