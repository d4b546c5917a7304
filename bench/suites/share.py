# SPDX-License-Identifier: GPL-3.0-or-later
"""The share of a world-like question mix that never leaves the NIC path, from the verdict counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from appliance.datapath.generation import Generation
from bench.figures import Figure, at_least, plain
from bench.machine.lab import Veth
from bench.suites import live
from bench.traffic import questions
from bench.traffic.generator import Expect, Generator

QUESTIONS = 100_000
SHARE = 0.999
EVERYTHING = Expect(rcodes=0xFFFF)


def measure(
    generator: Generator, veth: Veth, question_set: int, server: Generation, server_fd: int, delegations: Sequence[str]
) -> Iterator[Figure]:
    """Send 100,000 questions over the veth pair once each; yield answered ÷ sent as the program counted them."""
    frames = questions.odd_mix(delegations, veth.link, QUESTIONS)
    yield judge("nic_path_share", count(generator, veth, question_set, server, server_fd, frames), len(frames))


def count(
    generator: Generator, veth: Veth, question_set: int, server: Generation, server_fd: int, frames: Sequence[bytes]
) -> Counter[str]:
    """Send frames, two sets full at most, over the veth pair once each; return how often each verdict was counted."""
    middle = len(frames) // 2
    before = server.counters()
    with live.served_by(veth, server_fd):
        for half in (frames[:middle], frames[middle:]):
            generator.fill(question_set, half)
            generator.choose(question_set, EVERYTHING)
            generator.rewind()
            generator.aim(generator.fd("nothing"))
            generator.send(veth.client_index, len(half))
    return Counter({name: now - before[name] for name, now in server.counters().items() if now != before[name]})


def judge(name: str, moved: Counter[str], asked: int, limit: float | None = SHARE) -> Figure:
    """Return the share of the questions that was answered, the other verdicts beside it."""
    answered = sum(times for verdict, times in moved.items() if verdict.startswith("answer_"))
    beside = {verdict: float(times) for verdict, times in moved.items() if not verdict.startswith("answer_")}
    if limit is None:
        return plain(name, answered / asked, "of_questions", asked=asked, **beside)
    return at_least(name, answered / asked, "of_questions", limit, answered=answered, **beside)
