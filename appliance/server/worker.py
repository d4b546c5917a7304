# SPDX-License-Identifier: GPL-3.0-or-later
"""One worker: its sockets, its loop, and a line to the control process that ends it when it closes."""

import contextlib
import gc
import logging
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, NoReturn

from appliance import crash
from appliance.server.acceptor import Occupied
from appliance.server.counters import CounterRow
from appliance.server.loop import READ, READ_SHARED, TICK_S, Loop
from appliance.server.responder import Responder
from appliance.server.sockets import WorkerSockets
from appliance.server.tcp import TcpLimits, TcpService
from appliance.server.udp import UdpService

DRAIN: Final = b"d"
"""Sent by the control process: take no new work, end when the open connections have.

Behind it stand the descriptors of the sockets that are closed next, four octets each. What waits in them is answered.
"""
DRAIN_S: Final = 2.0
PATIENCE_S: Final = 1.0
"""Of these, how long a connection that was just opened is waited for."""
PING: Final = b"p"
"""Sent by the control process with a number behind it, and sent back as it came: the worker is alive."""
_TO_THE_GROUP: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_LINE: Final = 1024
"""Octets of the longest message on the line; each is a datagram."""


class Worker:
    """Serves until the line to the control process closes or says to drain."""

    def __init__(
        self,
        sockets: WorkerSockets,
        responder: Responder,
        limits: TcpLimits,
        counters: CounterRow,
        line: socket.socket,
        occupied: Occupied,
    ) -> None:
        self._loop = Loop()
        self._line = line
        self._drain_until = 0.0
        self._leaving: list[UdpService] = []
        self._tcp = TcpService(self._loop, responder.answer_tcp, limits, counters, occupied)
        self._udp = [UdpService(bound, responder.answer_udp, counters) for bound in sockets.udp]
        for service in self._udp:
            self._loop.watch(service.socket.fileno(), READ_SHARED, service.on_readable)
        self._tcp.listen(sockets.tcp)
        self._loop.watch(line.fileno(), READ, self._on_line)
        self._loop.on_turn = self._turn
        self._loop.on_tick = self._on_tick

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            self._loop.run()
        finally:
            self._tcp.close()
            self._loop.close()

    def _turn(self) -> float:
        """Answer a few queries, those over UDP first; return the seconds until the next turn is wanted."""
        wait = TICK_S
        for service in self._udp:
            if service.wants_turn:
                service.turn()
                if service.wants_turn:
                    wait = 0.0
        return min(wait, self._tcp.turn())

    def _on_line(self, events: int) -> None:
        try:
            message = self._line.recv(_LINE)
        except ConnectionResetError:
            message = b""
        if message[:1] == PING:
            with contextlib.suppress(
                BlockingIOError, BrokenPipeError
            ):  # it is asked again; it is gone, which comes next
                self._line.send(message, socket.MSG_DONTWAIT)
            return
        if message[:1] != DRAIN:  # closed: the control process is gone
            self._loop.stop()
            return
        if not self._drain_until:  # else told before
            self._drain({fd for (fd,) in struct.iter_unpack("=I", message[1:])})

    def _drain(self, leaving: set[int]) -> None:
        """Begin to end; `leaving` are the descriptors of sockets that are closed after this."""
        for service in self._udp:
            fd = service.socket.fileno()
            self._loop.forget(fd)
            if fd in leaving:
                self._leaving.append(service)
                service.on_readable()  # until it is empty
            else:
                service.retire()  # the datagrams that this worker has read are in no other worker's queue
        self._drain_until = time.monotonic() + DRAIN_S
        self._tcp.finish_all(leaving, PATIENCE_S)
        if not leaving:
            self._end_when_drained()

    def _on_tick(self) -> None:
        self._tcp.expire()
        if self._drain_until:
            self._go_on_draining()
            return
        # Of the workers that wait for a shared socket one is woken, and that one may have died before it took anything.
        self._tcp.look()
        for service in self._udp:
            service.on_readable()

    def _go_on_draining(self) -> None:
        """Take what still came to the sockets that leave, as a connection whose handshake was under way."""
        if time.monotonic() < self._drain_until - DRAIN_S + PATIENCE_S:
            for service in self._leaving:
                service.on_readable()
            self._tcp.empty()
            if self._leaving:
                return
        else:
            self._tcp.finish_all()
        self._end_when_drained()

    def _end_when_drained(self) -> None:
        waits = self._tcp.open_connections or any(service.wants_turn for service in self._udp)
        if not waits or time.monotonic() > self._drain_until:
            self._loop.stop()


def fork_deaf() -> int:
    """Fork; the child never hears what terminals and service managers send to a whole group.

    The control process acts on that, and its children end with it. Belongs to the main thread.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _TO_THE_GROUP)  # before the child ignores them, none may reach it
    try:
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            for number in _TO_THE_GROUP:
                signal.signal(number, signal.SIG_IGN)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_THE_GROUP)
    return pid


def become_worker(make: Callable[[], Worker]) -> NoReturn:
    """Make and run a worker in a process that fork_deaf() has just made for it."""
    status = 1
    try:
        gc.freeze()
        make().run()
        status = 0
    except Exception as error:  # noqa: BLE001 - nothing above this frame could report it
        crash.log(error, "answering queries")
    finally:
        logging.shutdown()
        os._exit(status)
