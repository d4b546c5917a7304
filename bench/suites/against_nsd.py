# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rate and processor time against NSD's: same veth pair, same generator, same two cores, same minutes.

NSD is tried in several shapes under several loads and keeps its best: the highest answered rate, and the least
processor time for an answer among the loads that give at least half that rate.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.figures import Figure, at_least, plain
from bench.machine.lab import Veth
from bench.peers.nsd import Nsd
from bench.peers.peer import Peer, Shape
from bench.suites import live
from bench.traffic import senders
from bench.traffic.generator import SUM_FULL_OR_PARTIAL, Expect, Generator
from bench.traffic.senders import ENDLESS, Load

ROUNDS = 3
DURATION_S = 1.5
SETTLE_S = 0.2
RATE_FACTOR, CPU_FACTOR = 8.0, 10.0
# NSD's veth end hands on checksums that a real device would fill in.
ANSWERS = replace(live.ANSWERS, sum_check=SUM_FULL_OR_PARTIAL)


@dataclass(frozen=True)
class Offer:
    """One way to load a server: polite senders leave the processors to it whenever it has work (see `senders.run`)."""

    name: str
    cpus: tuple[int, ...]
    burst: int = ENDLESS
    polite: bool = True


@dataclass(frozen=True)
class Best:
    """The best a server did in one round, over all shapes and loads."""

    rate: float
    cpu_us: float
    rate_at: str
    cpu_at: str
    noisy: int


@dataclass(frozen=True)
class Bench:
    """Where the load comes from: a generator aimed at `nothing`, a question set, a veth pair with `check` attached."""

    generator: Generator
    veth: Veth
    question_set: int
    cpus: tuple[int, ...]
    expect: Expect = ANSWERS

    def peer_offers(self) -> list[Offer]:
        """List the loads for a server in processes: all it can take, from both sides or from one, and in bursts."""
        return [Offer("endless", self.cpus), Offer("one-sender", self.cpus[:1]), Offer("bursts", self.cpus, burst=1024)]

    def own_offers(self) -> list[Offer]:
        """List the loads for ours, which runs inside the senders' own system calls."""
        return [Offer("endless", self.cpus), Offer("eager", self.cpus, polite=False)]

    def loads(self, offers: Sequence[Offer], who: str) -> list[tuple[str, Load]]:
        """Measure the attached server under each load."""
        return [(f"{who}/{offer.name}", senders.quiet(partial(self._load, offer))) for offer in offers]

    def _load(self, offer: Offer) -> Load:
        self.generator.choose(self.question_set, self.expect)
        return senders.run(
            self.generator, self.veth.client_index, offer.cpus, DURATION_S, burst=offer.burst, polite=offer.polite
        )

    def answered(self) -> bool:
        """Send a few questions and say whether any reply came."""
        self.generator.choose(self.question_set, self.expect)
        self.generator.send(self.veth.client_index, 64)
        time.sleep(SETTLE_S)
        return self.generator.counts().replies > 0

    def peer(self, name: str, server: Peer) -> list[tuple[str, Load]]:
        """Measure another server, not started yet, under every load."""
        with live.served_by(self.veth, self.generator.fd("pass")), server:
            server.wait(self.answered)
            return self.loads(self.peer_offers(), name)

    def own(self, server_fd: int) -> list[tuple[str, Load]]:
        """Measure our program under its loads."""
        with live.served_by(self.veth, server_fd):
            return self.loads(self.own_offers(), "xdp")

    def shapes(self) -> list[Shape]:
        """List how other servers are tried: one server, one for each core, and these pinned."""
        return [Shape("single"), Shape("double", len(self.cpus)), Shape("pinned", len(self.cpus), self.cpus)]


def measure(bench: Bench, server_fd: int, zone_file: Path, work: Path) -> Iterator[Figure]:
    """Run rounds of NSD in each shape, then ours; yield the factors (medians over the rounds)."""
    bench.generator.aim(bench.generator.fd("nothing"))
    peers: list[Best] = []
    own: list[Best] = []
    for _ in range(ROUNDS):
        tried = [bench.peer(shape.name, Nsd(work, ".", zone_file, shape)) for shape in bench.shapes()]
        peers.append(best([load for loads in tried for load in loads]))
        own.append(best(bench.own(server_fd)))
    pairs = list(zip(own, peers, strict=True))
    rate = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
    cpu = statistics.median(theirs.cpu_us / ours.cpu_us for ours, theirs in pairs)
    ours, theirs = middle(own), middle(peers)
    rates: dict[str, float | str] = {"ours": ours.rate, "nsd": theirs.rate, "nsd_at": theirs.rate_at}
    times: dict[str, float | str] = {"ours_us": ours.cpu_us, "nsd_us": theirs.cpu_us, "nsd_at": theirs.cpu_at}
    yield at_least("nsd_rate_factor", rate, "times", RATE_FACTOR, **rates)
    yield at_least("nsd_cpu_factor", cpu, "times", CPU_FACTOR, **times)
    spread = max(best.rate for best in peers) / min(best.rate for best in peers)
    yield plain("nsd_rate_spread", spread, "max/min", noisy_runs=sum(best.noisy for best in own + peers))


def best(results: Sequence[tuple[str, Load]]) -> Best:
    """Pick the highest rate, and the least processor time among the loads that gave at least half of it."""
    rate_at, fastest = max(results, key=lambda named: named[1].rate)
    full = [named for named in results if named[1].rate >= fastest.rate / 2]
    cpu_at, cheapest = min(full, key=lambda named: named[1].cpu_us)
    return Best(fastest.rate, cheapest.cpu_us, rate_at, cpu_at, sum(load.usage.noisy for _, load in results))


def middle(results: Sequence[Best]) -> Best:
    """Pick the round in the middle by rate."""
    return sorted(results, key=lambda best: best.rate)[len(results) // 2]
