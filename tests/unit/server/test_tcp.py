# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP on loopback: framing in every shape, half-close, and clients that misbehave (RFC 7766, RFC 9210)."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from appliance.server.counters import CounterRow, Counters
from appliance.server.loop import Loop
from appliance.server.networks import client_prefix
from appliance.server.sockets import open_sockets
from appliance.server.tcp import TcpLimits, TcpService

pytestmark = pytest.mark.unit

LIMITS = TcpLimits(30.0, 30.0, 100, 100, 1000)
BIG = b"b" * 65535


@dataclass
class Service:
    """A TCP service that runs in a thread of this process."""

    port: int
    counters: CounterRow
    tcp: TcpService

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def wait(self, counter: str, value: int = 1) -> None:
        until(lambda: self.counters.value(counter) >= value)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def answer(wire: bytes, network: bytes = b"") -> bytes | None:
    """Echo; "big" brings the longest message, "none" silence."""
    return BIG if wire.endswith(b"big") else None if wire.endswith(b"none") else b"re:" + wire


@contextmanager
def running(limits: TcpLimits = LIMITS) -> Iterator[Service]:
    listening = open_sockets(["127.0.0.1"], 0, 1)
    listener = listening.workers[0].tcp[0]
    counters = Counters(1).row(0)
    loop = Loop(tick_s=0.02)
    tcp = TcpService(loop, answer, limits, counters)
    tcp.listen([listener])
    loop.on_turn = tcp.turn
    loop.on_tick = tcp.expire
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield Service(listening.endpoints[0][1], counters, tcp)
    finally:
        loop.stop()
        thread.join()
        tcp.close()
        loop.close()
        listening.close()


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(2) + body


def query(body: bytes) -> bytes:
    """Return a framed message that is at least as long as a DNS header."""
    return framed(body.rjust(12, b"."))


def receive(line: socket.socket, octets: int) -> bytes:
    found = b""
    while len(found) < octets:
        more = line.recv(octets - len(found))
        assert more, f"closed after {len(found)} of {octets} octets"
        found += more
    return found


def read_message(line: socket.socket) -> bytes:
    return receive(line, int.from_bytes(receive(line, 2)))


def reply_to(body: bytes) -> bytes:
    return b"re:" + body.rjust(12, b".")


@pytest.fixture
def service() -> Iterator[Service]:
    with running() as made:
        yield made


def test_queries_one_after_the_other(service: Service) -> None:
    with service.connect() as line:
        for number in range(20):
            line.sendall(query(b"%d" % number))
            assert read_message(line) == reply_to(b"%d" % number)
    assert service.counters.value("tcp_accepted") == 1


def test_many_queries_in_one_segment(service: Service) -> None:
    bodies = [b"q%d" % number for number in range(500)]
    with service.connect() as line:
        line.sendall(b"".join(map(query, bodies)))
        assert [read_message(line) for _ in bodies] == list(map(reply_to, bodies))


def test_a_query_octet_by_octet(service: Service) -> None:
    wire = query(b"slow") + query(b"again")
    with service.connect() as line:
        for octet in wire:
            line.send(bytes((octet,)))
            time.sleep(0.001)
        assert read_message(line) == reply_to(b"slow")
        assert read_message(line) == reply_to(b"again")


def test_the_prefix_split_between_two_messages(service: Service) -> None:
    wire = query(b"one") + query(b"two")
    with service.connect() as line:
        for cut in (1, 13, 14, 15, 16):
            line.sendall(wire[:cut])
            time.sleep(0.01)
            line.sendall(wire[cut:])
            assert [read_message(line), read_message(line)] == [reply_to(b"one"), reply_to(b"two")]


def test_half_close_is_answered(service: Service) -> None:
    with service.connect() as line:
        line.sendall(query(b"last") + query(b"words") + b"\x00")
        line.shutdown(socket.SHUT_WR)
        assert read_message(line) == reply_to(b"last")
        assert read_message(line) == reply_to(b"words")
        assert line.recv(1) == b""
    until(lambda: not service.tcp.open_connections)


def test_zero_length_closes_after_the_answers(service: Service) -> None:
    with service.connect() as line:
        line.sendall(query(b"one") + b"\x00\x00" + query(b"never"))
        assert read_message(line) == reply_to(b"one")
        assert line.recv(1) == b""


@pytest.mark.parametrize(
    ("wire", "counter"),
    [
        (b"\x10\x01", "tcp_closed_oversize"),
        (b"\xff\xff" + b"x" * 100, "tcp_closed_oversize"),
        (framed(b"eleven octe"), "tcp_closed_malformed"),
    ],
)
def test_what_is_no_query_closes(service: Service, wire: bytes, counter: str) -> None:
    with service.connect() as line:
        line.sendall(query(b"before") + wire)
        assert read_message(line) == reply_to(b"before")
        assert line.recv(1) == b""
    assert service.counters.value(counter) == 1


