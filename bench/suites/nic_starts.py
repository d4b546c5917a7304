# SPDX-License-Identifier: GPL-3.0-or-later
"""From a start to the first answer of the NIC path, and how long a larger generation takes to follow."""

from __future__ import annotations

import os
import select
import shutil
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from appliance.compiler.expected import capacity, larger_than
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.datapath import cache, links
from appliance.datapath.interfaces import Interfaces
from appliance.datapath.specs import InterfaceSpec
from appliance.errors import DatapathError
from appliance.publish.budget import shared_store
from appliance.store.move import move, room_for
from appliance.zone import names
from appliance.zone.load import load_zone
from bench.figures import Figure, at_most, plain
from bench.machine.lab import CACHE, CLIENT_DEVICE, SERVER, SERVER_DEVICE, Veth
from bench.peers.starts import ours, started
from bench.traffic import packets
from bench.zones import large
from demo import xdp_pass

PARTS: Final = frozenset(("small", "53k"))
RUNS: Final = 5
START_S, SWAP_S = 1.0, 0.5
_IP: Final = 0x0800
_LOOK_S: Final = 0.005
_SMALL: Final = "example."
_PROGRAMS: Final = Path("/run")


def measure(work: Path, note: Callable[[str], None], parts: frozenset[str]) -> Iterator[Figure]:
    """Yield the medians of these parts; nothing else should run meanwhile."""
    programs = _PROGRAMS / f"bench-programs-{os.getpid()}"
    os.environ[cache.VARIABLE] = str(programs)
    veth = Veth()
    try:
        with xdp_pass.loaded() as passing:
            veth.attach(passing, veth.client_index)
            if "small" in parts:
                yield from _part("small", work, note, veth, *_small(work))
            if "53k" in parts:
                path, last = large.large(CACHE, 53_000)
                yield from _part("53k", work, note, veth, large.ORIGIN, path, last)
    finally:
        veth.close()
        shutil.rmtree(programs, ignore_errors=True)


def _small(work: Path) -> tuple[str, Path, str]:
    path = work / "small.zone"
    path.write_text("$TTL 60\n@ SOA ns a 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww.long-enough A 192.0.2.2\n")
    return _SMALL, path, f"www.long-enough.{_SMALL}"


def _part(
    part: str, work: Path, note: Callable[[str], None], veth: Veth, origin: str, path: Path, name: str
) -> Iterator[Figure]:
    folder = work / "starts"
    shutil.rmtree(cache.folder(), ignore_errors=True)
    for how in ("compiling", "cold"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield plain(f"starts_{part}_{how}", _start(folder, veth, origin, path, name), "s")
    found = [_start(folder, veth, origin, path, name) for _ in range(RUNS)]
    yield at_most(f"starts_{part}", statistics.median(found), "s", START_S, slowest=max(found))
    note(f"{part}: medians of {RUNS} starts with a saved store, and of {RUNS} generations, each larger than the last")
    yield _swaps(part, origin, path)


def _start(folder: Path, veth: Veth, origin: str, path: Path, name: str) -> float:
    """Start a server and ask through the device; return the seconds until an answer came from the program there."""
    config = folder / "appliance.toml"
    config.write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n[listen]\naddresses = ["{SERVER}"]\n'
        f'[store]\nimage_delay_s = 0.0\n[[interface]]\nname = "{SERVER_DEVICE}"\nmode = "native"\n'
        f'[[zone]]\nname = "{origin}"\nfile = "{path}"\n'
    )
    with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_IP))) as line:
        line.bind((CLIENT_DEVICE, _IP))
        with started(ours(config), folder / "output", lambda: _answers(line, veth, name)) as start:
            _wait_saved(folder)  # the next one finds the store
            return start.seconds


def _wait_saved(folder: Path) -> None:
    while not any((folder / "state").rglob("*.image")):
        time.sleep(_LOOK_S)


def _answers(line: socket.socket, veth: Veth, name: str) -> bool:
    """Return whether the program is on the device and answers; it serves from the moment on that it is there."""
    if not links.read(SERVER_DEVICE).program:
        return False
    line.send(packets.query(packets.wire(name), 1, 7, veth.link))
    if not select.select([line], [], [], _LOOK_S)[0]:
        return False
    udp = line.recv(4096)[34:]
    return len(udp) > 20 and udp[:2] == b"\0\x35" and not udp[11] & 15


def _swaps(part: str, origin: str, path: Path) -> Figure:
    """Let generations follow each other, each larger than the last, as a growing store does."""
    zone = load_zone(path, names.from_text(origin))
    sizes = capacity([zone])
    kept = Interfaces([InterfaceSpec(SERVER_DEVICE, "native")])
    compiled = shared_store(sizes, 0)
    compile_zones(World(compiled), [zone])
    present = kept.load(**room_for(compiled)._asdict())
    move(compiled, present.store)
    present.serving(True)
    kept.serve(present)
    found: list[float] = []
    for _ in range(RUNS):
        larger = larger_than(present.store)
        begin = time.perf_counter()
        following = kept.load(**larger._asdict())
        move(present.store, following.store)
        following.serving(True)
        kept.serve(following)
        found.append(time.perf_counter() - begin)
        present.store.close()
        present.close()
        present = following
    if links.read(SERVER_DEVICE).program != present.program_id():
        raise DatapathError("the last generation is not on the device")
    kept.end(leave=False)
    present.store.close()
    present.close()
    return at_most(f"starts_{part}_swap", statistics.median(found), "s", SWAP_S, slowest=max(found))
