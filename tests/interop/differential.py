# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask all servers the same questions and sort the answers: equal, explained, or a difference that nobody explains."""

import functools
import itertools
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.interop import ask, wire
from tests.interop.compare import OURS, Case, missing_additional, own_faults
from tests.interop.explanations import explain
from tests.interop.loaded import Loaded
from tests.interop.peers import Peer
from tests.interop.questions import Question
from tests.interop.wire import Reply

_BATCH = 20_000
_ENOUGH = 25  # differences worth printing


class Server(Protocol):
    """Whoever answers a list of queries, None for silence."""

    name: str

    def over_udp(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """Answer within what UDP allows."""
        ...

    def over_tcp(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """Answer in full."""
        ...


class Remote:
    """A server behind sockets."""

    def __init__(
        self, name: str, connect: Callable[[socket.SocketKind], socket.socket], patience_s: float = ask.PATIENCE_S
    ) -> None:
        """Take the server's name, a maker of connected sockets, and how long it may take over an answer."""
        self.name = name
        self._connect = connect
        self._patience_s = patience_s

    @classmethod
    def peer(cls, peer: Peer) -> "Remote":
        """Return one of the peers."""
        return cls(peer.name, peer.socket)

    def over_udp(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """Ask through one UDP socket."""
        with self._connect(socket.SOCK_DGRAM) as asker:
            return ask.over_udp(asker, queries, self._patience_s)

    def over_tcp(self, queries: Sequence[bytes]) -> list[bytes | None]:
        """Ask through one TCP connection."""
        if not queries:
            return []
        with self._connect(socket.SOCK_STREAM) as asker:
            return ask.over_tcp(asker, queries)


@dataclass
class Report:
    """What came of a run."""

    questions: int = 0
    equal: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    failed: int = 0

    def fail(self, text: str) -> None:
        """Count a difference and keep its text if it is among the first."""
        self.failed += 1
        if len(self.failures) < _ENOUGH:
            self.failures.append(text)

    def summary(self) -> str:
        """Return the figures in one line."""
        explained = ", ".join(f"{name} {count}" for name, count in sorted(self.explained.items()))
        return (
            f"{self.questions} questions: {self.equal} equal, {self.failed} unexplained; explained: {explained or '-'}"
        )

    def text(self) -> str:
        """Return the figures and the first differences."""
        return "\n\n".join([self.summary(), *self.failures])


def run(servers: Sequence[Server], questions: Iterable[Question], loaded: Loaded) -> Report:
    """Ask every question of every server and compare; a server called `ours` is held to more than its peers."""
    report = Report()
    remaining = iter(questions)
    while batch := list(itertools.islice(remaining, _BATCH)):
        _compare(servers, batch, loaded, report)
    return report


def _parsed(message: bytes | None, cache: dict[bytes, Reply]) -> Reply:
    if message is None:
        raise wire.Malformed("no reply")
    key = message[2:]
    reply = cache.get(key)
    if reply is None:
        reply = cache[key] = wire.parse(message)
    return reply


def _replies(
    server: Server, over: str, queries: list[bytes], questions: list[Question], report: Report
) -> list[Reply | None]:
    found: list[Reply | None] = []
    cache: dict[bytes, Reply] = {}
    for question, message in zip(questions, getattr(server, over)(queries), strict=True):
        try:
            found.append(_parsed(message, cache))
        except wire.Malformed as error:
            report.fail(f"{server.name} {over}: {error}\n  {question.text()}\n  {(message or b'').hex()}")
            found.append(None)
    return found


def _compare(servers: Sequence[Server], questions: list[Question], loaded: Loaded, report: Report) -> None:
    queries = [question.wire() for question in questions]
    over_udp = {server.name: _replies(server, "over_udp", queries, questions, report) for server in servers}
    again = [number for number in range(len(questions)) if _ask_again(over_udp, number, questions[number], loaded)]
    over_tcp: dict[str, dict[int, Reply | None]] = {}
    for server in servers:
        full = _replies(
            server, "over_tcp", [queries[number] for number in again], [questions[number] for number in again], report
        )
        over_tcp[server.name] = dict(zip(again, full, strict=True))
    peers = [server for server in servers if server.name != OURS]

    @functools.cache
    def peers_say(question: Question) -> dict[str, Reply]:
        return {peer.name: _parsed(peer.over_tcp([question.wire()])[0], {}) for peer in peers}

    for number, question in enumerate(questions):
        report.questions += 1
        replies = {
            name: over_tcp[name].get(number) or found[number] for name, found in over_udp.items() if found[number]
        }
        if len(replies) < len(servers):
            continue  # counted as failed already
        case = Case(question, loaded, {name: reply for name, reply in replies.items() if reply is not None}, peers_say)
        _judge(case, over_udp, number, report)


def _ask_again(over_udp: dict[str, list[Reply | None]], number: int, question: Question, loaded: Loaded) -> bool:
    """Return whether only replies in full can be compared: one was cut, or glue may have been left out for space."""
    replies = {name: found[number] for name, found in over_udp.items()}
    whole = {name: reply for name, reply in replies.items() if reply is not None}
    if any(reply.truncated for reply in whole.values()):
        return True
    return not Case(question, loaded, whole).all_agree()


def _judge(case: Case, over_udp: dict[str, list[Reply | None]], number: int, report: Report) -> None:
    faults = []
    if OURS in case.replies:
        first = over_udp[OURS][number]
        assert first is not None
        faults = own_faults(case.question, first, case.replies[OURS], case.loaded)
        if case.all_agree() and missing_additional(case):
            faults.append("additional records left out that every peer gives")
    if faults:
        report.fail("\n".join([*faults, case.text()]))
    elif case.all_agree():
        report.equal += 1
    else:
        explanations = explain(case)
        if explanations is None:
            report.fail(case.text())
        else:
            report.explained.update(explanations)
