# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds for hashing with many NSEC3 iterations: a budget for each client network, and one for all of them.

Blocks of SHA-1 are counted. What the NIC path would compute itself is free. UDP and TCP have half of each budget to
themselves: sources of UDP can be forged, and whoever is told to come again over TCP must find something left.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

from appliance.errors import ApplianceError
from appliance.server.networks import client_prefix
from appliance.zone.checks.nsec3param import NIC_ITERATIONS
from appliance.zone.nsec3_hash import Parameters, cost

_NETWORKS: Final = 4096
"""Networks that are kept in mind; the one that spent longest ago is forgotten first. The budget of all holds anyway."""

Transport = Literal["udp", "tcp"]


class OverBudgetError(ApplianceError):
    """A hash is not computed because its budget is spent."""


class Bucket:
    """Blocks that may be spent: `rate` a second, saved up for a second at most. The last hash may overdraw it."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = now

    def has_any(self, now: float) -> bool:
        """Whether anything may be spent."""
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left > 0

    def spend(self, blocks: int) -> None:
        """Spend blocks."""
        self._left -= blocks


class _Purse:
    """The budgets of one transport."""

    def __init__(self, rate: float, rate_per_prefix: float, now: float) -> None:
        self._rate_per_prefix = rate_per_prefix
        self._all = Bucket(rate, now) if rate else None
        self._networks: OrderedDict[bytes, Bucket] = OrderedDict()

    def spend(self, network: bytes, blocks: int, now: float) -> bool:
        """Spend blocks of both budgets; return False where one has none left."""
        if self._all and not self._all.has_any(now):
            return False
        if self._rate_per_prefix:
            own = self._networks.get(network)
            if own is None:
                own = self._networks[network] = Bucket(self._rate_per_prefix, now)
                if len(self._networks) > _NETWORKS:
                    self._networks.popitem(last=False)
            elif not own.has_any(now):
                return False
            self._networks.move_to_end(network)
            own.spend(blocks)
        if self._all:
            self._all.spend(blocks)
        return True


class HashBudget:
    """The budgets of one worker, and for whom it is hashing now."""

    def __init__(
        self, rate: float = 0, rate_per_prefix: float = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Allow blocks a second for all clients and for one network; 0: no limit."""
        self._clock = clock
        now = clock()
        self._purses = {kind: _Purse(rate / 2, rate_per_prefix / 2, now) for kind in ("udp", "tcp")}
        self._limited = bool(rate or rate_per_prefix)
        self._transport: Transport = "udp"
        self._client: str | bytes = b""

    def serve(self, transport: Transport, client: str | bytes) -> None:
        """Choose the budget that pays for the next hashes: of a client network, or of an address."""
        self._transport = transport
        self._client = client

    def spend(self, parameters: Parameters) -> None:
        """Pay for a hash that is about to be computed. Raises OverBudgetError."""
        if not self._limited or parameters[0] <= NIC_ITERATIONS:
            return
        network = self._client if isinstance(self._client, bytes) else client_prefix(self._client)
        if not self._purses[self._transport].spend(network, cost(parameters), self._clock()):
            raise OverBudgetError(f"{parameters[0]} NSEC3 iterations: the budget for hashing is spent")
