# SPDX-License-Identifier: GPL-3.0-or-later
"""Our server as it is measured: zones read, compiled and loaded into a generation of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance.compiler.expected import capacity
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.datapath.generation import Generation, InterfaceSpec
from appliance.store.heap import StoreFull
from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from bench.machine.lab import SERVER, SERVER_DEVICE, Veth
from bench.machine.link import TEST_RUN

LOOPBACK_INDEX = 1
_ATTEMPTS = 3


def read_zone(path: Path, origin: str) -> Zone:
    """Read a zone file."""
    return load_zone(path, names.from_text(origin))


def delegations(zone: Zone) -> list[str]:
    """List the zone's delegations without the final dot, sorted."""
    return sorted(names.to_text(owner).rstrip(".") for owner in zone.delegations)


@contextmanager
def loaded(zones: Sequence[Zone], veth: Veth | None = None) -> Iterator[Generation]:
    """Load a generation with these zones, every feature on, and remove it afterwards.

    Without `veth` it answers on the loopback device, from which BPF_PROG_TEST_RUN's frames seem to come, with the
    addresses of `link.TEST_RUN`.
    Inbound checksums are verified in both cases: the generator's are whole.
    """
    spec = InterfaceSpec(SERVER_DEVICE if veth else "lo", "native", (SERVER,), verify_checksum="on")
    generation = _filled(spec, zones)
    try:
        if not veth:
            generation.set_port(LOOPBACK_INDEX, TEST_RUN.server_mac, verify=True)
        generation.serving(True)
        yield generation
    finally:
        _remove(generation)


def _remove(generation: Generation) -> None:
    generation.detach()
    generation.close()


def _filled(spec: InterfaceSpec, zones: Sequence[Zone]) -> Generation:
    """Load a generation and compile the zones into it; like the server, take a larger one when it is full."""
    for times in range(_ATTEMPTS):
        generation = Generation.load([spec], **capacity(zones).grown(times)._asdict())
        try:
            compile_zones(World(generation.store), zones)
        except BaseException as error:
            _remove(generation)
            if not isinstance(error, StoreFull) or times == _ATTEMPTS - 1:
                raise
        else:
            return generation
    raise AssertionError("unreachable: the last attempt returns or raises")
