# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that asks without a pause and notices every query that stays unanswered."""

import random
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from tests.datapath.devices import inside

_WINDOW: Final = 16
_PATIENCE_S: Final = 1.0  # far longer than any answer takes


@dataclass(frozen=True, slots=True)
class Exchange:
    """A query, when it was sent, and the reply with the time it came (None: there was none)."""

    query: bytes
    sent: float
    reply: bytes | None
    received: float


@dataclass
class Client:
    """Asks questions at random, a window of them at a time, from entry to exit; what came of each is in `exchanges`."""

    namespace: str
    server: str
    questions: Sequence[bytes]
    pause_s: float = 0.002
    exchanges: list[Exchange] = field(default_factory=list)

    def __enter__(self) -> "Client":
        with inside(self.namespace):
            self._socket = socket.socket(socket.AF_INET6 if ":" in self.server else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((self.server, 53))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="client")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        rng = random.Random(53)
        ident = 0
        while not self._stop.is_set():
            window: dict[bytes, tuple[bytes, float]] = {}
            for _ in range(_WINDOW):
                ident = (ident + 1) & 0xFFFF
                query = ident.to_bytes(2) + rng.choice(self.questions)[2:]
                window[query[:2]] = (query, time.monotonic())
                self._send(query)
            self._collect(window)
            time.sleep(self.pause_s)

    def _send(self, query: bytes) -> None:
        try:
            self._socket.send(query)
        except ConnectionRefusedError:
            self._socket.send(query)  # the error was about an earlier query, which counts as unanswered

    def _collect(self, window: dict[bytes, tuple[bytes, float]]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while window and (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                break
            try:
                reply = self._socket.recv(4096)
            except ConnectionRefusedError:
                continue
            asked = window.pop(reply[:2], None)
            if asked is not None:
                self.exchanges.append(Exchange(asked[0], asked[1], reply, time.monotonic()))
        self.exchanges += [Exchange(query, sent, None, 0.0) for query, sent in window.values()]

    @property
    def lost(self) -> list[Exchange]:
        """Return the queries that nobody answered."""
        return [exchange for exchange in self.exchanges if exchange.reply is None]

    def take(self) -> list[Exchange]:
        """Return the exchanges so far and forget them."""
        count = len(self.exchanges)
        taken = self.exchanges[:count]
        del self.exchanges[:count]
        return taken

    @staticmethod
    def now() -> float:
        """Return the time on the clock of the exchanges."""
        return time.monotonic()

    def wait_for(self, count: int) -> None:
        """Wait until so many more queries were sent and answered or given up."""
        wanted = len(self.exchanges) + count
        deadline = time.monotonic() + 60
        while len(self.exchanges) < wanted:
            assert time.monotonic() < deadline, "the client stands still"
            time.sleep(0.01)
