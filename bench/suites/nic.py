# SPDX-License-Identifier: GPL-3.0-or-later
"""Suite `nic`: program time, the whole way against a reflector and against NSD, the share answered in the NIC path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.datapath.generation import Generation
from appliance.zone.model import Zone
from bench.figures import Figure
from bench.machine.lab import Veth
from bench.peers import ours
from bench.suites import against_nsd, live, program_time, share
from bench.traffic import questions
from bench.traffic.generator import Generator
from bench.zones import usual

PARTS = frozenset({"program", "live", "nsd", "share"})
SETS = 2


def measure(
    root_zone: Path | None, work: Path, note: Callable[[str], None], duration_s: float, parts: frozenset[str]
) -> Iterator[Figure]:
    """Run the parts in the order program, live, nsd, share."""
    path, which = usual.root_zone(root_zone, work)
    note(f"questions are about the {which}")
    root = ours.read_zone(path, ".")
    delegations = ours.delegations(root)
    if "program" in parts:
        yield from _program(root, delegations, work, duration_s)
    if parts & {"live", "share"}:
        with _network(root, delegations, queues=1) as net:
            if "live" in parts:
                for place in live.places(len(os.sched_getaffinity(0))):
                    yield from live.measure(net.generator, net.veth, 0, net.program_fd, place)
            if "share" in parts:
                yield from share.measure(net.generator, net.veth, 1, net.server, net.program_fd, delegations)
    if "nsd" in parts:
        cpus = tuple(sorted(os.sched_getaffinity(0)))[:2]
        with _network(root, delegations, queues=len(cpus)) as net:
            bench = against_nsd.Bench(net.generator, net.veth, 0, cpus)
            yield from against_nsd.measure(bench, net.program_fd, path, work)


def _program(root: Zone, delegations: list[str], work: Path, duration_s: float) -> Iterator[Figure]:
    million = ours.read_zone(usual.million_zone(work), usual.MILLION_ORIGIN)
    small = ours.read_zone(usual.small_zone(work), usual.SMALL_ORIGIN)
    with ExitStack() as stack:
        loaded = [stack.enter_context(ours.loaded([zone])) for zone in (root, million, small)]
        del million, small
        yield from program_time.measure(program_time.cases(loaded[0], loaded[1], loaded[2], delegations), duration_s)


@dataclass(frozen=True)
class _Network:
    generator: Generator
    veth: Veth
    server: Generation
    program_fd: int


@contextmanager
def _network(root: Zone, delegations: list[str], queues: int) -> Iterator[_Network]:
    """A veth pair, the checking program on the client's end, a server ready for the other one; set 0 is the mix."""
    generator = Generator(SETS)
    veth = Veth(queues)
    try:
        veth.attach(generator.fd("check"), veth.client_index)
        generator.fill(0, questions.frames(questions.mixed(delegations), veth.link))
        with ours.loaded([root], veth) as generation:
            fd = generation.program_fd()
            try:
                yield _Network(generator, veth, generation, fd)
            finally:
                os.close(fd)
    finally:
        veth.close()
