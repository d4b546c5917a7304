# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare epoll loop of a worker: callbacks by file descriptor, and one that runs all the time for timeouts."""

import select
from collections.abc import Callable
from typing import Final

READ: Final = select.EPOLLIN | select.EPOLLRDHUP
WRITE: Final = select.EPOLLOUT

TICK_S: Final = 0.5

Handler = Callable[[int], None]
"""Gets the epoll events; must bear events of a former owner of its descriptor."""


class Loop:
    """Runs until stop() is called; on_tick is called after each batch of events and at least every tick_s seconds."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._running = False
        self.on_tick: Callable[[], None] = lambda: None

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
        while self._running:
            for fd, events in self._epoll.poll(self._tick_s):
                handler = handlers.get(fd)
                if handler is not None:
                    handler(events)
            self.on_tick()

    def close(self) -> None:
        """Close the epoll descriptor."""
        self._epoll.close()
