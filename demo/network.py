# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces joined by a wire: a network of one's own, gone without trace afterwards."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from demo import xdp_pass

DEVICE = "eth0"  # both ends: each has its namespace to itself
_KILL_AFTER_S = 5.0


@dataclass
class Namespace:
    """One end: a named network namespace with one device."""

    name: str
    address4: str
    address6: str
    device: str = DEVICE
    processes: list[subprocess.Popen[Any]] = field(default_factory=list)

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command as it runs here: in this network, with the mounts (and so the pins) of the machine."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *command]

    def run(self, *command: str, timeout_s: float = 30.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return it with its output."""
        return subprocess.run(
            self.command(command),
            stdin=subprocess.DEVNULL,  # dig aborts where descriptor 0 is closed
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=check,
        )

    def start(self, *command: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a process (options as for Popen) that is ended, at the latest, together with the namespace."""
        process = subprocess.Popen(self.command(command), **options)
        self.processes.append(process)
        return process

    def pids(self) -> list[int]:
        """Return the processes that live in this network."""
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]

    def remove(self) -> None:
        """End every process of the namespace, then the namespace."""
        for process in self.processes:
            _end(process)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
            deadline = time.monotonic() + _KILL_AFTER_S
            while self.pids() and time.monotonic() < deadline:
                time.sleep(0.02)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


@dataclass
class Pair:
    """The server's end and the client's end."""

    server: Namespace
    client: Namespace


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=30)


def _configure(end: Namespace) -> None:
    _ip("-n", end.name, "link", "set", "lo", "up")
    _ip("-n", end.name, "address", "add", f"{end.address4}/24", "dev", end.device)
    _ip("-n", end.name, "address", "add", f"{end.address6}/64", "dev", end.device, "nodad")
    _ip("-n", end.name, "link", "set", end.device, "up")


@contextmanager
def _namespaces(*names: str) -> Iterator[list[Namespace]]:
    """Make namespaces, named and numbered in order: 10.53.0.1, 10.53.0.2, …"""
    ends = [Namespace(name, f"10.53.0.{n}", f"fd53::{n}") for n, name in enumerate(names, 1)]
    try:
        for end in ends:
            _ip("netns", "add", end.name)
        yield ends
    finally:
        for end in reversed(ends):
            end.remove()


@contextmanager
def veth_pair(name: str) -> Iterator[Pair]:
    """Make the pair and yield it; `name` must be unique on this machine.

    The client's end computes whole checksums (a veth would leave them to a card that is not there) and carries an
    XDP program, without which frames sent by XDP_TX never arrive.
    """
    with _namespaces(f"{name}-server", f"{name}-client") as (server, client):
        _ip("link", "add", DEVICE, "netns", server.name, "type", "veth", "peer", "name", DEVICE, "netns", client.name)
        for end in (server, client):
            _configure(end)
            end.run("ethtool", "-K", DEVICE, "tx", "off")
        xdp_pass.attach(client.name, DEVICE)
        yield Pair(server, client)


@contextmanager
def card_pairs(name: str, *cards: tuple[str, str]) -> Iterator[list[Pair]]:
    """Do the same with cards of this machine that are cabled together two by two (server's, client's).

    All the server's cards share one namespace. They come back when the namespaces go.
    """
    with _namespaces(f"{name}-server", *(f"{name}-client{n}" for n in range(len(cards)))) as (shared, *clients):
        pairs = []
        for n, ((server_card, client_card), client) in enumerate(zip(cards, clients, strict=True)):
            server = Namespace(shared.name, f"10.53.{n}.1", f"fd53:{n:x}::1", server_card)
            client.device, client.address4, client.address6 = client_card, f"10.53.{n}.2", f"fd53:{n:x}::2"
            for end in (server, client):
                _ip("link", "set", end.device, "down")
                _ip("link", "set", end.device, "netns", end.name)
                _configure(end)
            pairs.append(Pair(server, client))
        yield pairs
