# SPDX-License-Identifier: GPL-3.0-or-later
"""No client starves others: turns, shares of networks, bounds of what waits. Counted in queries, never in time."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from appliance.server.backlog import Backlog
from appliance.server.connection import QUANTUM_S, Connection, Network
from appliance.server.counters import CounterRow, Counters
from appliance.server.loop import READ, Loop
from appliance.server.networks import client_prefix
from appliance.server.shares import Shares
from appliance.server.sockets import Listening, open_sockets
from appliance.server.tcp import TURN_QUERIES, TcpLimits, TcpService
from appliance.server.udp import UdpService
from tests.unit.server.test_tcp import BIG, LIMITS, query, read_message, receive, running, until

pytestmark = pytest.mark.unit

GREEDY, HONEST = "127.1.0.1", "127.2.0.1"
PIPELINE = 500
GENEROUS = replace(LIMITS, connections=2000, connections_per_prefix=2000, queries_per_connection=1 << 30)
FIN_WAIT_1 = "04"


@dataclass
class Served:
    """A worker's services, run in the test's own thread until an honest query is answered."""

    limits: TcpLimits = GENEROUS
    counters: CounterRow = field(default_factory=lambda: Counters(1).row(0))
    loop: Loop = field(default_factory=lambda: Loop(tick_s=0.02))
    order: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listening: Listening = open_sockets(["127.0.0.1"], 0, 1)
        self.port = self.listening.endpoints[0][1]
        self.tcp = TcpService(self.loop, self._answer, self.limits, self.counters)
        self.tcp.listen(self.listening.workers[0].tcp)
        self.udp = UdpService(
            self.listening.workers[0].udp[0], lambda w, _, n: self._answer(w, client_prefix(n)), self.counters
        )
        self.loop.watch(self.udp.socket.fileno(), READ, self.udp.on_readable)
        self.loop.on_turn = self._turn
        self.loop.on_tick = self.tcp.expire

    def _turn(self) -> float:
        if self.udp.wants_turn:
            self.udp.turn()
        wait = self.tcp.turn()
        return 0.0 if self.udp.wants_turn else wait

    def _answer(self, wire: bytes, network: bytes) -> bytes:
        self.order.append(network)
        if network == client_prefix(HONEST):
            self.loop.stop()
        return b"re:" + wire

    def until_honest(self) -> int:
        """Serve until an honest query is answered; return how many others were answered before."""
        self.order.clear()
        self.loop.run()
        return sum(network != client_prefix(HONEST) for network in self.order)

    def close(self) -> None:
        self.tcp.close()
        self.loop.close()
        self.listening.close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    try:
        yield made
    finally:
        made.close()


def connect(port: int, source: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.bind((source, 0))
    made.settimeout(10)
    made.connect(("127.0.0.1", port))
    return made


def greedy(stack: ExitStack, served: Served, count: int) -> list[socket.socket]:
    """Open connections whose pipelines are full and go on being so for the whole test."""
    lines = [stack.enter_context(connect(served.port, GREEDY)) for _ in range(count)]
    for line in lines:
        line.sendall(query(b"x") * PIPELINE)
    return lines


@pytest.mark.parametrize("count", [1, 60])
def test_an_honest_client_waits_for_one_turn_of_each_network(served: Served, count: int) -> None:
    with ExitStack() as stack:
        greedy(stack, served, count)
        honest = stack.enter_context(connect(served.port, HONEST))
        honest.sendall(query(b"first"))
        assert served.until_honest() <= 2 * TURN_QUERIES * (count // 32 + 3)  # 32 are accepted between two turns
        for _ in range(3):
            honest.sendall(query(b"again"))
            assert served.until_honest() <= 2 * TURN_QUERIES
        assert served.counters.value("tcp_queries") < count * PIPELINE, "the pipelines were empty: nothing was shown"


def test_udp_comes_first(served: Served) -> None:
    with ExitStack() as stack:
        greedy(stack, served, 60)
        with connect(served.port, HONEST, socket.SOCK_DGRAM) as line:
            for _ in range(3):
                line.send(query(b"x")[2:])
                assert served.until_honest() <= 2 * TURN_QUERIES


def test_a_flood_over_udp_of_one_network_leaves_others_their_place(served: Served) -> None:
    """Thousands wait in the kernel's queue, and an honest query behind them."""
    kind = socket.SOCK_DGRAM
    with connect(served.port, GREEDY, kind) as flood, connect(served.port, HONEST, kind) as line:
        for _ in range(3000):
            flood.send(query(b"x")[2:])
        line.send(query(b"x")[2:])
        assert served.until_honest() < 600
    assert served.counters.value("udp_dropped_share") > 0


