# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer queries that come over UDP, each from the address it was sent to.

A few are answered at a time. When more wait, they are taken from the kernel's one queue into one for each client
network, so that a flood of one network does not make others wait or lose their queries.
"""

import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from appliance.server.backlog import Backlog
from appliance.server.counters import CounterRow
from appliance.server.networks import client_prefix
from appliance.server.question import MAX_QUERY

_TURN: Final = 16  # queries answered before TCP gets its turn
_SORTED: Final = 128
"""Queries taken from the kernel in a turn when they wait there: many more than are answered, so that none wait long."""
_ANCILLARY: Final = 64
_IP_PKTINFO: Final = 8
_PKTINFO4: Final = struct.Struct("=I4s4s")  # interface, address for the reply, address asked
_PKTINFO6: Final = struct.Struct("=16sI")

Answer = Callable[[bytes, int, str], bytes | None]
"""From a query, its source port and address to the reply, or silence."""
Ancillary = tuple[int, int, bytes]
Datagram = tuple[bytes, Any, Sequence[Ancillary]]
"""A query, its client, what sends the reply from the address asked."""


class UdpService:
    """One UDP socket, which other workers may share."""

    def __init__(self, bound: socket.socket, answer: Answer, counters: CounterRow) -> None:
        self.socket = bound
        self._answer = answer
        self._count = counters.count
        self._backlog: Backlog[Datagram] = Backlog()
        self._retired = False
        self.readable = False
        wildcard = bound.getsockname()[0] in ("0.0.0.0", "::")
        self._receive = self._receive_any if wildcard else self._receive_one

    def on_readable(self, _events: int = 0) -> None:
        """Note that there are queries; they are answered in the turns."""
        self.readable = True

    @property
    def wants_turn(self) -> bool:
        """Whether queries wait."""
        return self.readable or bool(self._backlog)

    def turn(self) -> None:
        """Answer a few queries; from those that wait beyond them, sort some."""
        if self._backlog:
            if not self._retired:
                self._sort()
            count = min(_TURN, len(self._backlog))
            sent = sum(self._reply(*self._backlog.take()) for _ in range(count))
        else:
            count, sent = self._answer_read()
        self._count("udp_queries", count)
        self._count("udp_replies", sent)

    def _answer_read(self) -> tuple[int, int]:
        """Answer what the kernel has, up to a bound, as it comes; return how many queries and how many replies."""
        sent = 0
        for count in range(_TURN):
            datagram = self._receive()
            if datagram is None:
                self.readable = False
                return count, sent
            sent += self._reply(*datagram)
        self._sort()
        return _TURN, sent

    def retire(self) -> None:
        """Take no more from the socket; what was taken is answered in the next turns."""
        self._retired = True
        self.readable = False

    def _sort(self) -> None:
        """Take over what waits in the kernel, up to a bound."""
        for _ in range(_SORTED):
            datagram = self._receive()
            if datagram is None:
                self.readable = False
                return
            if not self._backlog.put(client_prefix(datagram[1][0]), datagram):
                self._count("udp_dropped_share")

    def _receive_one(self) -> Datagram | None:
        try:
            wire, client = self.socket.recvfrom(MAX_QUERY + 1)
        except OSError:  # nothing left, or the error of an earlier reply
            return None
        return wire, client, ()

    def _receive_any(self) -> Datagram | None:
        for _ in range(_TURN):
            try:
                wire, ancillary, _, client = self.socket.recvmsg(MAX_QUERY + 1, _ANCILLARY)
            except OSError:
                return None
            source = reply_source(ancillary)
            if source is not None:
                return wire, client, (source,)
            self._count("drop_source_address")  # asked at a multicast or broadcast address
        return None

    def _reply(self, wire: bytes, client: Any, source: Sequence[Ancillary]) -> bool:
        """Answer a query; return whether a reply was sent."""
        reply = self._answer(wire, client[1], client[0])
        if reply is None:
            return False
        try:
            if source:
                self.socket.sendmsg((reply,), source, 0, client)
            else:
                self.socket.sendto(reply, client)
        except OSError:  # full buffer, no route, firewall: UDP promises nothing
            self._count("udp_send_failed")
            return False
        return True


def reply_source(ancillary: list[Ancillary]) -> tuple[int, int, bytes] | None:
    """Return the control message that sends a reply from the address asked; None if that is no unicast address."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) >= _PKTINFO4.size:
            _, local, asked = _PKTINFO4.unpack_from(data)
            if local != asked:
                return None
            return level, kind, _PKTINFO4.pack(0, local, bytes(4))
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(data) >= _PKTINFO6.size:
            asked, interface = _PKTINFO6.unpack_from(data)
            if asked[0] == 0xFF:
                return None
            link_local = asked[0] == 0xFE and asked[1] & 0xC0 == 0x80
            return level, kind, _PKTINFO6.pack(asked, interface if link_local else 0)
    return None
