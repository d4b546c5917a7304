# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries that came faster than they are answered: each client network in its turn, and none takes all the room."""

from collections import OrderedDict, deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MOST: Final = 1024
"""Queries that wait: what is answered in well under a tenth of a second, as later answers are of no use."""


class Backlog(Generic[T]):
    """What waits. A network may have its part of `most`, which is smaller the more networks have something waiting."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._queues: OrderedDict[bytes, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """Return the number of queries that wait."""
        return self._count

    def put(self, network: bytes, item: T) -> bool:
        """Take something up behind what its network has waiting; return False where that has its part already."""
        queue = self._queues.get(network)
        if queue is None:
            if self._count >= 2 * self._most:
                return False
            queue = self._queues[network] = deque()
        elif len(queue) >= self._most // (len(self._queues) + 1):
            return False
        queue.append(item)
        self._count += 1
        return True

    def take(self) -> T:
        """Return the next item, of the network whose turn it is."""
        network, queue = self._queues.popitem(last=False)
        item = queue.popleft()
        self._count -= 1
        if queue:
            self._queues[network] = queue
        return item
