# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the sockets of all workers: per address one for UDP and one for TCP, which they share.

What comes waits in one queue, and a worker that is free takes it. (A socket for each worker, SO_REUSEPORT, would bind
each client to one of them by a hash, free or not.) The sockets are made before the workers and outlive them: nothing in
their queues is lost when a worker dies or others replace it.
"""

import errno
import ipaddress
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from appliance.errors import ApplianceError

UDP_BUFFER_OCTETS: Final = 4 << 20
TCP_SEND_OCTETS: Final = 128 << 10
"""What may be on its way to a client; for one that does not read the kernel holds less: send_bounds.UNSENT_OCTETS."""
TCP_RECEIVE_OCTETS: Final = 32 << 10
"""Queries that a client may send ahead; left alone it would grow to megabytes."""
TCP_BACKLOG: Final = 1024

# Linux numbers that the socket module lacks.
_IP_PKTINFO: Final = 8
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_OMIT: Final = 5
_EPHEMERAL_ATTEMPTS: Final = 16


class ListenError(ApplianceError):
    """An address cannot be listened on."""


@dataclass(slots=True)
class WorkerSockets:
    """What workers serve."""

    udp: list[socket.socket] = field(default_factory=list)
    tcp: list[socket.socket] = field(default_factory=list)


@dataclass(slots=True)
class Listening:
    """The sockets, the same for each worker, and the addresses they have."""

    workers: list[WorkerSockets]
    endpoints: list[tuple[str, int]]

    def sockets(self) -> list[socket.socket]:
        """Return every socket."""
        return [*self.workers[0].udp, *self.workers[0].tcp]

    def become(self, other: "Listening") -> None:
        """Have what the other has; whoever keeps the list of endpoints sees the new ones."""
        self.workers = other.workers
        self.endpoints[:] = other.endpoints

    def close(self) -> None:
        """Close every socket."""
        for opened in self.sockets():
            opened.close()


def open_sockets(addresses: Sequence[str], port: int, workers: int) -> Listening:
    """Open the sockets of all workers on each address. Raises ListenError, leaving none open.

    Port 0 takes one free port for all of them. Where the kernel has no IPv6, "::" is left out if there are others.
    """
    usable = usable_of(addresses)
    for attempt in range(_EPHEMERAL_ATTEMPTS):
        try:
            return _open_all(usable, port or _free_port(usable[0]), workers)
        except ListenError as error:
            busy = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE
            if port or not busy or attempt == _EPHEMERAL_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def usable_of(addresses: Sequence[str]) -> list[str]:
    """Return the addresses without "::" where the kernel has no IPv6 and there are others."""
    return [text for text in addresses if text != "::" or _has_ipv6() or len(addresses) == 1]


def _open_all(addresses: Sequence[str], port: int, workers: int) -> Listening:
    shared = WorkerSockets()
    listening = Listening([shared] * workers, [])
    with ExitStack() as opened:
        for address in addresses:
            shared.udp.append(opened.enter_context(bind(address, port, socket.SOCK_DGRAM)))
            shared.tcp.append(opened.enter_context(bind(address, port, socket.SOCK_STREAM)))
            listening.endpoints.append((address, port))
        opened.pop_all()
    return listening


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def _free_port(address: str) -> int:
    with bind(address, 0, socket.SOCK_DGRAM) as probe:
        return int(probe.getsockname()[1])


def bind(address: str, port: int, kind: socket.SocketKind, *, beside_own: bool = False) -> socket.socket:
    """Return a bound socket, without SO_REUSEPORT: another server on the port is noticed. Raises ListenError.

    `beside_own` sets it until the socket is bound, for one that is to stand beside sockets that have it too.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    try:
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise ListenError(f"cannot open a socket for {address}: {error.strerror}") from error
    try:
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TCP_SEND_OCTETS)  # connections inherit both
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TCP_RECEIVE_OCTETS)
        _set_options(made, family, kind, unspecified=ipaddress.ip_address(address).is_unspecified)
        if beside_own:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(TCP_BACKLOG)
        if beside_own:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    except OSError as error:
        made.close()
        raise ListenError(_why_not(address, port, kind, error)) from error
    return made


def _set_options(made: socket.socket, family: socket.AddressFamily, kind: socket.SocketKind, unspecified: bool) -> None:
    v6 = family == socket.AF_INET6
    if v6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        return
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_OCTETS)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UDP_BUFFER_OCTETS)
    # Forged "fragmentation needed" messages must not make us fragment (RFC 9715 §3.1).
    if v6:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
    else:
        made.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)
    if unspecified:  # the reply must come from the address that was asked
        if v6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _why_not(address: str, port: int, kind: socket.SocketKind, error: OSError) -> str:
    protocol = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    where = f"cannot listen on {address} port {port} ({protocol})"
    if error.errno == errno.EADDRINUSE:
        option = "-lnup" if kind == socket.SOCK_DGRAM else "-lntp"
        return f"{where}: the port is in use; `ss {option} sport = :{port}` shows by whom"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{where}: no permission; run as root, with CAP_NET_BIND_SERVICE, or set a [listen] port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: no interface has this address; add it, or correct [listen] addresses"
    return f"{where}: {error.strerror}"
