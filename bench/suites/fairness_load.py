# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of suite fairness: greedy and stalled connections from one network, honest questions from another."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from appliance.zone import types
from bench.peers.commands import ADDRESS, PORT
from bench.peers.starts import query

GREEDY_SOURCE: Final = "127.1.0.1"
HONEST_SOURCE: Final = "127.2.0.1"
TIMEOUT_S: Final = 2.0
NAME: Final = "www.example."
BIG: Final = "big.example."
_BLOCK: Final = 100
_SETTLE_S: Final = 10.0
_PAUSE_S: Final = 0.004


def framed(name: str, rtype: int = types.A) -> bytes:
    """Return a question as it goes over TCP."""
    wire = query(name)[:-4] + rtype.to_bytes(2) + types.IN.to_bytes(2)
    return len(wire).to_bytes(2) + wire


def connect(source: str, kind: socket.SocketKind = socket.SOCK_STREAM, receive: int = 0) -> socket.socket:
    """Return a socket that is connected to the server."""
    made = socket.socket(socket.AF_INET, kind)
    if receive:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    made.settimeout(TIMEOUT_S)
    made.bind((source, 0))
    made.connect((ADDRESS, PORT))
    return made


def be_greedy(count: int) -> None:
    """Keep the pipelines of connections full and read all that comes, in the time that nobody else wants, for ever."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    block = framed(NAME) * _BLOCK
    poll = select.epoll()
    lines: dict[int, socket.socket] = {}
    left: dict[int, bytes] = {}
    served: set[int] = set()
    told = False
    begun = time.monotonic()
    while True:
        while len(lines) < count:
            try:
                line = connect(GREEDY_SOURCE)
            except OSError:
                break
            line.setblocking(False)
            lines[line.fileno()], left[line.fileno()] = line, block
            poll.register(line.fileno(), select.EPOLLIN | select.EPOLLOUT)
        if not told and (len(served) >= count or time.monotonic() - begun > _SETTLE_S):
            told = True
            print("ready", flush=True)
        for fd, events in poll.poll(1):
            line = lines[fd]
            try:
                if events & select.EPOLLOUT:
                    taken = line.send(left[fd])
                    left[fd] = left[fd][taken:] or block
                if events & ~select.EPOLLOUT:
                    if not line.recv(1 << 18):
                        raise ConnectionResetError
                    served.add(fd)
            except BlockingIOError:
                continue
            except OSError:
                poll.unregister(fd)
                lines.pop(fd).close()


@contextmanager
def greedy(count: int) -> Iterator[None]:
    """Have greedy connections, in a process of their own, until the context ends."""
    command = [sys.executable, "-c", f"from bench.suites.fairness_load import be_greedy; be_greedy({count})"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=subprocess.PIPE, cwd=root) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield
        finally:
            process.kill()


@dataclass
class Honest:
    """What an honest client saw, in milliseconds by kind of question; a time-out counts as its length."""

    times: dict[str, list[float]] = field(default_factory=dict)
    timeouts: int = 0

    def percentile(self, kind: str, percent: float) -> float:
        """Return a percentile of the times of a kind."""
        times = sorted(self.times[kind])
        return times[min(len(times) - 1, int(len(times) * percent / 100))]


def ask_honestly(count: int) -> Honest:
    """Ask over UDP, on an open connection and on a new one each, in turn, one question at a time."""
    seen = Honest({"udp": [], "tcp_open": [], "tcp_new": []})
    opened: list[socket.socket] = []
    with suppress(OSError):
        opened.append(connect(HONEST_SOURCE))
        _exchange(opened[0])

    def over_udp() -> None:
        with connect(HONEST_SOURCE, socket.SOCK_DGRAM) as line:
            line.send(query(NAME))
            line.recv(512)

    def over_open() -> None:
        if not opened:
            opened.append(connect(HONEST_SOURCE))
        try:
            _exchange(opened[0])
        except OSError:
            opened.pop().close()
            raise

    def over_new() -> None:
        with connect(HONEST_SOURCE) as line:
            _exchange(line)

    for _ in range(count):
        for kind, ask in (("udp", over_udp), ("tcp_open", over_open), ("tcp_new", over_new)):
            begun = time.perf_counter()
            try:
                ask()
            except OSError:
                seen.timeouts += 1
                seen.times[kind].append(TIMEOUT_S * 1e3)
            else:
                seen.times[kind].append((time.perf_counter() - begun) * 1e3)
            time.sleep(_PAUSE_S)
    for line in opened:
        line.close()
    return seen


def _exchange(line: socket.socket) -> None:
    line.sendall(framed(NAME))
    if not line.recv(512):
        raise ConnectionResetError


def stall(count: int, seconds: float) -> tuple[float, float]:
    """Have clients ask for much and read nothing; return MiB in the server's send queues: the most, and at the end."""
    lines = []
    most = last = 0.0
    try:
        for _ in range(count):
            with suppress(OSError):
                line = connect(GREEDY_SOURCE, receive=4096)
                lines.append(line)
                line.sendall(framed(BIG, types.TXT) * 20)
            if not len(lines) % 50:
                most = max(most, _send_queues())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            last = _send_queues()
            most = max(most, last)
            time.sleep(0.25)
    finally:
        for line in lines:
            line.close()
    return most, last


def _send_queues() -> float:
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].partition(":")[2], 16) == PORT:
            total += int(words[4].partition(":")[0], 16)
    return total / (1 << 20)
