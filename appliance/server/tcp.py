# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS over TCP (RFC 7766, RFC 9210): many queries on a connection, and clients that behave badly kept within bounds.

A connection that has something to do waits for its turn (shares.py), in which a few of its queries are answered.
It is idle from its last whole query on, so sending octet by octet wins no time. When all places are taken the
one that has been idle longest makes room; one client network (/24, /56) may hold only a part of them.
"""

import errno
import select
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from appliance.server.acceptor import Acceptor, Occupancy, Occupied
from appliance.server.connection import HIGH_WATER, QUANTUM_S, Connection, FramingError, Network
from appliance.server.counters import CounterRow
from appliance.server.loop import EDGE, READ, TICK_S, WRITE, Loop
from appliance.server.networks import client_prefix
from appliance.server.send_bounds import UNSENT_OCTETS, SendBounds
from appliance.server.shares import Shares

TURN_QUERIES: Final = 16
"""Queries of a connection that are answered before others get their turn, and after which UDP gets its own."""
FLUSH_OCTETS: Final = 4096
"""Replies are sent together up to here while their connection has further queries in hand."""
_MORE: Final = select.EPOLLIN | WRITE
_TCP_NOTSENT_LOWAT: Final = 25
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Answer = Callable[[bytes, bytes], bytes | None]
"""From a query and its client's network to the reply, or silence."""


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """Bounds of one worker's TCP service."""

    idle_timeout_s: float
    write_timeout_s: float
    connections: int
    connections_per_prefix: int
    queries_per_connection: int
    send_queue: int = 32 << 20
    send_queue_per_prefix: int = 4 << 20


