# SPDX-License-Identifier: GPL-3.0-or-later
"""Time of the XDP program alone, in units of the frozen sketch's time for exact owners."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.datapath.generation import Generation
from appliance.datapath.syscall import test_run
from appliance.errors import DatapathError
from bench.baseline.store import Baseline
from bench.figures import Figure, at_most, plain
from bench.machine.link import TEST_RUN
from bench.suites import rounds
from bench.traffic import proofs, questions
from bench.traffic.generator import SET_SIZE, Generator
from bench.traffic.replies import Reply, decode
from bench.zones import usual

NOERROR, NXDOMAIN, REFUSED = 0, 3, 5


@dataclass(frozen=True)
class Case:
    """One question set, the generation that answers it, its limit in u if it has one, and what every answer is."""

    name: str
    limit: float | None
    generation: Generation
    names: questions.Names
    kind: str
    rcode: int
    do: bool = False
    proof: int = 0
    """Type of which every reply must hold signed RRsets in its authority section; 0: none."""


def cases(root: Generation, million: Generation, small: Generation, delegations: Sequence[str]) -> list[Case]:
    """List the sets with their limits."""
    return [
        Case("exact_owner", 0.7, root, questions.exact(delegations), "answer_referral", NOERROR),
        Case("below_1", 0.9, root, questions.below(delegations, 1), "answer_referral", NOERROR),
        Case("below_2", 0.9, root, questions.below(delegations, 2), "answer_referral", NOERROR),
        Case("nxdomain", 0.9, root, questions.nonexistent(delegations), "answer_nxdomain", NXDOMAIN),
        Case("refused", 0.5, small, questions.below(delegations, 2), "answer_refused", REFUSED),
        Case(
            "million_names",
            1.8,
            million,
            questions.sampled(usual.MILLION_ORIGIN, usual.MILLION),
            "answer_positive",
            NOERROR,
        ),
    ]


def measure(every: Sequence[Case], duration_s: float) -> Iterator[Figure]:
    """Check each set's answers, then time them all against the unit; yield one figure for each set that has a limit."""
    yield from figures(every, run(every, duration_s))


@dataclass(frozen=True)
class Timed:
    """What the rounds gave: results by the cases' names and `unit`, how many rounds, and times in rounds by name."""

    results: dict[str, rounds.Result]
    kept: int
    times: dict[str, list[int]]


def run(every: Sequence[Case], duration_s: float) -> Timed:
    """Check each set's answers, then time them all in turn with the unit."""
    baseline = Baseline()
    generator = Generator(len(every) + 1)
    generator.fill(0, questions.frames(questions.exact(baseline.names), TEST_RUN))
    unit = rounds.Contender("unit", 0, baseline.program_fd)
    contenders = []
    opened: list[int] = []
    try:
        for number, case in enumerate(every, start=1):
            frames = questions.frames(case.names, TEST_RUN, do=case.do)
            generator.fill(number, frames)
            fd = case.generation.program_fd()
            opened.append(fd)
            check(generator, number, case, fd, frames)
            contenders.append(rounds.Contender(case.name, number, fd))
        results, kept = rounds.measure(generator, unit, contenders, duration_s)
    finally:
        for fd in opened:
            os.close(fd)
    return Timed(results, kept, {contender.name: contender.times for contender in contenders})


def figures(every: Sequence[Case], timed: Timed) -> Iterator[Figure]:
    """Judge the cases that have a limit; tell the unit first."""
    u = timed.results["unit"]
    yield plain("unit_ns", u.quietest_ns, "ns", median_ns=u.median_ns, rounds=timed.kept)
    for case in every:
        if case.limit is None:
            continue
        got = timed.results[case.name]
        beside = {"quietest_ns": got.quietest_ns, "median_ns": got.median_ns, "quartiles_apart": got.spread}
        yield at_most(f"program_{case.name}", got.ratio, "u", case.limit, **beside)


def check(generator: Generator, number: int, case: Case, fd: int, frames: Sequence[bytes]) -> None:
    """Run the whole set once: every question must leave as the expected kind of answer, and samples must be right."""
    before = case.generation.counters()
    generator.choose(number)
    generator.aim(fd)
    generator.time(SET_SIZE)
    after = case.generation.counters()
    moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    if moved != {case.kind: SET_SIZE}:
        raise DatapathError(f"set {case.name}: expected {SET_SIZE} times {case.kind}, the counters say {moved}")
    for frame in frames[:: SET_SIZE // 64]:
        reply = decode(test_run(fd, frame).packet)
        _must_fit(case, frame, reply)
        if case.proof:
            proofs.require(case.name, reply.message, case.proof)


def _must_fit(case: Case, frame: bytes, reply: Reply) -> None:
    asked = decode(frame)
    if not reply.sums_right or reply.message.id != asked.message.id or reply.message.question != asked.message.question:
        raise DatapathError(f"set {case.name}: not a reply to {asked.message.question}: {reply}")
    if reply.message.rcode() != case.rcode:
        raise DatapathError(
            f"set {case.name}: rcode {reply.message.rcode()} instead of {case.rcode} for {asked.message}"
        )
