# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that do not answer are noticed, told and replaced; those that are only kept waiting are left alone."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.publish import pulse
from appliance.publish.pulse import ASKED, Pulse
from appliance.server.worker import PING
from tests.harness.served import configuration, serving, until, zone_text

pytestmark = pytest.mark.unit


def workers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def write(folder: Path, silence_s: float) -> None:
    text = configuration("example.", more=f"worker_silence_s = {silence_s}")
    (folder / "appliance.toml").write_text(text)
    (folder / "example.zone").write_text(zone_text())


def test_a_stopped_worker_is_replaced(tmp_path: Path) -> None:
    """Before, half of the queries were never answered, and status said that all is well."""
    write(tmp_path, 1.0)
    with serving(tmp_path) as server:
        victim, other = workers_of(server.process.pid)
        os.kill(victim, signal.SIGSTOP)
        until(lambda: server.ask("stats")["workers"] == {"restarts": 1, "silent": 1})
        assert f"(process {victim}) has not answered for 1 s (state T): killed" in server.log()
        assert other in workers_of(server.process.pid)
        assert victim not in workers_of(server.process.pid)
        until(lambda: server.ask("status")["healthy"])
        for tcp in (False, True) * 10:
            assert server.address(tcp=tcp) == "192.0.2.2"


def test_status_tells_a_worker_that_does_not_answer(tmp_path: Path) -> None:
    write(tmp_path, 10.0)
    with serving(tmp_path) as server:
        victim = workers_of(server.process.pid)[0]
        os.kill(victim, signal.SIGSTOP)
        told: list[dict[str, Any]] = []

        def is_unhealthy() -> bool:
            told.append(server.ask("status"))
            return not told[-1]["healthy"]

        until(is_unhealthy)
        assert f"(process {victim}) does not answer (state T" in told[-1]["problems"][0]
        os.kill(victim, signal.SIGCONT)
        until(lambda: server.ask("status")["healthy"])


def test_a_worker_that_is_kept_waiting_is_left_alone(tmp_path: Path) -> None:
    """All processors are busy with more important work for many times the limit; nobody is killed."""
    write(tmp_path, 0.2)
    with serving(tmp_path) as server:
        victims = workers_of(server.process.pid)
        for pid in victims:
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        burn = "while True: pass"
        count = 2 * len(os.sched_getaffinity(0))
        burners = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(count)]
        try:
            ends = time.monotonic() + 3.0
            while time.monotonic() < ends:
                assert server.ask("stats")["workers"] == {"restarts": 0, "silent": 0}
        finally:
            for one in burners:
                one.kill()
                one.wait()
        assert workers_of(server.process.pid) == victims
        assert server.address() == "192.0.2.2"


def test_nobody_is_asked_where_the_limit_is_0(tmp_path: Path) -> None:
    write(tmp_path, 0)
    with serving(tmp_path) as server:
        assert server.address() == "192.0.2.2"
        assert server.ask("status")["healthy"]
        assert "error" not in server.log()


def lines() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@pytest.mark.parametrize(
    ("state", "used", "dead"),
    [
        ("T", 0.0, True),  # stopped
        ("S", 0.0, True),  # waits for something else
        ("R", 1.0, True),  # runs in a circle
        ("R", 0.0, False),  # is ready, and gets no processor
        ("D", 0.0, False),  # waits for a disk
    ],
)
def test_a_worker_is_judged_by_what_it_could_do(
    monkeypatch: pytest.MonkeyPatch, state: str, used: float, dead: bool
) -> None:
    ours, theirs = lines()
    spent = iter(used * number for number in range(100))
    monkeypatch.setattr(pulse, "_processor", lambda pid: (state, next(spent)))
    one = Pulse(1, ours)
    with ours, theirs:
        killed = [one.beat() for _ in range(ASKED + 3)]
    assert killed.count(True) == int(dead)
    assert not any(killed[:ASKED])


def test_a_control_process_that_was_held_up_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much time passes between two beats, they are two; and what was answered meanwhile counts."""
    ours, theirs = lines()
    monkeypatch.setattr(pulse, "_processor", lambda pid: ("S", 0.0))
    one = Pulse(1, ours)
    with ours, theirs:
        for _ in range(3 * ASKED):
            assert not one.beat()
            message = theirs.recv(64)
            assert message[:1] == PING
            theirs.send(message)
        assert one.missed == 0