def test_a_network_that_takes_long_misses_turns() -> None:
    """Eight greedy connections with answers of ten quanta, one honest connection that is always there too."""
    shares = Shares()
    slow, quick = Network(b"slow"), Network(b"quick")
    pairs = [socket.socketpair() for _ in range(9)]
    try:
        for number, (one, _) in enumerate(pairs):
            shares.add(Connection(one, slow if number < 8 else quick, 0.0))
        used: Counter[bytes] = Counter()
        turns: Counter[bytes] = Counter()
        for _ in range(2000):
            connection = shares.next()
            assert connection is not None
            network = connection.network
            shares.add(connection)
            spent = 10 * QUANTUM_S if network is slow else QUANTUM_S / 10
            shares.spent(network, spent)
            turns[network.prefix] += 1
            used[network.prefix] += round(spent / QUANTUM_S * 10)
        # The slow one gets the quantum of each round that the quick one leaves, not ten of them.
        assert used[b"slow"] <= 10 * (turns[b"quick"] + 10)
        assert turns[b"quick"] >= 9 * turns[b"slow"]
    finally:
        for pair in pairs:
            for one in pair:
                one.close()


def test_the_connections_of_a_network_that_came_back_get_turns() -> None:
    """All its connections were closed while they waited; the next one stands in the circle nevertheless."""
    shares = Shares()
    pairs = [socket.socketpair() for _ in range(2)]
    first, second = (Connection(one, Network(b"same"), 0.0) for one, _ in pairs)
    shares.add(first)
    first.close()
    shares.add(second)
    assert shares.next() is second
    second.close()
    for _, other in pairs:
        other.close()


def test_no_network_fills_the_backlog() -> None:
    backlog: Backlog[int] = Backlog(100)
    assert sum(backlog.put(b"flood", number) for number in range(1000)) == 50
    assert all(backlog.put(bytes((number,)), number) for number in range(20))
    taken = [backlog.take() for _ in range(21)]
    assert set(taken) == set(range(20))  # each network in its turn; 0 is the flood's first too
    assert len(backlog) == 49
    assert sum(backlog.put(number.to_bytes(4), number) for number in range(1000)) < 200


