# SPDX-License-Identifier: GPL-3.0-or-later
"""The share of a world-like question mix that never leaves the NIC path, from the verdict counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.datapath.generation import Generation
from bench import live, questions
from bench.figures import Figure, at_least
from bench.generator import Expect, Generator
from bench.lab import Veth

QUESTIONS = 100_000
SHARE = 0.999
EVERYTHING = Expect(rcodes=0xFFFF)


def measure(
    generator: Generator, veth: Veth, question_set: int, server: Generation, server_fd: int, delegations: Sequence[str]
) -> Iterator[Figure]:
    """Send 100,000 questions over the veth pair once each; yield answered ÷ sent as the program counted them."""
    frames = questions.odd_mix(delegations, veth.link, QUESTIONS)
    before = server.counters()
    with live.served_by(veth, server_fd):
        for half in (frames[: QUESTIONS // 2], frames[QUESTIONS // 2 :]):
            generator.fill(question_set, half)
            generator.choose(question_set, EVERYTHING)
            generator.rewind()
            generator.aim(generator.fd("nothing"))
            generator.send(veth.client_index, len(half))
    moved = {name: count - before[name] for name, count in server.counters().items() if count != before[name]}
    answered = sum(count for name, count in moved.items() if name.startswith("answer_"))
    others = {name: float(count) for name, count in moved.items() if not name.startswith("answer_")}
    yield at_least("nic_path_share", answered / QUESTIONS, "of_questions", SHARE, answered=answered, **others)
