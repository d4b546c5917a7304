# SPDX-License-Identifier: GPL-3.0-or-later
"""Other addresses to listen on while the server runs: new sockets are bound before old ones are let go."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from appliance.server.sockets import Listening, WorkerSockets, bind, usable_of


def rebound(listening: Listening, addresses: Sequence[str], port: int, workers: int) -> Listening:
    """Return the sockets for addresses and a port, those that are bound already among them. Raises ListenError.

    Nothing is closed: whoever goes over to the new ones closes what is left(). Port 0 keeps the port that there is.
    """
    port = port or listening.endpoints[0][1]
    bound = listening.workers[0]
    before = {at: (udp, tcp) for at, udp, tcp in zip(listening.endpoints, bound.udp, bound.tcp, strict=True)}
    shared = WorkerSockets()
    found = Listening([shared] * workers, [])
    with ExitStack() as opened, _shareable(listening.sockets()):
        for address in usable_of(addresses):
            pair = before.get((address, port))
            if pair is None:
                pair = (
                    opened.enter_context(bind(address, port, socket.SOCK_DGRAM, beside_own=True)),
                    opened.enter_context(bind(address, port, socket.SOCK_STREAM, beside_own=True)),
                )
            shared.udp.append(pair[0])
            shared.tcp.append(pair[1])
            found.endpoints.append((address, port))
        opened.pop_all()
    return found


def left(before: Listening, after: Listening) -> list[socket.socket]:
    """Return the sockets of `before` that `after` has not."""
    kept = set(map(id, after.sockets()))
    return [one for one in before.sockets() if id(one) not in kept]


@contextmanager
def _shareable(sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Let own sockets be bound beside these, as 127.0.0.1 beside 0.0.0.0 on the same port; nobody else's after that."""
    try:
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield
    finally:
        for one in sockets:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
