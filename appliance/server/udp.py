# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer queries that come over UDP, each from the address it was sent to."""

import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from appliance.server.counters import CounterRow
from appliance.server.question import MAX_QUERY

_BATCH: Final = 64  # queries before other sockets get their turn
_ANCILLARY: Final = 64
_IP_PKTINFO: Final = 8
_PKTINFO4: Final = struct.Struct("=I4s4s")  # interface, address for the reply, address asked
_PKTINFO6: Final = struct.Struct("=16sI")

Answer = Callable[[bytes, int], bytes | None]
"""From a query and its source port to the reply, or silence."""


class UdpService:
    """One UDP socket of one worker."""

    def __init__(self, bound: socket.socket, answer: Answer, counters: CounterRow) -> None:
        self.socket = bound
        self._answer = answer
        self._count = counters.count
        wildcard = bound.getsockname()[0] in ("0.0.0.0", "::")
        self.on_readable = self._serve_any if wildcard else self._serve_one

    def _serve_one(self) -> None:
        for _ in range(_BATCH):
            try:
                wire, client = self.socket.recvfrom(MAX_QUERY + 1)
            except OSError:  # nothing left, or the error of an earlier reply
                return
            reply = self._reply(wire, client)
            if reply is not None:
                self._send(reply, [], client)

    def _serve_any(self) -> None:
        for _ in range(_BATCH):
            try:
                wire, ancillary, _, client = self.socket.recvmsg(MAX_QUERY + 1, _ANCILLARY)
            except OSError:
                return
            source = reply_source(ancillary)
            if source is None:  # asked at a multicast or broadcast address
                self._count("drop_source_address")
                continue
            reply = self._reply(wire, client)
            if reply is not None:
                self._send(reply, [source], client)

    def _reply(self, wire: bytes, client: Any) -> bytes | None:
        self._count("udp_queries")
        return self._answer(wire, client[1])

    def _send(self, reply: bytes, source: list[tuple[int, int, bytes]], client: Any) -> None:
        try:
            self.socket.sendmsg([reply], source, 0, client)
        except OSError:  # full buffer, no route, firewall: UDP promises nothing
            self._count("udp_send_failed")
        else:
            self._count("udp_replies")


def reply_source(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int, bytes] | None:
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
