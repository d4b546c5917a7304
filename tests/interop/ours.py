# SPDX-License-Identifier: GPL-3.0-or-later
"""This server without sockets: the zones compiled into a store in memory, the userspace steps for each query."""

from collections.abc import Sequence

from appliance.compiler.expected import capacity
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.server.respond import Exchange, Settings, Transport, respond
from appliance.store.store import Store
from tests.interop.compare import OURS
from tests.interop.loaded import Loaded

_SEED = 0x5EED
_CLIENT_PORT = 40_000


class InProcess:
    """Answers queries from one store."""

    name = OURS

    def __init__(self, store: Store) -> None:
        """Answer from this store."""
        self._store = store

    @classmethod
    def of(cls, loaded: Loaded) -> "InProcess":
        """Compile the zones into a new store."""
        zones = list(loaded.zones.values())
        store = Store.sized(capacity(zones), _SEED)
        compile_zones(World(store), zones)
        return cls(store)

    def answer(self, query: bytes, transport: Transport) -> bytes | None:
        """Return the reply to one query, or None for silence."""
        return respond(Exchange(self._store, Settings(), query, transport, _CLIENT_PORT)).octets

    def over_udp(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """Answer within what UDP allows."""
        return [self.answer(query, "udp") for query in queries]

    def over_tcp(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """Answer in full."""
        return [self.answer(query, "tcp") for query in queries]
