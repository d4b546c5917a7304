# SPDX-License-Identifier: GPL-3.0-or-later
"""The same questions to the old server and to the new one, in bounded time and at a bounded rate."""

import ipaddress
import random
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype

from appliance.config.patterns import Expansion, expand
from appliance.config.schema import Config
from appliance.errors import ConfigError
from appliance.migration.differences import Difference, compare
from appliance.migration.samples import Question, questions
from appliance.zone import names

_PAYLOAD: Final = 1232
_TRIES: Final = 3
_WAIT_S: Final = 2.0
_SILENCES: Final = 5
"""Questions in a row that a server does not answer, after which nothing more is asked."""
EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server answers."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}@{self.port}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is asked: names out of each zone's file, questions a second to each server, seconds for all of it."""

    samples: int = 10
    rate: float = 200.0
    limit_s: float = 300.0
    seed: int = 1


@dataclass(slots=True)
class Group:
    """The differences of one kind."""

    is_optional: bool
    count: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)


def server(text: str, port: int = 53) -> Server:
    """Return the server that HOST, HOST@PORT, HOST:PORT or [ADDRESS]:PORT means. Raises ConfigError."""
    host, _, said = text.rpartition("@")
    if not host:
        host, said = text, ""
        if text.startswith("[") and "]" in text:
            host, _, said = text[1:].rpartition("]")
            said = said.removeprefix(":")
        elif text.count(":") == 1:
            host, _, said = text.partition(":")
    if said and (not said.isdecimal() or not 0 < int(said) < 65536):
        raise ConfigError(f"{text}: {said} is no port; write HOST, HOST@PORT or [ADDRESS]:PORT")
    port = int(said) if said else port
    try:
        return Server(str(ipaddress.ip_address(host)), port)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{text}: {host} is no address, and no host of that name is found: {error}") from error
    return Server(str(found[0][4][0]), port)


def own_server(config: Config) -> Server:
    """Return where the server of a configuration answers on this machine."""
    first = config.listen.addresses[0]
    return Server({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(first, first), config.listen.port or 53)


def zones(config: Config) -> Iterator[tuple[dns.name.Name, str]]:
    """Yield name and file of each zone of a configuration once; what is wrong with a list is told by check-config."""
    seen: set[bytes] = set()
    own = ((names.fold(names.from_text(zone.name)), zone.file) for zone in config.zone)
    of_patterns = ((origin, file) for pattern in config.populated for origin, file, _ in expand(pattern, Expansion()))
    for some in (own, of_patterns):
        for origin, file in some:
            if origin not in seen:
                seen.add(origin)
                yield dns.name.from_wire(origin, 0)[0], file


class Comparison:
    """Asks both servers, and groups what differs."""

    def __init__(self, old: Server, new: Server, bounds: Bounds) -> None:
        self._servers = (old, new)
        self._bounds = bounds
        self._groups: dict[tuple[str, bool], Group] = {}
        self._silent = [0, 0]
        self._asked = 0
        self._begin = time.monotonic()

    def run(
        self, known: Sequence[tuple[dns.name.Name, str]], say: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        """Return what came of it. Raises ConfigError where a server does not answer at all."""
        chance = random.Random(self._bounds.seed)
        done = 0
        for origin, file in known:
            if not all(self._compare(one) for one in questions(origin, file, self._bounds.samples, chance)):
                break
            done += 1
            if say is not None:
                say(f"{done} of {len(known)} zones, {self._asked} questions")
        return self._result(len(known), done)

    def _compare(self, question: Question) -> bool:
        """Ask both; return whether there is time for more."""
        due = self._begin + self._asked / self._bounds.rate
        time.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() - self._begin > self._bounds.limit_s:
            return False
        self._asked += 1
        old, new = self._ask(0, question, tcp=False), self._ask(1, question, tcp=False)
        if old is not None and new is not None and (old.flags | new.flags) & dns.flags.TC:
            if (old.flags ^ new.flags) & dns.flags.TC:
                self._add(question, [one for one in compare(old, new) if one.kind == "flag TC"])
            old, new = self._ask(0, question, tcp=True), self._ask(1, question, tcp=True)
        if old is None or new is None:
            first, second = ("no answer" if one is None else "an answer" for one in (old, new))
            self._add(question, [Difference("no answer", first, second)])
        else:
            self._add(question, compare(old, new))
        return True

    def _ask(self, which: int, question: Question, *, tcp: bool) -> dns.message.Message | None:
        at = self._servers[which]
        query = dns.message.make_query(*question, want_dnssec=True, payload=_PAYLOAD, flags=0)
        for _ in range(_TRIES):
            try:
                if tcp:
                    reply = dns.query.tcp(query, at.address, _WAIT_S, at.port)
                else:
                    reply = dns.query.udp(query, at.address, _WAIT_S, at.port, ignore_unexpected=True)
            except (dns.exception.DNSException, OSError):
                continue
            self._silent[which] = 0
            return reply
        self._silent[which] += 1
        if self._silent[which] >= _SILENCES or self._asked == 1:
            raise ConfigError(f"the {('old', 'new')[which]} server {at} does not answer: does it run, and let us ask?")
        return None

    def _add(self, question: Question, found: list[Difference]) -> None:
        for one in found:
            group = self._groups.setdefault((one.kind, one.is_optional), Group(one.is_optional))
            group.count += 1
            if len(group.examples) < EXAMPLES:
                name, kind = str(question[0]), dns.rdatatype.to_text(question[1])
                group.examples.append({"name": name, "type": kind, "old": one.old, "new": one.new})

    def _result(self, known: int, done: int) -> dict[str, Any]:
        groups = [
            {"kind": kind, "optional": optional, "count": group.count, "examples": group.examples}
            for (kind, optional), group in sorted(self._groups.items(), key=lambda item: (item[0][1], -item[1].count))
        ]
        same = all(group["optional"] for group in groups)
        old, new = self._servers
        return {
            "ok": same and done == known,
            "same": same,
            "old": str(old),
            "new": str(new),
            "zones": done,
            "zones_not_asked": known - done,
            "questions": self._asked,
            "seed": self._bounds.seed,
            "differences": groups,
        }
