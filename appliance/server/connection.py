# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection: framing (RFC 1035 §4.2.2), what is still to send, how much of it has arrived."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from collections import deque
from typing import Final

from appliance.server.question import MAX_QUERY

HIGH_WATER: Final = 16384
"""Octets waiting to be sent above which no further query of the connection is answered."""
READ_OCTETS: Final = 16384
PROGRESS_OCTETS: Final = 4096
"""A client that takes fewer octets than this within the write timeout counts as stalled."""

_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds
_INT: Final = struct.Struct("i")


class FramingError(Exception):
    """The octets on a connection are no DNS messages; `counter` says how."""

    def __init__(self, counter: str) -> None:
        super().__init__(counter)
        self.counter = counter


QUANTUM_S: Final = 0.001
"""Time that each network gets in a round; no turn begins another query after it."""


class Network:
    """What the connections of one client network have in common."""

    __slots__ = ("balance", "connections", "held", "prefix", "runnable", "waiting")

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        self.connections = 0
        self.balance = QUANTUM_S  # seconds that it may still use in this round; negative: what it owes the others
        self.runnable: deque[Connection] = deque()
        self.waiting: dict[int, Connection] = {}  # those that do not take their replies, longest first
        self.held = 0  # octets that wait for them to be taken


class Connection:
    """State of one connection; tcp.py decides what happens to it."""

    __slots__ = (
        "arrived",
        "asks_once",
        "closed",
        "ended",
        "fd",
        "finishing",
        "held",
        "hung_up",
        "input",
        "last",
        "network",
        "output",
        "queries",
        "queued",
        "readable",
        "ready_since",
        "sent",
        "shut",
        "socket",
        "stalled_since",
        "watches_write",
    )

    def __init__(self, accepted: socket.socket, network: Network, now: float) -> None:
        self.socket = accepted
        self.fd = accepted.fileno()
        self.network = network
        self.input = bytearray()
        self.output = bytearray()
        self.queries = 0
        self.queued = False  # it waits for its turn
        self.readable = False  # the kernel may have octets for us: it tells each change once
        self.hung_up = False  # and has told the end of them
        self.ready_since = now  # when it was last useful
        self.stalled_since = 0.0  # when something began to wait for the client to take it; 0: nothing waits
        self.sent = 0  # octets the kernel took, since the connection began
        self.arrived = 0  # of these, octets the client's kernel had at stalled_since
        self.held = 0  # octets that waited when last looked at, for the network's bound
        self.ended = False  # the client sends no more
        self.asks_once = False  # its next query is its last
        self.last = False  # we take no more than has been read
        self.finishing = False  # no more queries are taken; shut once everything is sent
        self.shut = False  # we send no more, and wait for the client to end
        self.closed = False
        self.watches_write = False

    def holds_query(self) -> bool:
        """Whether next_query() returns a message or raises."""
        buffer = self.input
        if len(buffer) < 2:
            return False
        length = buffer[0] << 8 | buffer[1]
        return not 12 <= length <= MAX_QUERY or len(buffer) >= 2 + length

    def next_query(self) -> bytes | None:
        """Return the next whole message, None while there is none. Raises FramingError.

        A message of length 0 is FramingError("") : the client's way to say it is done.
        """
        buffer = self.input
        if len(buffer) < 2:
            return None
        length = buffer[0] << 8 | buffer[1]
        if length > MAX_QUERY:
            raise FramingError("tcp_closed_oversize")
        if length < 12:
            raise FramingError("tcp_closed_malformed" if length else "")
        if len(buffer) < 2 + length:
            return None
        message = bytes(buffer[2 : 2 + length])
        del buffer[: 2 + length]
        return message

    def read(self) -> bool:
        """Take what the client has sent, up to a bound; return whether there was anything. Raises OSError."""
        if self.ended or self.last:
            return False
        try:
            octets = self.socket.recv(READ_OCTETS)
        except BlockingIOError:
            self.readable = False
            return False
        if not octets:
            self.ended = True
            return False
        if len(octets) < READ_OCTETS and not self.hung_up:
            self.readable = False
        self.input += octets
        return True

    def queue(self, reply: bytes) -> None:
        """Add a reply with its length prefix to what is to be sent."""
        self.output += len(reply).to_bytes(2)
        self.output += reply

    def flush(self) -> bool:
        """Send what the kernel takes; return whether everything is sent. Raises OSError when the connection is gone."""
        if self.output:
            try:
                taken = self.socket.send(self.output)
            except BlockingIOError:
                return False
            del self.output[:taken]
            self.sent += taken
        return not self.output

    def unacknowledged(self) -> int:
        """Return how many octets the kernel holds that the client's has not acknowledged; our FIN counts as one."""
        try:
            return int(_INT.unpack(fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(_INT.size)))[0])
        except OSError:
            return 0

    def has_moved(self, now: float) -> bool:
        """Return whether the client has taken what it had to since stalled_since, and begin a new period.

        What counts is what arrived: the kernel takes octets from us in pieces, long before the client does.
        """
        left = self.unacknowledged()
        arrived = self.sent - left
        moved = arrived - self.arrived >= PROGRESS_OCTETS or not (left or self.output)
        self.arrived = arrived
        self.stalled_since = now
        return moved

    def close(self, may_hold: bool = True) -> bool:
        """Close; return whether by a reset, as where the kernel would go on holding what the client does not take."""
        self.closed = True
        reset = may_hold and self.unacknowledged() > self.shut
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()
        return reset
