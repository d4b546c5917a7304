# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for clients that do not take their replies: a bound for each client network, and one for all of them."""

from typing import Final

from appliance.server.connection import Connection, Network

UNSENT_OCTETS: Final = 16384
"""What the kernel holds of a connection beyond what the client's window allows it to send (TCP_NOTSENT_LOWAT)."""


class SendBounds:
    """The connections whose replies wait, longest first, and how many octets, in our memory and in the kernel's."""

    def __init__(self, most: int, most_of_a_network: int) -> None:
        self._most = most
        self._most_of_a_network = most_of_a_network
        self._networks: dict[bytes, Network] = {}
        self._waiting: dict[int, Connection] = {}
        self.held = 0

    def waiting(self) -> list[Connection]:
        """Return the connections whose replies wait."""
        return list(self._waiting.values())

    def add(self, connection: Connection, now: float) -> None:
        """Note the octets of replies that wait."""
        network = connection.network
        if connection.fd not in self._waiting:
            connection.has_moved(now)
            self._waiting[connection.fd] = connection
            network.waiting[connection.fd] = connection
            self._networks[network.prefix] = network
        self._hold(connection, len(connection.output) + connection.unacknowledged())

    def discard(self, connection: Connection) -> None:
        """Note that nothing waits any more."""
        if self._waiting.pop(connection.fd, None) is None:
            return
        network = connection.network
        self._hold(connection, 0)
        del network.waiting[connection.fd]
        if not network.waiting:
            del self._networks[network.prefix]
        connection.stalled_since = 0.0

    def _hold(self, connection: Connection, octets: int) -> None:
        more = octets - connection.held
        connection.held = octets
        connection.network.held += more
        self.held += more

    def victim(self, network: Network) -> Connection | None:
        """Return the connection to end while a bound is passed: of a network, then of the one that holds most."""
        if network.held <= self._most_of_a_network:
            if self.held <= self._most:
                return None
            network = max(self._networks.values(), key=lambda one: one.held)
        return next(iter(network.waiting.values()))