class TcpService:
    """All TCP connections of one worker."""

    def __init__(
        self, loop: Loop, answer: Answer, limits: TcpLimits, counters: CounterRow, occupied: Occupied | None = None
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._limits = limits
        self._count = counters.count
        self._occupied = occupied or Occupancy(1).of(0)
        self._connections: OrderedDict[int, Connection] = OrderedDict()  # longest idle first
        self._networks: dict[bytes, Network] = {}
        self._shares = Shares()
        self._bounds = SendBounds(limits.send_queue, limits.send_queue_per_prefix)
        self._acceptor: Acceptor | None = None
        self._occupied.tell(0)

    @property
    def open_connections(self) -> int:
        """Number of connections."""
        return len(self._connections)

    def listen(self, listeners: Sequence[socket.socket]) -> None:
        """Take new connections from listening sockets, which other workers may share."""
        patience_ms = int(self._limits.write_timeout_s * 2000)
        for listener in listeners:  # connections inherit these
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_OCTETS)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
        self._acceptor = Acceptor(self._loop, listeners, self._accept, self._occupied)

    def turn(self) -> float:
        """Do a little: take new connections, serve some; return the seconds until the next turn is wanted."""
        acceptor = self._acceptor
        wait = acceptor.turn() if acceptor and acceptor.pending else TICK_S
        left = TURN_QUERIES
        shares = self._shares
        begun = time.monotonic()
        until = begun + QUANTUM_S
        while left > 0 and begun < until and (connection := shares.next()):
            network = connection.network
            before = connection.queries
            try:
                if self._serve(connection, begun):
                    shares.add(connection)
            except OSError:  # reset by the client
                self._close(connection)
            now = time.monotonic()
            shares.spent(network, now - begun)
            begun = now
            left -= (connection.queries - before) or 1
        return 0.0 if shares else wait

    def _accept(self, listener: socket.socket) -> bool:
        """Take a new connection from a listening socket; return False where there is none."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS and self._connections:
                self._evict()
                return True
            return False
        self._admit(accepted, client_prefix(client[0]))
        return True

    def _admit(self, accepted: socket.socket, prefix: bytes) -> None:
        network = self._networks.get(prefix) or Network(prefix)
        if network.connections >= self._limits.connections_per_prefix:
            self._count("tcp_refused_prefix")
            accepted.close()
            return
        if len(self._connections) >= self._limits.connections:
            self._evict()
        self._count("tcp_accepted")
        accepted.setblocking(False)
        connection = Connection(accepted, network, time.monotonic())
        self._connections[connection.fd] = connection
        self._networks[prefix] = network
        network.connections += 1
        self._occupied.tell(len(self._connections))
        self._loop.watch(connection.fd, READ | EDGE, partial(self._on_event, connection))
        connection.readable = True  # the first query is often there already
        self._shares.add(connection)

    def _evict(self) -> None:
        self._count("tcp_evicted")
        self._close(next(iter(self._connections.values())))

    def _on_event(self, connection: Connection, events: int) -> None:
        """Note what there is to do; the connection does it when its turn comes."""
        if events & ~WRITE:
            connection.readable = True
            if events & ~_MORE:
                connection.hung_up = True
            if not connection.output:
                self._shares.add(connection)
        if events & ~READ and connection.output:
            self._shares.add(connection)

    def _serve(self, connection: Connection, now: float) -> bool:
        """Do what a connection needs next; return whether it has more to do now. Raises OSError when it is gone."""
        if connection.shut:
            return self._drain(connection, now)
        if connection.output and not connection.flush():
            self._wait(connection, now)
            return False
        if not connection.finishing:
            self._answer_some(connection, now)
        more = bool(connection.input) and connection.holds_query()
        if more and len(connection.output) < FLUSH_OCTETS and not connection.finishing:
            return True
        if not connection.flush():
            self._wait(connection, now)
            return False
        if connection.stalled_since:
            self._bounds.discard(connection)
        if connection.finishing:
            if connection.ended and not connection.unacknowledged():  # the client has all, and says no more
                self._close(connection, False)
                return False
            connection.socket.shutdown(socket.SHUT_WR)
            connection.shut = True
            connection.last = False
            connection.input.clear()
            return self._drain(connection, now)
        return more or connection.readable

    def _answer_some(self, connection: Connection, now: float) -> None:
        """Answer the next queries of a connection, until its turn is over."""
        before = connection.queries
        try:
            while len(connection.output) <= HIGH_WATER:
                wire = connection.next_query() if connection.input else None
                if wire is None:
                    if connection.readable and connection.read():
                        continue
                    asked = connection.asks_once and connection.queries
                    if connection.ended or connection.last or asked:  # what was asked has been answered
                        connection.finishing = True
                    break
                connection.queries += 1
                reply = self._answer(wire, connection.network.prefix)
                if reply is not None:
                    connection.queue(reply)
                if connection.queries >= self._limits.queries_per_connection:
                    raise FramingError("tcp_closed_query_limit")
                if connection.queries - before >= TURN_QUERIES:
                    break
                if connection.input and time.monotonic() - now > QUANTUM_S:
                    break
        except FramingError as error:
            if error.counter:
                self._count(error.counter)
            connection.finishing = True
        if connection.queries > before:
            self._count("tcp_queries", connection.queries - before)
            connection.ready_since = now
            self._connections.move_to_end(connection.fd)

    def _wait(self, connection: Connection, now: float) -> None:
        """Wait until the client takes what there is; end what passes the bounds of what may wait."""
        if not connection.watches_write:
            connection.watches_write = True
            self._loop.change(connection.fd, READ | WRITE | EDGE)
        self._bounds.add(connection, now)
        while victim := self._bounds.victim(connection.network):
            self._count("tcp_closed_send_queue")
            self._close(victim)

    def _drain(self, connection: Connection, now: float) -> bool:
        """Read on until the client has closed and has all: a reset could destroy our replies."""
        try:
            if connection.read():
                connection.input.clear()
                return True
        except OSError:
            connection.ended = True
        if connection.ended:
            if connection.unacknowledged() > 1:  # the client has closed its half only, and reads on
                self._wait(connection, now)
            else:
                self._close(connection, False)
        return False

    def _close(self, connection: Connection, may_hold: bool = True) -> None:
        """Close; may_hold: whether the kernel may have replies left that the client does not take."""
        if self._connections.pop(connection.fd, None) is None:
            return
        self._bounds.discard(connection)
        network = connection.network
        network.connections -= 1
        if not network.connections:
            del self._networks[network.prefix]
        self._loop.forget(connection.fd)
        if connection.close(may_hold):
            self._count("tcp_reset")
        self._occupied.tell(len(self._connections))

    def expire(self) -> None:
        """Close connections that were idle, or did not take their replies, for too long."""
        now = time.monotonic()
        self._occupied.tell(len(self._connections))
        for connection in self._bounds.waiting():
            if connection.shut and connection.ended and connection.unacknowledged() <= 1:
                self._close(connection)
            elif now - connection.stalled_since > self._limits.write_timeout_s:
                if not connection.has_moved(now):
                    self._count("tcp_closed_stalled")
                    self._close(connection)
                elif not connection.output and not connection.unacknowledged():
                    self._bounds.discard(connection)
        while self._connections:
            oldest = next(iter(self._connections.values()))
            if now - oldest.ready_since <= self._limits.idle_timeout_s:
                return
            if oldest.output or oldest.unacknowledged() > oldest.shut:  # its time is the write timeout
                oldest.ready_since = now
                self._connections.move_to_end(oldest.fd)
                self._wait(oldest, now)
                continue
            self._count("tcp_closed_idle")
            self._close(oldest)

    def look(self) -> None:
        """Look at the listening sockets with the next turn."""
        if self._acceptor:
            self._acceptor.look()

    def finish_all(self, leaving: Collection[int] = (), patience_s: float = 0.0) -> None:
        """Take no new connection; answer what has been asked, send what is under way, and close.

        `leaving` are descriptors of the listening sockets that are closed next. The connections that wait in their
        queues are taken first. One younger than `patience_s` may still ask its first query. Called again, it ends what
        is left.
        """
        if self._acceptor:
            self._acceptor.close(leaving)
        self._occupied.retire()
        now = time.monotonic()
        for connection in list(self._connections.values()):
            with suppress(OSError):  # its turn will find out
                connection.read()
            connection.asks_once = not connection.queries and now - connection.ready_since < patience_s
            connection.last = not connection.shut and not connection.asks_once
            self._shares.add(connection)

    def empty(self) -> None:
        """Take the connections that have come to the leaving sockets since finish_all()."""
        if self._acceptor:
            self._acceptor.empty()

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self._connections.values()):
            self._close(connection)