def sockets_of(port: int) -> list[tuple[str, int]]:
    """Return state and octets in the send queue of each TCP socket whose own port is the server's."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return [(one[3], int(one[4].partition(":")[0], 16)) for one in fields if int(one[1].partition(":")[2], 16) == port]


def stalled(stack: ExitStack, port: int, source: str = GREEDY) -> socket.socket:
    """Open a connection that asks for far more than it reads, which is nothing."""
    line = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.bind((source, 0))
    line.settimeout(10)
    line.connect(("127.0.0.1", port))
    line.sendall(query(b"big") * 50)
    return line


def error_of(line: socket.socket) -> int:
    return line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_stalled_readers_are_reset_and_leave_nothing_in_the_kernel() -> None:
    with running(replace(LIMITS, write_timeout_s=0.2)) as service, ExitStack() as stack:
        lines = [stalled(stack, service.port) for _ in range(40)]
        service.wait("tcp_closed_stalled", 40)
        for line in lines:
            errors: list[int] = []
            until(lambda line=line, errors=errors: bool(errors.append(error_of(line)) or errors[-1]))  # type: ignore[misc]
            assert errors[-1] in (104, 32)  # ECONNRESET, EPIPE
        assert not [one for one in sockets_of(service.port) if one[0] == FIN_WAIT_1 or one[1]]
        assert service.counters.value("tcp_reset") == 40


def test_whoever_is_idle_with_unread_replies_is_reset() -> None:
    """All that it asked for is in the kernel's queue: nothing waits in ours."""
    with running(replace(LIMITS, write_timeout_s=0.2, idle_timeout_s=0.2)) as service, ExitStack() as stack:
        line = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        line.connect(("127.0.0.1", service.port))
        for _ in range(8):
            line.sendall(query(b"x" * 1000))
        service.wait("tcp_closed_stalled")
        assert service.counters.value("tcp_reset") == 1
        assert not [one for one in sockets_of(service.port) if one[0] == FIN_WAIT_1 or one[1]]


def test_a_slow_reader_is_ended() -> None:
    """It takes something all the time, but less than 4 KiB in each write time-out."""
    with running(replace(LIMITS, write_timeout_s=0.3)) as service, ExitStack() as stack:
        line = stalled(stack, service.port)
        taken = 0
        while not service.counters.value("tcp_closed_stalled"):
            taken += len(line.recv(10))
            time.sleep(0.005)  # its rate, 600 octets in a write time-out, is what is tested
        with pytest.raises(ConnectionResetError):
            receive(line, 50 * len(BIG) - taken)
        assert service.counters.value("tcp_closed_stalled") == 1


def test_what_waits_for_one_network_is_bounded_and_others_are_served() -> None:
    most = 1 << 20
    with running(replace(LIMITS, send_queue_per_prefix=most)) as service, ExitStack() as stack:
        for _ in range(60):
            stalled(stack, service.port)
        service.wait("tcp_closed_send_queue", 10)
        with connect(service.port, HONEST) as honest:
            honest.sendall(query(b"x"))
            assert read_message(honest) == b"re:" + b"x".rjust(12, b".")
        held = sum(octets for _, octets in sockets_of(service.port))
        assert held <= most + 40 * 16384


def test_what_waits_for_all_networks_is_bounded() -> None:
    """The network that holds most pays, not the one that waits longest."""
    limits = replace(LIMITS, send_queue=2 << 20, send_queue_per_prefix=4 << 20)
    with running(limits) as service, ExitStack() as stack:
        small = stalled(stack, service.port, HONEST)
        for _ in range(60):
            stalled(stack, service.port)
        service.wait("tcp_closed_send_queue", 10)
        assert not error_of(small)


def test_a_half_closed_client_gets_all_of_a_long_answer() -> None:
    """It ends its half at once and reads later: closing then must not reset what it has still to read."""
    with running() as service, ExitStack() as stack:
        line = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(10)
        line.connect(("127.0.0.1", service.port))
        line.sendall(query(b"big"))
        line.shutdown(socket.SHUT_WR)
        service.wait("tcp_queries")
        assert read_message(line) == BIG
        assert line.recv(1) == b""
        until(lambda: not service.tcp.open_connections)
        assert service.counters.value("tcp_reset") == 0


def test_what_was_asked_before_a_worker_is_replaced_is_answered(served: Served) -> None:
    """Queries that the kernel has and the worker has not seen; the end comes behind their replies."""
    with connect(served.port, HONEST) as line:
        line.sendall(query(b"first"))
        served.until_honest()
        line.sendall(query(b"x") * 40)
        served.tcp.finish_all()
        served.loop.on_tick = lambda: None if served.tcp.open_connections > 1 else served.loop.stop()
        while served.counters.value("tcp_queries") < 41:
            served.loop.run()
        for _ in range(41):
            assert read_message(line).startswith(b"re:")
        assert line.recv(1) == b""
