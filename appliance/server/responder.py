# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker's sockets call: answers a message, counts it, survives whatever a message or a torn read can do."""

import logging
import time
from typing import Final

from appliance import crash
from appliance.server import message, zones
from appliance.server.counters import CounterRow
from appliance.server.hash_budget import HashBudget, OverBudgetError
from appliance.server.question import HEADER_LEN, read_query
from appliance.server.respond import Exchange, Settings, Transport, respond
from appliance.store.store import Store

_PATIENCE_S: Final = 0.1
"""A flip takes microseconds, but the process that does it may have to wait for a CPU in the middle."""
_PAUSE_S: Final = 0.001
_NEVER: Final = -1
_LOGGED: Final = 20

_log = logging.getLogger(__name__)


class Responder:
    """Answers messages from one store and counts how."""

    def __init__(
        self, store: Store, settings: Settings, counters: CounterRow, budget: HashBudget | None = None
    ) -> None:
        self._store = store
        self._budget = budget or HashBudget()
        store.pay_hash = self._budget.spend
        self._settings = settings
        self._count = counters.count
        self._logged = 0
        self._stuck = _NEVER
        """The sequence of a flip that was waited for in vain: its writer stands still or is dead."""

    def answer_udp(self, wire: bytes, port: int, address: str) -> bytes | None:
        """Return the reply to a datagram from a source port and address, or None for silence."""
        self._budget.serve("udp", address)
        return self._answer(wire, "udp", port)

    def answer_tcp(self, wire: bytes, network: bytes) -> bytes | None:
        """Return the reply to a message that came over TCP from a client network, or None for silence."""
        self._budget.serve("tcp", network)
        return self._answer(wire, "tcp", 0)

    def _answer(self, wire: bytes, transport: Transport, port: int) -> bytes | None:
        give_up = 0.0
        while True:
            flips = zones.flips(self._store)
            try:
                reply = respond(Exchange(self._store, self._settings, wire, transport, port))
            except OverBudgetError:
                if zones.unchanged(self._store, flips):
                    return self._over_budget(wire, transport)
            except Exception as error:  # noqa: BLE001 - one message must never end the service
                if zones.unchanged(self._store, flips):
                    return self._failed(wire, error)
            else:
                if zones.unchanged(self._store, flips):
                    self._count(reply.verdict)
                    return reply.octets
            if flips == self._stuck:
                return self._servfail(wire)
            now = time.monotonic()
            give_up = give_up or now + _PATIENCE_S
            if now > give_up:
                return self._give_up(wire, flips)
            time.sleep(_PAUSE_S)

    def _give_up(self, wire: bytes, flips: int) -> bytes | None:
        """Answer SERVFAIL from now on without waiting, for as long as this flip lasts: what is read may be anything."""
        if flips & 1:
            self._stuck = flips
            _log.error(
                "the control process is in the middle of a change for %s s now, stopped or dead: SERVFAIL until it "
                "goes on or is started again",
                _PATIENCE_S,
            )
        return self._servfail(wire)

    def _over_budget(self, wire: bytes, transport: Transport) -> bytes:
        """Send whoever asks over UDP to TCP, where its address is no forged one; there, SERVFAIL.

        Any answer without the proof would be bogus to validators, and silence would make them ask again.
        """
        size = self._settings.edns_size
        query = read_query(wire, size)
        if transport == "tcp":
            self._count("nsec3_servfail")
            return message.without_data(wire, query, size, message.SERVFAIL)
        self._count("nsec3_truncated")
        return message.truncated(message.without_data(wire, query, size, 0))

    def _failed(self, wire: bytes, error: Exception) -> bytes | None:
        if self._logged < _LOGGED:
            self._logged += 1
            _log.error("no answer to %s: %s", wire.hex(), crash.sentence(error, "answering a query"))
        return self._servfail(wire)

    def _servfail(self, wire: bytes) -> bytes | None:
        self._count("drop_internal_error")
        if len(wire) < HEADER_LEN or wire[2] & 0x80:
            return None
        return message.bare_header(wire, message.SERVFAIL)
