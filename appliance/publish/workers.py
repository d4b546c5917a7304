# SPDX-License-Identifier: GPL-3.0-or-later
"""Fork the workers, start those that die again, replace them when the store is another one."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.config.schema import Config
from appliance.publish.pulse import ASKED, Pulse
from appliance.server.acceptor import Occupancy
from appliance.server.counters import MOST_WORKERS, Counters
from appliance.server.hash_budget import HashBudget
from appliance.server.respond import Settings
from appliance.server.responder import Responder
from appliance.server.sockets import Listening, WorkerSockets
from appliance.server.tcp import TcpLimits
from appliance.server.worker import DRAIN, DRAIN_S, Worker, become_worker, fork_deaf
from appliance.store.store import Store

_FIRST_DELAY_S: Final = 0.1
_LAST_DELAY_S: Final = 5.0
_STABLE_S: Final = 10.0
_STOP_S: Final = DRAIN_S + 1.0
_LOOK_S: Final = 5.0
"""Time between looks whether workers are to be asked for signs of life, while they are not."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Process:
    """One running worker."""

    number: int
    pid: int
    pidfd: int
    line: socket.socket
    ended: asyncio.Event
    started: float
    pulse: Pulse
    wanted: bool = True  # False: it was told to end


class WorkerPool:
    """The workers of one server. All methods are called in the event loop's thread."""

    def __init__(self, config: Config, listening: Listening) -> None:
        self._listening = listening
        self._store: Store | None = None
        self._processes: dict[int, _Process] = {}
        self.counters = Counters(MOST_WORKERS)
        self.configure(config)
        self.starts = 0
        """How often the workers were started, all of them."""
        self.leaving: list[socket.socket] = []
        """Open sockets that new workers do not have: what waits there, the former ones answer before they end."""
        self.restarts = 0
        self.replaced = 0
        """Workers that were killed because they did not answer."""

    def configure(self, config: Config) -> None:
        """Give workers that are started from now on what a configuration says, and the sockets that there are now."""
        count = self.wanted
        self._settings = Settings(config.limits.edns_size, config.server.identity, config.server.version)
        self._limits = _share(config, count)
        self._hash_rates = (config.limits.nsec3_rate / count, config.limits.nsec3_rate_per_prefix / count)
        self._delays = [_FIRST_DELAY_S] * count
        self._silence_s = config.listen.worker_silence_s
        self.occupancy = Occupancy(count)

    @property
    def wanted(self) -> int:
        """Number of workers that the configuration asks for."""
        return len(self._listening.workers)

    @property
    def alive(self) -> int:
        """Number of workers that serve."""
        return sum(process.wanted for process in self._processes.values())

    def problems(self) -> list[str]:
        """Return what is wrong with the workers, in words."""
        told = [
            f"worker {one.number} (process {one.pid}) does not answer (state {one.pulse.state}, proc_pid_stat(5)): it "
            f"is replaced if it stays so for {self._silence_s:g} s"
            for one in self._processes.values()
            if one.pulse.missed > 1
        ]
        if self.alive < self.wanted:
            told.append(f"{self.wanted - self.alive} of {self.wanted} workers are down")
        return told

    async def keep_asking(self) -> None:
        """Ask each worker over its line whether it is alive, and replace those that do not answer, for ever."""
        while True:
            await asyncio.sleep((self._silence_s or _LOOK_S) / ASKED)
            for process in list(self._processes.values()) if self._silence_s else ():
                if process.pulse.beat():
                    self._give_up(process)

    def _give_up(self, process: _Process) -> None:
        """Kill a worker that does not answer; _reap starts it again."""
        self.replaced += 1
        message = "worker %d (process %d) has not answered for %g s (state %s): killed"
        _log.error(message, process.number, process.pid, self._silence_s, process.pulse.state)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)

    def start(self, store: Store) -> None:
        """Start the workers on a store; those that there are finish what they have in hand and end.

        Raises OSError where no process can be made; the former ones go on then.
        """
        former, before = list(self._processes.values()), self._store
        self._store = store
        try:
            for number in range(self.wanted):
                self._fork(number)
        except OSError:
            self._store = before
            for process in [one for one in self._processes.values() if one not in former]:
                _tell_to_drain(process)
            raise
        for process in former:
            _tell_to_drain(process, self.leaving)
        self.starts += 1

    async def drained(self) -> None:
        """Wait until the workers of former stores have ended; their open connections get a few seconds."""
        ending = [asyncio.create_task(one.ended.wait()) for one in self._processes.values() if not one.wanted]
        if ending:
            await asyncio.wait(ending, timeout=_STOP_S)

    async def stop(self) -> None:
        """End all workers; their open connections get a few seconds."""
        self._store = None
        processes = list(self._processes.values())
        for process in processes:
            _tell_to_drain(process)
        ending = [asyncio.create_task(process.ended.wait()) for process in processes]
        if ending:
            _, late = await asyncio.wait(ending, timeout=_STOP_S)
            for process in list(self._processes.values()):
                os.kill(process.pid, signal.SIGKILL)
            if late:
                await asyncio.wait(late)

    def _fork(self, number: int) -> None:
        assert self._store is not None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # one message, one datagram
        row = self.counters.row(number)
        sockets = self._listening.workers[number]
        pid = fork_deaf()
        if not pid:
            _close_all_but(sockets, theirs)
            responder = Responder(self._store, self._settings, row, HashBudget(*self._hash_rates))
            occupied = self.occupancy.of(number)
            become_worker(lambda: Worker(sockets, responder, self._limits, row, theirs, occupied))
        theirs.close()
        loop = asyncio.get_running_loop()
        process = _Process(number, pid, os.pidfd_open(pid), ours, asyncio.Event(), loop.time(), Pulse(pid, ours))
        self._processes[pid] = process
        loop.add_reader(process.pidfd, self._reap, process)

    def _reap(self, process: _Process) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(process.pidfd)
        os.close(process.pidfd)
        _, status = os.waitpid(process.pid, 0)
        process.line.close()
        del self._processes[process.pid]
        process.ended.set()
        if not process.wanted or self._store is None:
            return
        if process.number >= self.wanted:  # there are fewer now
            return
        if loop.time() - process.started > _STABLE_S:
            self._delays[process.number] = _FIRST_DELAY_S
        delay = self._delays[process.number]
        self._delays[process.number] = min(2 * delay, _LAST_DELAY_S)
        how = os.waitstatus_to_exitcode(status)
        message = "worker %d (process %d) ended with status %d; started again in %.1f s"
        _log.error(message, process.number, process.pid, how, delay)
        loop.call_later(delay, self._start_again, process.number)

    def _start_again(self, number: int) -> None:
        if number >= self.wanted:
            return
        if self._store is not None and all(p.number != number or not p.wanted for p in self._processes.values()):
            self.restarts += 1
            self._fork(number)


