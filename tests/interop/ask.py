# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a server many questions over one socket: a window of queries under way, matched by id, lost ones asked again."""

import select
import socket
from collections.abc import Sequence
from contextlib import suppress

_WINDOW = 200
_ATTEMPTS = 6
PATIENCE_S = 0.4
"""Silence after which what is under way counts as lost."""
_BUFFER = 4 << 20
_SO_RCVBUFFORCE = 33  # Linux: above the system-wide limit, for root
_IDS = 1 << 16


def with_id(wire: bytes, number: int) -> bytes:
    """Return the message with another id."""
    return number.to_bytes(2) + wire[2:]


def over_udp(asker: socket.socket, queries: Sequence[bytes], patience_s: float = PATIENCE_S) -> list[bytes | None]:
    """Ask through a connected UDP socket and return the replies in order, None where there was none.

    The replies carry the ids this function gave them (the position in its batch).
    """
    asker.setblocking(False)
    with suppress(OSError):
        asker.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    replies: list[bytes | None] = []
    for start in range(0, len(queries), _IDS):
        replies += _batch(asker, queries[start : start + _IDS], patience_s)
    return replies


def _batch(asker: socket.socket, queries: Sequence[bytes], patience_s: float) -> list[bytes | None]:
    replies: list[bytes | None] = [None] * len(queries)
    waiting = list(range(len(queries)))
    for attempt in range(_ATTEMPTS):
        _round(asker, queries, waiting, replies, _WINDOW if attempt == 0 else 16, patience_s)
        waiting = [number for number in waiting if replies[number] is None]
        if not waiting:
            break
    return replies


def _round(
    asker: socket.socket,
    queries: Sequence[bytes],
    waiting: list[int],
    replies: list[bytes | None],
    window: int,
    patience_s: float,
) -> None:
    """Send each waiting query once; take replies until none has come for a while."""
    todo = iter(waiting)
    under_way, exhausted = 0, False
    while under_way or not exhausted:
        while under_way < window and not exhausted:
            number = next(todo, None)
            if number is None:
                exhausted = True
                break
            try:
                asker.send(number.to_bytes(2) + queries[number][2:])
            except BlockingIOError:
                select.select([], [asker], [], patience_s)
                asker.send(number.to_bytes(2) + queries[number][2:])
            under_way += 1
        took = _take(asker, replies)
        if took:
            under_way = max(0, under_way - took)
        elif not select.select([asker], [], [], patience_s)[0]:
            under_way = 0  # lost, or silence on purpose; the next round asks again


def _take(asker: socket.socket, replies: list[bytes | None]) -> int:
    took = 0
    while True:
        try:
            reply = asker.recv(65535)
        except BlockingIOError:
            return took
        number = int.from_bytes(reply[:2])
        if number < len(replies) and replies[number] is None:
            replies[number] = reply
            took += 1


def over_tcp(asker: socket.socket, queries: Sequence[bytes], timeout_s: float = 10.0) -> list[bytes | None]:
    """Ask through one connected TCP socket, pipelined (RFC 7766 §6.2.1.1), and return the replies in order."""
    asker.settimeout(timeout_s)
    replies: list[bytes | None] = [None] * len(queries)
    with asker.makefile("rb") as stream:
        for start in range(0, len(queries), _WINDOW):
            numbers = range(start, min(start + _WINDOW, len(queries)))
            messages = [with_id(queries[number], number & 0xFFFF) for number in numbers]
            asker.sendall(b"".join(len(message).to_bytes(2) + message for message in messages))
            for _ in numbers:
                reply = stream.read(int.from_bytes(stream.read(2)))
                replies[start + ((int.from_bytes(reply[:2]) - start) & 0xFFFF)] = reply
    return replies
