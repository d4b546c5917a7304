# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare epoll loop of a worker: callbacks by file descriptor, then a turn of the work that waits, then time-outs."""

import select
import time
from collections.abc import Callable
from typing import Final

READ: Final = select.EPOLLIN | select.EPOLLRDHUP
WRITE: Final = select.EPOLLOUT
EDGE: Final = select.EPOLLET
"""Watch edges: each change is told once, so who watches must remember it until all of it was taken."""
READ_SHARED: Final = select.EPOLLIN | select.EPOLLEXCLUSIVE
"""Wake one of the processes that watch a shared socket; all look at it in each tick too, as that one may have died."""

TICK_S: Final = 0.5

Handler = Callable[[int], None]
"""Gets the epoll events; must bear events of a former owner of its descriptor."""


class Loop:
    """Runs until stop() is called; on_tick is called every tick_s seconds.

    on_turn is called after each batch of events. It does a little of the work that waits and returns the seconds until
    it wants its next turn: 0 where more waits. Handlers run between any two turns, so they never wait for long.
    """

    def __init__(self, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._running = False
        self.on_tick: Callable[[], None] = lambda: None
        self.on_turn: Callable[[], float] = lambda: tick_s

    def watch(self, fd: int, events: int, handler: Handler) -> None:
        """Call a handler for events on a descriptor."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop watching; call before closing the descriptor."""
        del self._handlers[fd]
        self._epoll.unregister(fd)

    def stop(self) -> None:
        """Leave run() after the current callback's batch."""
        self._running = False

    def run(self) -> None:
        """Dispatch events until stop()."""
        self._running = True
        handlers = self._handlers
        poll = self._epoll.poll
        now = time.monotonic()
        tick = now + self._tick_s
        wait = 0.0
        while self._running:
            for fd, events in poll(min(wait, tick - now) if wait else 0):
                handler = handlers.get(fd)
                if handler is not None:
                    handler(events)
            wait = self.on_turn()
            now = time.monotonic()
            if now >= tick:
                self.on_tick()
                tick = now + self._tick_s

    def close(self) -> None:
        """Close the epoll descriptor."""
        self._epoll.close()
