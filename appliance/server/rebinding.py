# SPDX-License-Identifier: GPL-3.0-or-later
"""Other addresses to listen on while the server runs: new sockets are bound before old ones are let go."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from appliance.server.sockets import Listening, WorkerSockets, bind, usable_of

_ANY: Final = {4: ip_address("0.0.0.0"), 6: ip_address("::")}

Pair = tuple[socket.socket, socket.socket]
"""The sockets of one address for UDP and TCP."""


def rebound(listening: Listening, addresses: Sequence[str], port: int, workers: int) -> Listening:
    """Return the sockets for addresses and a port, those that are bound already among them. Raises ListenError.

    Nothing is closed: whoever goes over to the new ones closes what is left(). Port 0 keeps the port that there is.
    What is bound to an address stays where all addresses are to be listened on: the kernel gives it all that comes
    there, and a listening socket that is closed resets the connections that are being made.
    """
    port = port or listening.endpoints[0][1]
    usable = usable_of(addresses)
    wanted = {ip_address(text): text for text in usable}
    bound = listening.workers[0]
    before = {_name(udp): (udp, tcp) for udp, tcp in zip(bound.udp, bound.tcp, strict=True)}
    pairs: list[Pair] = []
    with ExitStack() as opened, _shareable(listening.sockets()):
        for address, text in wanted.items():
            pair = before.pop((address, port), None)
            pairs.append(pair or _opened(opened, text, port))
        opened.pop_all()
    pairs += [pair for (address, at), pair in before.items() if at == port and _ANY[address.version] in wanted]
    shared = WorkerSockets([udp for udp, _ in pairs], [tcp for _, tcp in pairs])
    return Listening([shared] * workers, [(text, port) for text in wanted.values()])


def _opened(opened: ExitStack, address: str, port: int) -> Pair:
    return (
        opened.enter_context(bind(address, port, socket.SOCK_DGRAM, beside_own=True)),
        opened.enter_context(bind(address, port, socket.SOCK_STREAM, beside_own=True)),
    )


def _name(udp: socket.socket) -> tuple[IPv4Address | IPv6Address, int]:
    address, port, *_ = udp.getsockname()
    return ip_address(address), port


def left(before: Listening, after: Listening) -> list[socket.socket]:
    """Return the sockets of `before` that `after` has not."""
    kept = set(map(id, after.sockets()))
    return [one for one in before.sockets() if id(one) not in kept]


@contextmanager
def _shareable(sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Let sockets of this process be bound beside these inside the block, as 127.0.0.1 beside 0.0.0.0 on one port.

    Another server on the port is noticed after the block: test_another_server_is_noticed_after_a_change. For TCP Linux
    goes on to let in a process of the same user that sets SO_REUSEPORT itself.
    """
    try:
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield
    finally:
        for one in sockets:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