def test_silence_leaves_the_connection_open(service: Service) -> None:
    with service.connect() as line:
        line.sendall(query(b"none") + query(b"some"))
        assert read_message(line) == reply_to(b"some")


def test_the_longest_answer(service: Service) -> None:
    with service.connect() as line:
        line.sendall(query(b"big"))
        assert read_message(line) == BIG


def test_many_long_answers_wait_for_the_client(service: Service) -> None:
    """Far more than the socket takes at once: none is lost, and the half-close in between is borne."""
    with service.connect() as line:
        line.sendall(query(b"big") * 100 + query(b"end"))
        line.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        with service.connect() as other:
            other.sendall(query(b"meanwhile"))
            assert read_message(other) == reply_to(b"meanwhile")
        for _ in range(100):
            assert read_message(line) == BIG
        assert read_message(line) == reply_to(b"end")
        assert line.recv(1) == b""


def test_a_client_that_never_reads_is_cut_off() -> None:
    with running(replace(LIMITS, write_timeout_s=0.2)) as service, service.connect() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(query(b"big") * 100)
        service.wait("tcp_closed_stalled")
        assert not service.tcp.open_connections


def test_idle_counts_from_the_last_whole_query() -> None:
    with running(replace(LIMITS, idle_timeout_s=0.3)) as service, service.connect() as line:
        line.sendall(query(b"one"))
        assert read_message(line) == reply_to(b"one")
        line.settimeout(0.02)
        line.send(b"\x00\xff")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # octets of a query that never gets whole
            try:
                line.send(b"x")
                if line.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert service.counters.value("tcp_closed_idle") == 1


def test_slow_loris_is_bounded_and_others_are_served() -> None:
    with running(replace(LIMITS, connections=20)) as service:
        slow = [service.connect() for _ in range(60)]
        try:
            for line in slow:
                line.send(b"\x00")
            service.wait("tcp_evicted", 40)
            assert service.tcp.open_connections <= 20
            with service.connect() as line:
                line.sendall(query(b"fresh"))
                assert read_message(line) == reply_to(b"fresh")
        finally:
            for line in slow:
                line.close()


def test_the_longest_idle_makes_room() -> None:
    with running(replace(LIMITS, connections=3)) as service:
        lines = [service.connect() for _ in range(3)]
        for line in (*lines, lines[0]):  # the first one was used last
            line.sendall(query(b"x"))
            read_message(line)
        with service.connect() as fourth:
            fourth.sendall(query(b"y"))
            assert read_message(fourth) == reply_to(b"y")
            assert lines[1].recv(1) == b""
            lines[0].sendall(query(b"z"))
            assert read_message(lines[0]) == reply_to(b"z")
        for line in lines:
            line.close()


def test_one_network_gets_its_share_only() -> None:
    with running(replace(LIMITS, connections_per_prefix=2)) as service:
        with service.connect() as one, service.connect() as two:
            for line in (one, two):
                line.sendall(query(b"x"))
                read_message(line)
            with service.connect() as third:
                assert third.recv(1) == b""
            assert service.counters.value("tcp_refused_prefix") == 1
        until(lambda: not service.tcp.open_connections)
        with service.connect() as line:
            line.sendall(query(b"x"))
            assert read_message(line) == reply_to(b"x")


def test_queries_of_one_connection_are_counted() -> None:
    with running(replace(LIMITS, queries_per_connection=3)) as service, service.connect() as line:
        line.sendall(query(b"x") * 5)
        assert [read_message(line) for _ in range(3)] == [reply_to(b"x")] * 3
        assert line.recv(1) == b""
        assert service.counters.value("tcp_closed_query_limit") == 1


def test_resets_leave_nothing_behind(service: Service) -> None:
    for _ in range(50):
        line = service.connect()
        line.sendall(query(b"big"))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        line.close()
    until(lambda: service.counters.value("tcp_accepted") == 50 and not service.tcp.open_connections)


def test_prefixes_of_clients() -> None:
    assert client_prefix("192.0.2.1") == client_prefix("192.0.2.255") != client_prefix("192.0.3.1")
    assert client_prefix("2001:db8:0:ff::1") == client_prefix("2001:db8:0:1::2") != client_prefix("2001:db8:0:100::1")
    assert client_prefix("fe80::1%eth0") == client_prefix("fe80::2")
