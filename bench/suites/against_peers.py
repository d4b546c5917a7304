# SPDX-License-Identifier: GPL-3.0-or-later
"""NXDOMAIN with NSEC3 proofs from an opt-out zone: our rate against the better of NSD and Knot DNS, in turn."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from pathlib import Path

from appliance.datapath.generation import Generation
from appliance.zone.model import Zone
from bench.figures import Figure, at_least, at_most, plain
from bench.machine.lab import Veth
from bench.machine.link import TEST_RUN
from bench.peers import ours
from bench.peers.knot import Knot
from bench.peers.nsd import Nsd
from bench.suites import program_time
from bench.suites.against_nsd import ANSWERS, Bench, Best, best, middle
from bench.suites.program_time import NXDOMAIN, Case
from bench.suites.rounds import DURATION_S as USUAL_S
from bench.traffic import proofs, questions
from bench.traffic.generator import Expect, Generator
from bench.zones import usual

ROUNDS = 3
RATE_FACTOR = 8.0
_ONLY_NXDOMAIN = Expect(ANSWERS.id_first, ANSWERS.id_span, rcodes=1 << NXDOMAIN, sum_check=ANSWERS.sum_check)
_PEERS: tuple[tuple[str, type[Nsd] | type[Knot]], ...] = (("nsd", Nsd), ("knot", Knot))


def check(generation: Generation) -> None:
    """Run the whole set once on a generation of the zone that answers on the loopback device."""
    names = questions.missing(usual.OPT_OUT_ORIGIN)
    case = Case("opt_out_nxdomain", None, generation, names, "answer_nxdomain", NXDOMAIN, True, proofs.NSEC3)
    frames = questions.frames(case.names, TEST_RUN, do=True)
    generator = Generator(1)
    generator.fill(0, frames)
    fd = generation.program_fd()
    try:
        program_time.check(generator, 0, case, fd, frames)
    finally:
        os.close(fd)


def measure(zone: Zone, zone_file: Path, work: Path, duration_s: float) -> Iterator[Figure]:
    """Run three rounds (one if `duration_s` is less than usual) of NSD, Knot and ours; yield the median factor."""
    cpus = tuple(sorted(os.sched_getaffinity(0)))[:2]
    veth = Veth(len(cpus))
    try:
        generator = Generator(1)
        veth.attach(generator.fd("check"), veth.client_index)
        generator.fill(0, questions.frames(questions.missing(usual.OPT_OUT_ORIGIN), veth.link, do=True))
        generator.aim(generator.fd("nothing"))
        bench = Bench(generator, veth, 0, cpus, _ONLY_NXDOMAIN)
        with ours.loaded([zone], veth) as generation:
            fd = generation.program_fd()
            try:
                rounds = [_round(bench, fd, zone_file, work) for _ in range(ROUNDS if duration_s >= USUAL_S else 1)]
            finally:
                os.close(fd)
    finally:
        veth.close()
    yield from _figures(rounds)


def _round(bench: Bench, server_fd: int, zone_file: Path, work: Path) -> tuple[dict[str, Best], int]:
    """Measure everybody once; return the best of each by name, and how many of our replies were wrong."""
    found: dict[str, Best] = {}
    for name, kind in _PEERS:
        tried = [
            bench.peer(f"{name}-{shape.name}", kind(work, usual.OPT_OUT_ORIGIN, zone_file, shape))
            for shape in bench.shapes()
        ]
        found[name] = best([load for loads in tried for load in loads])
    loads = bench.own(server_fd)
    found["ours"] = best(loads)
    return found, sum(load.counts.wrong for _, load in loads)


def _figures(rounds: list[tuple[dict[str, Best], int]]) -> Iterator[Figure]:
    factors = [found["ours"].rate / max(found[name].rate for name, _ in _PEERS) for found, _ in rounds]
    usual = {name: middle([found[name] for found, _ in rounds]) for name in ("ours", *dict(_PEERS))}
    beside: dict[str, float | str] = {name: at.rate for name, at in usual.items()}
    beside |= {f"{name}_at": at.rate_at for name, at in usual.items()}
    noisy = sum(at.noisy for found, _ in rounds for at in found.values())
    spread = f"{min(factors):.2f}-{max(factors):.2f}"
    yield at_least(
        "peers_nsec3_factor",
        statistics.median(factors),
        "times",
        RATE_FACTOR,
        **beside,
        spread=spread,
        noisy_runs=noisy,
    )
    yield at_most("peers_nsec3_wrong", sum(wrong for _, wrong in rounds), "replies", 0)
    for name, _ in _PEERS:
        cpu = statistics.median(found[name].cpu_us / found["ours"].cpu_us for found, _ in rounds)
        yield plain(f"peers_nsec3_{name}_cpu_factor", cpu, "times", ours_us=usual["ours"].cpu_us)
