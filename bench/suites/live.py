# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way over a veth pair against a bare reflector: questions sent, answered, checked, all inside the kernel."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.errors import DatapathError
from bench.figures import Figure, at_least, at_most, plain
from bench.machine.lab import SERVER_DEVICE, Veth
from bench.traffic import questions, senders
from bench.traffic.generator import Expect, Generator
from bench.traffic.senders import Load

RUNS = 7
RUNS_MAX = 21
STEADY = 0.85
"""Least share of its own best rate that the reflector must reach before and after a run of the server."""
DURATION_S = 1.0
GENERATOR_CPU = 0
SAME_CORE_SHARE, OTHER_CORE_SHARE = 0.65, 0.50
ANSWERS = Expect(questions.ID_FIRST, questions.ID_SPAN, rcodes=1 << 0 | 1 << 3)
REFLECTED = Expect(questions.ID_FIRST, questions.ID_SPAN, rcodes=1 << 0, response=False)


@dataclass(frozen=True)
class Place:
    """Where server and generator run; `server_cpu` None: on the generator's core, as veth does by itself."""

    name: str
    server_cpu: int | None
    share: float
    lossless: bool
    """Whether the generator waits for the server, as it does on its core; on another one it sends all it can."""


def places(cpus: int) -> list[Place]:
    """Both on one core; and on two, where there are two."""
    same = Place("same_core", None, SAME_CORE_SHARE, True)
    return [same, Place("other_core", 1, OTHER_CORE_SHARE, False)] if cpus > 1 else [same]


@dataclass(frozen=True)
class Pair:
    """One run of the server, and the reflector's runs before and after it."""

    before: Load
    served: Load
    after: Load

    @property
    def share(self) -> float:
        """Server's rate ÷ reflector's."""
        return 2 * self.served.rate / (self.before.rate + self.after.rate)


def measure(generator: Generator, veth: Veth, question_set: int, server_fd: int, place: Place) -> Iterator[Figure]:
    """Run reflector and server in turn; yield the share of the reflector's rate, wrong replies, and lost ones."""
    generator.aim(generator.fd("nothing"))
    pairs: list[Pair] = []
    before = _run(generator, veth, question_set, generator.fd("reflect"), REFLECTED, place)
    while len(_undisturbed(pairs)) < RUNS and len(pairs) < RUNS_MAX:
        served = _run(generator, veth, question_set, server_fd, ANSWERS, place)
        after = _run(generator, veth, question_set, generator.fd("reflect"), REFLECTED, place)
        pairs.append(Pair(before, served, after))
        before = after
    yield from _figures(place, pairs)


def _undisturbed(pairs: list[Pair]) -> list[Pair]:
    """Leave out what ran while the machine was slower: the reflector tells, before and after."""
    best = max((max(pair.before.rate, pair.after.rate) for pair in pairs), default=0.0)
    return [pair for pair in pairs if min(pair.before.rate, pair.after.rate) >= STEADY * best]


def _figures(place: Place, pairs: list[Pair]) -> Iterator[Figure]:
    kept = _undisturbed(pairs)
    if not kept:
        raise DatapathError(
            f"live_{place.name}: beside none of {len(pairs)} runs did the reflector keep {STEADY:.0%} of its best "
            "rate; measure when nothing else runs on this machine"
        )
    ratios = [pair.share for pair in kept]
    rate = statistics.median(pair.served.rate for pair in kept)
    loss = statistics.median(pair.served.loss for pair in kept)
    mirrored = statistics.median(pair.before.loss for pair in kept)
    noisy = sum(pair.served.usage.noisy or pair.before.usage.noisy or pair.after.usage.noisy for pair in kept)
    beside: dict[str, float | str] = {"rate": rate, "spread": f"{min(ratios):.2f}-{max(ratios):.2f}"}
    beside |= {"runs": len(kept), "disturbed": len(pairs) - len(kept), "noisy_runs": noisy}
    yield at_least(f"live_{place.name}_share", statistics.median(ratios), "of_reflector", place.share, **beside)
    wrong = sum(pair.served.counts.wrong for pair in pairs)
    yield at_most(f"live_{place.name}_wrong", wrong, "replies", 0)
    name = f"live_{place.name}_loss"
    if place.lossless:
        yield at_most(name, loss, "of_questions", 0, reflector=mirrored)
    else:
        yield plain(name, loss, "of_questions", reflector=mirrored)


def _run(generator: Generator, veth: Veth, question_set: int, program_fd: int, expect: Expect, place: Place) -> Load:
    def once() -> Load:
        generator.choose(question_set, expect)
        return senders.run(generator, veth.client_index, (GENERATOR_CPU,), DURATION_S)

    with served_by(veth, program_fd, place.server_cpu):
        return senders.quiet(once)


@contextmanager
def served_by(veth: Veth, program_fd: int, cpu: int | None = None) -> Iterator[None]:
    """Attach a program to the server's device, on a core of its own if one is named (threaded NAPI)."""
    held = veth.attach(program_fd, veth.server_index)
    try:
        if cpu is not None:
            veth.thread(SERVER_DEVICE, cpu)
        yield
    finally:
        veth.unthread()
        veth.release(held)
