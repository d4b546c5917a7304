# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose turn it is: client networks in a circle, the connections of each network in a circle of their own.

Deficit round robin over networks, measured by time: a network whose turn took long misses turns until the others have
had as much. So the share of a network is bounded by the number of networks that wait, whatever its connections do, and
one that comes waits for one turn of each other network. Proved by tests/unit/server/test_fairness.py.
"""

from collections import OrderedDict
from typing import Final

from appliance.server.connection import QUANTUM_S, Connection, Network

_DEBT_S: Final = 16 * QUANTUM_S
"""The most that a network owes: longer means that the process was not running."""


class Shares:
    """The connections that have work in hand; a closed one is skipped when its turn comes."""

    def __init__(self) -> None:
        self._circle: OrderedDict[Network, None] = OrderedDict()  # by identity: one of the same prefix may follow it

    def __bool__(self) -> bool:
        """Whether anybody waits for a turn."""
        return bool(self._circle)

    def add(self, connection: Connection) -> None:
        """Put a connection behind the others of its network, unless it stands there already."""
        if connection.queued:
            return
        connection.queued = True
        network = connection.network
        if not self._circle:
            network.balance = QUANTUM_S  # nobody else waits: nobody is owed anything
        network.runnable.append(connection)
        self._circle.setdefault(network)

    def next(self) -> Connection | None:
        """Return the connection whose turn it is, None where no one waits; say with spent() how long the turn took."""
        circle = self._circle
        while circle:
            network = next(iter(circle))
            if network.balance <= 0:
                network.balance += QUANTUM_S
                circle.move_to_end(network)
                continue
            while network.runnable:
                connection = network.runnable.popleft()
                connection.queued = False
                if not connection.closed:
                    return connection
            del circle[network]
        return None

    def spent(self, network: Network, seconds: float) -> None:
        """Charge a network for its turn."""
        left = QUANTUM_S - seconds
        network.balance = max(-_DEBT_S, left)
        if not network.runnable:
            self._circle.pop(network, None)
        else:
            self._circle.move_to_end(network)
