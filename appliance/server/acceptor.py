# SPDX-License-Identifier: GPL-3.0-or-later
"""Take new connections from sockets that all workers share, each its part.

One queue for all workers: a connection never waits for a worker that is busy, hung or just being replaced while another
is free. Every worker is woken; one that has more connections than the least loaded leaves a new one to the others
for a moment, and takes it after that, whatever they do.
"""

import mmap
import socket
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from appliance.server.loop import EDGE, READ, TICK_S, Loop
from appliance.server.sockets import TCP_BACKLOG

_BATCH: Final = 32  # connections before other work gets its turn
_PATIENCE_S: Final = 0.002
"""Longer than a turn of a worker: one that lives has looked at the socket by then."""
_SLACK: Final = 8
"""One eighth more connections than the least loaded worker has are no reason to wait."""


class Occupancy:
    """The number of open connections of each worker, in shared memory."""

    def __init__(self, workers: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, workers * 8)).cast("Q")

    def all(self) -> list[int]:
        """Return the numbers of all workers."""
        return list(self._cells)

    def of(self, worker: int) -> "Occupied":
        """Return one worker's view."""
        return Occupied(self._cells, worker)


class Occupied:
    """What one worker tells and sees of the others.

    The whole number is written each time, so one that a dead or a former worker of the same place left is soon gone.
    """

    def __init__(self, cells: memoryview, own: int) -> None:
        self._cells = cells
        self._own = own
        self._tells = True

    def tell(self, count: int) -> None:
        """Note the number of connections of this worker."""
        if self._tells:
            self._cells[self._own] = count

    def retire(self) -> None:
        """Note nothing any more: another process has this worker's place."""
        self._tells = False

    def has_room(self) -> bool:
        """Whether a new connection belongs here rather than to another worker."""
        own = self._cells[self._own]
        return bool(own - own // _SLACK <= min(self._cells))


class Acceptor:
    """The listening sockets of one worker."""

    def __init__(
        self, loop: Loop, listeners: Sequence[socket.socket], take: Callable[[socket.socket], bool], occupied: Occupied
    ) -> None:
        """Watch the sockets; `take` takes one connection and returns False where there is none."""
        self._loop = loop
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._take = take
        self._occupied = occupied
        self.pending: dict[int, socket.socket] = {}
        self._until = 0.0  # when what others were left becomes ours; 0: nothing was left
        for fd, listener in self._listeners.items():
            loop.watch(fd, READ | EDGE, partial(self._note, fd, listener))

    def _note(self, fd: int, listener: socket.socket, _events: int) -> None:
        self.pending[fd] = listener

    def look(self) -> None:
        """Look at every socket with the next turn: a worker that was woken may have died before it took anything."""
        self.pending.update(self._listeners)

    def turn(self) -> float:
        """Take what belongs here; return the seconds until the next turn is wanted, 0 where more waits."""
        if not self.pending:
            return TICK_S
        now = time.monotonic()
        for _ in range(_BATCH):
            if not self._occupied.has_room():
                self._until = self._until or now + _PATIENCE_S
                if now < self._until:
                    return self._until - now
            fd, listener = next(iter(self.pending.items()))
            if self._take(listener):
                continue
            self._until = 0.0
            del self.pending[fd]
            if not self.pending:
                return TICK_S
        self._until = 0.0
        return 0.0

    def close(self, leaving: Collection[int] = ()) -> None:
        """Take no more connections, but with empty() those of the sockets of which `leaving` has the descriptors."""
        for fd in self._listeners:
            self._loop.forget(fd)
        self._listeners = {fd: listener for fd, listener in self._listeners.items() if fd in leaving}
        self.pending.clear()
        self.empty()

    def empty(self) -> None:
        """Take all connections that wait, up to a bound."""
        for listener in self._listeners.values():
            for _ in range(TCP_BACKLOG):
                if not self._take(listener):
                    break
