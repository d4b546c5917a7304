# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rate and processor time against NSD's: same veth pair, same generator, same two cores, same minutes.

Each server is tried with several loads and keeps its best: the highest answered rate, and the least processor time
for an answer. A load is a burst for each system call of a sender (entering one costs about 20 ms of waiting, which
paces it) or no pause at all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import live, senders
from bench.figures import Figure, at_least, plain
from bench.generator import SUM_FULL_OR_PARTIAL, Generator
from bench.lab import Veth
from bench.nsd import Nsd
from bench.senders import ENDLESS, Load

ROUNDS = 3
DURATION_S = 1.5
SETTLE_S = 0.2
RATE_FACTOR, CPU_FACTOR = 8.0, 10.0
# NSD's veth end hands on checksums that a real device would fill in.
ANSWERS = replace(live.ANSWERS, sum_check=SUM_FULL_OR_PARTIAL)


@dataclass(frozen=True)
class Offer:
    """One way to load a server."""

    burst: int
    polite: bool
    cpus: tuple[int, ...]


@dataclass(frozen=True)
class Best:
    """The best a server did in one round, over all offers."""

    rate: float
    cpu_us: float
    rate_offer: str
    cpu_offer: str


def offers(cpus: tuple[int, ...]) -> list[Offer]:
    """From a load that loses nothing to one without a pause."""
    paced = [Offer(burst, False, cpus) for burst in (1024, 2048, 3072, 4096, 6144)]
    return [*paced, Offer(ENDLESS, True, cpus), Offer(ENDLESS, True, cpus[:1])]


def measure(
    generator: Generator,
    veth: Veth,
    question_set: int,
    server_fd: int,
    zone_file: Path,
    work: Path,
    cpus: tuple[int, ...],
) -> Iterator[Figure]:
    """Run rounds of NSD with one and with two servers, then ours; yield the factors (medians over the rounds)."""
    generator.aim(generator.fd("nothing"))
    peers: list[Best] = []
    own: list[Best] = []
    for _ in range(ROUNDS):
        tries = [_nsd(generator, veth, question_set, zone_file, work, cpus, servers) for servers in (1, 2)]
        peers.append(_best([result for results in tries for result in results]))
        with live.served_by(veth, server_fd):
            own.append(_best(_try(generator, veth, question_set, [Offer(ENDLESS, False, cpus)], "xdp")))
    rate = statistics.median(ours.rate / theirs.rate for ours, theirs in zip(own, peers, strict=True))
    cpu = statistics.median(theirs.cpu_us / ours.cpu_us for ours, theirs in zip(own, peers, strict=True))
    ours, theirs = _middle(own), _middle(peers)
    yield at_least(
        "nsd_rate_factor", rate, "times", RATE_FACTOR, ours=ours.rate, nsd=theirs.rate, nsd_at=theirs.rate_offer
    )
    yield at_least(
        "nsd_cpu_factor", cpu, "times", CPU_FACTOR, ours_us=ours.cpu_us, nsd_us=theirs.cpu_us, nsd_at=theirs.cpu_offer
    )
    yield plain("nsd_spread", max(b.rate for b in peers) / min(b.rate for b in peers), "max/min")


def _nsd(
    generator: Generator, veth: Veth, question_set: int, zone: Path, work: Path, cpus: tuple[int, ...], servers: int
) -> list[tuple[str, Load]]:
    def answered() -> bool:
        generator.choose(question_set, ANSWERS)
        generator.send(veth.client_index, 64)
        time.sleep(SETTLE_S)
        return generator.counts().replies > 0

    with live.served_by(veth, generator.fd("pass")), Nsd(work, ".", zone, servers) as nsd:
        nsd.wait(answered)
        return _try(generator, veth, question_set, offers(cpus), f"servers={servers}")


def _try(
    generator: Generator, veth: Veth, question_set: int, loads: Sequence[Offer], who: str
) -> list[tuple[str, Load]]:
    def once(offer: Offer) -> Callable[[], Load]:
        def run() -> Load:
            generator.choose(question_set, ANSWERS)
            return senders.run(
                generator, veth.client_index, offer.cpus, DURATION_S, burst=offer.burst, polite=offer.polite
            )

        return run

    named = [
        (f"{who},burst={'none' if offer.burst == ENDLESS else offer.burst},senders={len(offer.cpus)}", offer)
        for offer in loads
    ]
    return [(name, senders.quiet(once(offer))) for name, offer in named]


def _best(results: Sequence[tuple[str, Load]]) -> Best:
    fastest = max(results, key=lambda named: named[1].rate)
    cheapest = min(results, key=lambda named: named[1].cpu_us)
    return Best(fastest[1].rate, cheapest[1].cpu_us, fastest[0], cheapest[0])


def _middle(results: Sequence[Best]) -> Best:
    return sorted(results, key=lambda best: best.rate)[len(results) // 2]
