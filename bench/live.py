# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way over a veth pair against a bare reflector: questions sent, answered, checked, all inside the kernel."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import questions, senders
from bench.figures import Figure, at_least, at_most, plain
from bench.generator import Expect, Generator
from bench.lab import SERVER_DEVICE, Veth
from bench.senders import Load

RUNS = 7
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


def measure(generator: Generator, veth: Veth, question_set: int, server_fd: int, place: Place) -> Iterator[Figure]:
    """Run reflector and server in turn; yield the share of the reflector's rate, wrong replies, and lost ones."""
    ratios, rates, losses, mirrored, wrong, noisy = [], [], [], [], 0, 0
    generator.aim(generator.fd("nothing"))
    for _ in range(RUNS):
        mirror = _run(generator, veth, question_set, generator.fd("reflect"), REFLECTED, place)
        served = _run(generator, veth, question_set, server_fd, ANSWERS, place)
        ratios.append(served.rate / mirror.rate)
        rates.append(served.rate)
        losses.append(served.loss)
        mirrored.append(mirror.loss)
        wrong += served.counts.wrong
        noisy += served.usage.noisy or mirror.usage.noisy
    rate, loss, beside_loss = (statistics.median(seen) for seen in (rates, losses, mirrored))
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    share = statistics.median(ratios)
    beside: dict[str, float | str] = {"rate": rate, "spread": spread, "noisy_runs": noisy}
    yield at_least(f"live_{place.name}_share", share, "of_reflector", place.share, **beside)
    yield at_most(f"live_{place.name}_wrong", wrong, "replies", 0)
    name = f"live_{place.name}_loss"
    if place.lossless:
        yield at_most(name, loss, "of_questions", 0, reflector=beside_loss)
    else:
        yield plain(name, loss, "of_questions", reflector=beside_loss)


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