def _share(config: Config, workers: int) -> TcpLimits:
    """Return one worker's part of the bounds."""
    listen = config.listen
    return TcpLimits(
        listen.tcp_idle_timeout_s,
        listen.tcp_write_timeout_s,
        -(-listen.tcp_max_connections // workers),
        -(-listen.tcp_connections_per_prefix // workers),
        listen.tcp_queries_per_connection,
        -(-(listen.tcp_send_queue_mib << 20) // workers),
        -(-(listen.tcp_send_queue_per_prefix_mib << 20) // workers),
    )


def _tell_to_drain(process: _Process, leaving: Sequence[socket.socket] = ()) -> None:
    """Tell a worker to end; it has the `leaving` sockets under the same descriptors, since it was forked."""
    process.wanted = False
    descriptors = [one.fileno() for one in leaving]
    with contextlib.suppress(OSError):
        process.line.send(DRAIN + struct.pack(f"={len(descriptors)}I", *descriptors), socket.MSG_DONTWAIT)


def _close_all_but(sockets: WorkerSockets, line: socket.socket) -> None:
    """Close what a worker does not need: it would keep other workers, or the server's lock, alive."""
    keep = {0, 1, 2, line.fileno(), *(s.fileno() for s in (*sockets.udp, *sockets.tcp))}
    for fd in {int(entry.name) for entry in Path("/proc/self/fd").iterdir()} - keep:
        with contextlib.suppress(OSError):
            os.close(fd)
