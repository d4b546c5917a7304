# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS over TCP (RFC 7766, RFC 9210): many queries on a connection, and clients that behave badly kept within bounds.

A connection is idle from its last whole query on, so sending octet by octet wins no time. When all places are taken the
one that has been idle longest makes room; one client network (/24, /56) may hold only a part of them.
"""

import errno
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from appliance.server.connection import HIGH_WATER, READ_OCTETS, Connection, FramingError
from appliance.server.counters import CounterRow
from appliance.server.loop import READ, WRITE, Loop

_ACCEPT_BATCH: Final = 32
_PREFIX4_OCTETS: Final = 3  # /24
_PREFIX6_OCTETS: Final = 7  # /56
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Answer = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """Bounds of one worker's TCP service."""

    idle_timeout_s: float
    write_timeout_s: float
    connections: int
    connections_per_prefix: int
    queries_per_connection: int


class TcpService:
    """All TCP connections of one worker."""

    def __init__(self, loop: Loop, answer: Answer, limits: TcpLimits, counters: CounterRow) -> None:
        self._loop = loop
        self._answer = answer
        self._limits = limits
        self._count = counters.count
        self._connections: OrderedDict[int, Connection] = OrderedDict()  # longest idle first
        self._waiting: dict[int, Connection] = {}  # those with replies the client does not take
        self._prefixes: Counter[bytes] = Counter()

    @property
    def open_connections(self) -> int:
        """Number of connections."""
        return len(self._connections)

    def accept(self, listener: socket.socket) -> None:
        """Take new connections from a listening socket."""
        for _ in range(_ACCEPT_BATCH):
            try:
                accepted, client = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS and self._connections:
                    self._evict()
                    continue
                return
            self._admit(accepted, client_prefix(client[0]))

    def _admit(self, accepted: socket.socket, prefix: bytes) -> None:
        if self._prefixes[prefix] >= self._limits.connections_per_prefix:
            self._count("tcp_refused_prefix")
            accepted.close()
            return
        if len(self._connections) >= self._limits.connections:
            self._evict()
        self._count("tcp_accepted")
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(accepted, prefix, time.monotonic(), READ)
        self._connections[connection.fd] = connection
        self._prefixes[prefix] += 1
        self._loop.watch(connection.fd, READ, lambda events: self._on_event(connection, events))
        self._on_event(connection, READ)  # the first query is often there already

    def _evict(self) -> None:
        self._count("tcp_evicted")
        self._close(next(iter(self._connections.values())))

    def _on_event(self, connection: Connection, events: int) -> None:
        now = time.monotonic()
        if connection.shut:
            self._drain(connection)
            return
        try:
            if events & WRITE and not connection.flush(now):
                return
            if not connection.finishing:
                self._serve(connection, now)
            sent = connection.flush(now)
        except OSError:  # reset by the client
            self._close(connection)
            return
        self._await(connection, sent, now)

    def _serve(self, connection: Connection, now: float) -> None:
        """Answer the queries that are there, then read once more and answer those."""
        if not self._answer_buffered(connection, now):
            return
        if not connection.ended:
            try:
                octets = connection.socket.recv(READ_OCTETS)
            except BlockingIOError:
                return
            connection.ended = not octets
            connection.input += octets
            if not self._answer_buffered(connection, now):
                return
        if connection.ended:  # half-closed: what was asked has been answered
            connection.finishing = True

    def _answer_buffered(self, connection: Connection, now: float) -> bool:
        """Answer whole queries; tell whether the connection may be read further."""
        try:
            while (wire := connection.next_query()) is not None:
                connection.queries += 1
                connection.ready_since = now
                self._connections.move_to_end(connection.fd)
                self._count("tcp_queries")
                reply = self._answer(wire)
                if reply is not None:
                    connection.queue(reply)
                if connection.queries >= self._limits.queries_per_connection:
                    raise FramingError("tcp_closed_query_limit")
                if len(connection.output) > HIGH_WATER:
                    connection.paused = True
                    return False
        except FramingError as error:
            if error.counter:
                self._count(error.counter)
            connection.finishing = True
            return False
        connection.paused = False
        return True

    def _await(self, connection: Connection, sent: bool, now: float) -> None:
        """Wait for what the connection needs next."""
        if sent and connection.finishing:
            self._waiting.pop(connection.fd, None)
            self._finish(connection)
        elif sent and not connection.paused:
            self._waiting.pop(connection.fd, None)
            self._watch(connection, READ)
        else:  # a paused one has queries in hand: when it is writable they go on, after those of others
            connection.stalled_since = connection.stalled_since or now
            self._waiting[connection.fd] = connection
            self._watch(connection, WRITE)

    def _watch(self, connection: Connection, events: int) -> None:
        if events != connection.events:
            connection.events = events
            self._loop.change(connection.fd, events)

    def _finish(self, connection: Connection) -> None:
        """Say that nothing more comes; read on until the client has closed, since a reset could destroy our replies."""
        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.shut = True
        connection.input.clear()
        self._watch(connection, READ)
        self._drain(connection)

    def _drain(self, connection: Connection) -> None:
        try:
            if connection.socket.recv(READ_OCTETS):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        if self._connections.pop(connection.fd, None) is None:
            return
        self._waiting.pop(connection.fd, None)
        self._prefixes[connection.prefix] -= 1
        if not self._prefixes[connection.prefix]:
            del self._prefixes[connection.prefix]
        self._loop.forget(connection.fd)
        connection.socket.close()

    def expire(self) -> None:
        """Close connections that were idle, or did not take their replies, for too long."""
        now = time.monotonic()
        stalled = [c for c in self._waiting.values() if now - c.stalled_since > self._limits.write_timeout_s]
        for connection in stalled:
            self._count("tcp_closed_stalled")
            self._close(connection)
        while self._connections:
            oldest = next(iter(self._connections.values()))
            if now - oldest.ready_since <= self._limits.idle_timeout_s:
                return
            if oldest.output:  # its time is the write timeout
                oldest.ready_since = now
                self._connections.move_to_end(oldest.fd)
                continue
            self._count("tcp_closed_idle")
            self._close(oldest)

    def finish_all(self) -> None:
        """Take no further query; send what is under way and close."""
        for connection in list(self._connections.values()):
            if not connection.finishing:
                connection.finishing = True
                self._on_event(connection, WRITE)

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self._connections.values()):
            self._close(connection)


def client_prefix(address: str) -> bytes:
    """Return the network of a client that shares a limit: /24 for IPv4, /56 for IPv6."""
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:_PREFIX6_OCTETS]
    return socket.inet_aton(address)[:_PREFIX4_OCTETS]
