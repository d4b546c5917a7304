# SPDX-License-Identifier: GPL-3.0-or-later
"""UDP on loopback: a reply comes from the address that was asked; sockets that cannot be had are explained."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.server.counters import CounterRow, Counters
from appliance.server.loop import READ, Loop
from appliance.server.sockets import ListenError, open_sockets
from appliance.server.udp import UdpService, reply_source

pytestmark = pytest.mark.unit


@contextmanager
def running(address: str) -> Iterator[tuple[int, CounterRow]]:
    """Yield the port and counters of a service that answers with what it was asked and from where."""
    listening = open_sockets([address], 0, 1)
    counters = Counters(1).row(0)
    loop = Loop(tick_s=0.02)
    bound = listening.workers[0].udp[0]
    service = UdpService(bound, lambda wire, port, _: b"%d:" % port + wire if wire != b"none" else None, counters)

    def turn() -> float:
        if service.wants_turn:
            service.turn()
        return 0.0 if service.wants_turn else 0.02

    loop.watch(bound.fileno(), READ, service.on_readable)
    loop.on_turn = turn
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield listening.endpoints[0][1], counters
    finally:
        loop.stop()
        thread.join()
        loop.close()
        listening.close()


@pytest.mark.parametrize(
    ("bound", "asked"),
    [("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.0.0.2"), ("0.0.0.0", "127.9.8.7"), ("127.0.0.3", "127.0.0.3"),
     ("::", "::1"), ("::1", "::1")],
)  # fmt: skip
def test_the_reply_comes_from_the_address_asked(bound: str, asked: str) -> None:
    family = socket.AF_INET6 if ":" in asked else socket.AF_INET
    with running(bound) as (port, counters), socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect((asked, port))  # lets nothing in that comes from elsewhere
        own = client.getsockname()[1]
        for number in range(100):
            client.send(b"%d" % number)
            assert client.recv(100) == b"%d:%d" % (own, number)
        client.send(b"none")
        client.send(b"last")
        assert client.recv(100) == b"%d:last" % own
    # the service has ended: it counts a reply after it has sent it
    assert (counters.value("udp_queries"), counters.value("udp_replies")) == (102, 101)


def test_broadcast_and_multicast_destinations_get_no_reply() -> None:
    here, group = socket.inet_aton("192.0.2.1"), socket.inet_aton("224.0.0.251")
    assert reply_source([(socket.IPPROTO_IP, 8, bytes(4) + here + group)]) is None
    assert reply_source([(socket.IPPROTO_IP, 8, b"\x07\0\0\0" + here + here)]) == (0, 8, bytes(4) + here + bytes(4))
    v6 = socket.inet_pton(socket.AF_INET6, "ff02::fb")
    assert reply_source([(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, v6 + bytes(4))]) is None
    assert reply_source([]) is None


def test_only_link_local_replies_keep_their_interface() -> None:
    for text, kept in (("2001:db8::1", bytes(4)), ("fe80::1", b"\x07\0\0\0")):
        packed = socket.inet_pton(socket.AF_INET6, text)
        found = reply_source([(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed + b"\x07\0\0\0")])
        assert found is not None
        assert found[2] == packed + kept


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_is_told(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as a second server of ours would
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        with pytest.raises(ListenError, match=r"the port is in use; `ss -ln[ut]p sport = :\d+` shows by whom"):
            open_sockets(["127.0.0.1"], taken.getsockname()[1], 2)


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(ListenError, match=r"no interface has this address"):
        open_sockets(["192.0.2.77"], 0, 1)


def test_all_workers_share_the_port() -> None:
    listening = open_sockets(["127.0.0.1", "127.0.0.2"], 0, 3)
    try:
        ports = {made.getsockname()[1] for worker in listening.workers for made in (*worker.udp, *worker.tcp)}
        assert ports == {port for _, port in listening.endpoints}
        assert len(ports) == 1
        assert [len(worker.udp) for worker in listening.workers] == [2, 2, 2]
    finally:
        listening.close()
