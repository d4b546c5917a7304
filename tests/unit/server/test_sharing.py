# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers share what comes: evenly, and without one that stands still, dies or is replaced."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.message
import pytest

from tests.harness.served import Served, configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

QUERY = dns.message.make_query("www.example.", "A").to_wire()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "example.zone").write_text(zone_text())
    (tmp_path / "appliance.toml").write_text(configuration("example.", more="tcp_workers = 2\n"))
    with serving(tmp_path) as made:
        yield made


def workers(server: Served) -> list[int]:
    listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def connect(server: Served, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))


def ask(line: socket.socket) -> None:
    line.sendall(len(QUERY).to_bytes(2) + QUERY)


def is_answered(line: socket.socket) -> bool:
    reply = line.recv(2 + 512)
    return reply[2:4] == QUERY[:2] and reply[5] & 15 == 0


def test_connections_are_shared_evenly(server: Served) -> None:
    """One after the other, each used before the next one comes: no worker is ever busy."""
    with ExitStack() as stack:
        for _ in range(40):
            line = connect(server, stack)
            ask(line)
            assert is_answered(line)
        one, other = server.ask("stats")["connections"]
        assert one + other == 40
        assert abs(one - other) <= 40 // 8
    until(lambda: server.ask("stats")["connections"] == [0, 0])


def test_connections_that_come_at_one_moment_are_shared_evenly(server: Served) -> None:
    with ExitStack() as stack:
        lines = [connect(server, stack) for _ in range(200)]
        for line in lines:
            ask(line)
        assert all(map(is_answered, lines))
        one, other = server.ask("stats")["connections"]
        assert one + other == 200
        assert min(one, other) >= 200 // 4  # nobody waits longer than a moment for a worker that gets no processor


def test_a_worker_that_stands_still_gets_nothing(server: Served) -> None:
    """Neither new connections nor the queries of one UDP source wait for it."""
    stopped = workers(server)[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            for _ in range(20):
                line = connect(server, stack)
                ask(line)
                assert is_answered(line)
            for _ in range(8):
                line = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                line.settimeout(20)
                line.connect(("127.0.0.1", server.port))
                for _ in range(3):
                    line.send(QUERY)
                    assert line.recv(512)[:2] == QUERY[:2]
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_what_waits_when_all_workers_die_is_served_by_the_next(server: Served) -> None:
    before = workers(server)
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    with ExitStack() as stack:
        lines = [connect(server, stack) for _ in range(20)]
        for line in lines:
            ask(line)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(20)
            line.connect(("127.0.0.1", server.port))
            line.send(QUERY)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            assert line.recv(512)[:2] == QUERY[:2]
        assert all(map(is_answered, lines))
