# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection: framing (RFC 1035 §4.2.2), what is still to send, when it last did something useful."""

import socket
from typing import Final

from appliance.server.question import MAX_QUERY

HIGH_WATER: Final = 65536
"""Octets waiting to be sent above which no further query of the connection is read."""
READ_OCTETS: Final = 16384
PROGRESS_OCTETS: Final = 4096
"""A client that takes fewer octets than this within the write timeout counts as stalled."""


class FramingError(Exception):
    """The octets on a connection are no DNS messages; `counter` says how."""

    def __init__(self, counter: str) -> None:
        super().__init__(counter)
        self.counter = counter


class Connection:
    """State of one connection; tcp.py decides what happens to it."""

    __slots__ = (
        "ended",
        "events",
        "fd",
        "finishing",
        "input",
        "output",
        "paused",
        "prefix",
        "queries",
        "ready_since",
        "sent",
        "shut",
        "socket",
        "stalled_since",
    )

    def __init__(self, accepted: socket.socket, prefix: bytes, now: float, events: int) -> None:
        self.socket = accepted
        self.fd = accepted.fileno()
        self.prefix = prefix
        self.events = events
        self.input = bytearray()
        self.output = bytearray()
        self.paused = False  # too much waits to be sent; queries may be left in input
        self.queries = 0
        self.ready_since = now
        self.stalled_since = 0.0  # when something began to wait for the client to read; 0: nothing waits
        self.sent = 0  # octets since then
        self.ended = False  # the client sends no more
        self.finishing = False  # no more queries are taken; shut once everything is sent
        self.shut = False  # we send no more, and wait for the client to end

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

    def queue(self, reply: bytes) -> None:
        """Add a reply with its length prefix to what is to be sent."""
        self.output += len(reply).to_bytes(2)
        self.output += reply

    def flush(self, now: float) -> bool:
        """Send what the kernel takes; tell whether everything is sent. Raises OSError when the connection is gone."""
        if self.output:
            try:
                taken = self.socket.send(self.output)
            except BlockingIOError:
                taken = 0
            del self.output[:taken]
            self.sent += taken
        if not self.output:
            self.stalled_since = 0.0
            return True
        if not self.stalled_since or self.sent >= PROGRESS_OCTETS:
            self.stalled_since = now
            self.sent = 0
        return False
