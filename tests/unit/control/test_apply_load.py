# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets and workers change while clients ask over UDP and TCP without a pause: no query is lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import pytest

from tests.harness.served import Served, configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

QUERY = dns.message.make_query("www.example.", "A", id=0x1234).to_wire()
PATIENCE_S = 20.0


class Asking(threading.Thread):
    """One client; `asked` counts, `lost` says what was not answered."""

    def __init__(self, kind: socket.SocketKind, port: int) -> None:
        super().__init__()
        self._kind, self._port = kind, port
        self.asked, self.lost = 0, ""
        self.stop = threading.Event()

    def run(self) -> None:
        """Ask, a new socket each time."""
        while not self.stop.is_set():
            try:
                self._ask()
            except OSError as error:
                self.lost = f"after {self.asked} queries: {error!r}"
                return
            self.asked += 1

    def _ask(self) -> None:
        with socket.socket(socket.AF_INET, self._kind) as line:
            line.settimeout(PATIENCE_S)
            line.connect(("127.0.0.1", self._port))
            if self._kind == socket.SOCK_DGRAM:
                line.send(QUERY)
                reply = line.recv(4096)
            else:
                line.sendall(len(QUERY).to_bytes(2) + QUERY)
                reply = line.recv(4096)[2:]
            if reply[:2] != QUERY[:2]:
                raise OSError(f"closed without an answer: {reply!r}")


@contextmanager
def load(server: Served) -> Iterator[list[Asking]]:
    """Yield clients that ask meanwhile; none has lost a query afterwards."""
    clients = [Asking(kind, server.port) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM) for _ in range(2)]
    for one in clients:
        one.start()
    try:
        yield clients
    finally:
        for one in clients:
            one.stop.set()
        for one in clients:
            one.join()
    assert [one.lost for one in clients] == [""] * len(clients)


def goes_on(clients: list[Asking]) -> None:
    """Wait until each client was answered some more."""
    for one in clients:
        wanted = one.asked + 20
        until(lambda one=one, wanted=wanted: one.asked >= wanted or bool(one.lost))  # type: ignore[misc]


def test_no_query_is_lost(tmp_path: Path) -> None:
    (tmp_path / "example.zone").write_text(zone_text())
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    with serving(tmp_path) as server, load(server) as clients:
        for more, addresses in (
            ("tcp_workers = 5", '"127.0.0.1"'),
            ("tcp_workers = 1", '"127.0.0.1"'),
            ("tcp_workers = 3", '"0.0.0.0"'),
            ("", '"127.0.0.1", "127.0.0.2"'),
            ("tcp_max_connections = 100", '"127.0.0.2", "127.0.0.1"'),
            ("[limits]\nedns_size = 900", '"0.0.0.0"'),
            ("", '"127.0.0.1"'),
        ):
            goes_on(clients)
            text = configuration("example.", more=more)
            server.config.write_text(text.replace('"127.0.0.1"', addresses))
            told = server.ask("apply")
            assert told["ok"]
            assert told["changes"]
        goes_on(clients)
