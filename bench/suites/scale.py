# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones as large as a country's and a hundred thousand small ones: start, memory, changes; peers beside us."""

from __future__ import annotations

import functools
import gc
import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from appliance.compiler.plan import remove_zone, replace_zone
from appliance.publish.loading import Loading
from appliance.publish.progress import Progress
from appliance.served.source import Rules
from appliance.served.zone_set import from_file
from appliance.zone import names
from bench.figures import Figure, at_most, plain
from bench.machine.lab import CACHE, SERVER_DEVICE, Veth
from bench.peers.commands import ADDRESS, PORT, SIGNED, UNSIGNED, Served
from bench.peers.starts import answered, ours, started
from bench.suites import scale_changes, scale_program, scale_reload
from bench.zones import large

SIZES: Final = {"53k": 53_000, "530k": 530_000, "5300k": 5_300_000}
MANY: Final = 100_000
PARTS: Final = frozenset((*SIZES, "many", "changes", "reload"))
USUAL: Final = frozenset(("53k", "many", "changes", "reload"))
CHANGED: Final = 1000
_ASKED: Final = 300
_SETTLE_S: Final = 5.0
_MEMORY_MIB: Final = {"53k": 180, "530k": 180, "5300k": 1600, "many": 250}
_PEAK_MIB: Final = {"5300k": 2400}
_WARM_S: Final = {"53k": 0.5, "530k": 0.5, "5300k": 2.0}


def measure(work: Path, note: Callable[[str], None], duration_s: float, parts: frozenset[str]) -> Iterator[Figure]:
    """Yield the figures of these parts, one after the other; nothing else should run meanwhile."""
    for part, count in SIZES.items():
        if part in parts:
            path, last = large.large(CACHE, count)
            note(f"{part}: {count} delegations, {path.stat().st_size / 1e6:.0f} MB of text")
            served = Served({large.ORIGIN.rstrip("."): path})
            table = f'[[zone]]\nname = "{large.ORIGIN}"\nfile = "{path}"\n'
            yield from _starts(part, work, note, served, table, functools.partial(answered, last))
            if part == "5300k":
                yield from scale_program.measure(part, path, duration_s)
    if "many" in parts:
        folder, zones = large.many(CACHE, MANY)
        served = Served({zone: folder / f"{zone}.zone" for zone in zones})
        table = f'[[pattern]]\nfile = "{folder}/{{zone}}.zone"\n'
        chosen = random.Random(1).sample(zones, _ASKED)
        yield from _starts("many", work, note, served, table, lambda: all(answered(f"www.{zone}.") for zone in chosen))
        yield from _one_zone(folder, zones)
    if "reload" in parts:
        yield from scale_reload.measure(work, note)
    if "changes" in parts:
        chosen_parts = ["530k", *(["5300k"] if "5300k" in parts else [])]
        yield from scale_changes.measure({part: large.large(CACHE, SIZES[part])[0] for part in chosen_parts}, note)


def _starts(
    part: str, work: Path, note: Callable[[str], None], served: Served, table: str, ready: Callable[[], bool]
) -> Iterator[Figure]:
    found: dict[str, float] = {}
    for name, configure in (UNSIGNED if part == "many" else SIGNED).items():
        folder = _empty(work / name)
        if not shutil.which(command := configure(folder, served)[0]):
            note(f"{name} is not installed ({command}); it is left out")
            continue
        with started(configure(folder, served), folder / "output", ready) as start:
            found[name] = start.seconds
            memory, peak = start.memory()
        shutil.rmtree(folder)
        yield plain(f"scale_{part}_{name}_cold", start.seconds, "s", memory_mib=memory, peak_mib=peak)
    best = min(found.values(), default=0.0)
    folder = _empty(work / "ours")
    state = _empty(
        CACHE / "state"
    )  # on a disk, as an operator's is: the work folder is memory, and what is saved would count
    config = folder / "appliance.toml"
    config.write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "{state}"\n[listen]\naddresses = ["{ADDRESS}"]\nport = {PORT}\n'
        f'[store]\nimage_delay_s = 0.0\n[[interface]]\nname = "{SERVER_DEVICE}"\nport = {PORT}\n{table}'
    )
    veth = Veth()
    try:
        for name in ("cold", "warm"):
            with started(ours(config), folder / "output", ready) as start:
                limit = best if name == "cold" else _WARM_S.get(part, best)
                _wait_settled(folder / "output")
                memory, peak = start.memory()
                yield at_most(f"scale_{part}_{name}", start.seconds, "s", limit)
                yield at_most(f"scale_{part}_{name}_memory", memory, "MiB", _MEMORY_MIB[part], peak_mib=peak)
                if name == "cold" and part in _PEAK_MIB:
                    yield at_most(f"scale_{part}_cold_peak", peak, "MiB", _PEAK_MIB[part])
    finally:
        veth.close()
        shutil.rmtree(folder)
        shutil.rmtree(state)


def _wait_settled(output: Path) -> None:
    """Wait until the server is ready, the workers of its first store have ended and the store is saved."""
    while " serves " not in output.read_text():
        time.sleep(0.1)
    time.sleep(_SETTLE_S)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _one_zone(folder: Path, zones: list[str]) -> Iterator[Figure]:
    """Add and remove single zones beside a hundred thousand, and add a thousand."""
    table = {}
    for zone in zones:
        origin = names.from_text(zone + ".")
        table[origin] = from_file(Rules(), origin, str(folder / f"{zone}.zone"))
    world = Loading(table, 0, 0, _refuse, Progress()).run()
    store = world.store
    gc.collect()
    gc.freeze()  # as the server does when all is loaded
    chosen = random.Random(2).sample(list(table), CHANGED)
    adding, removing = [], []
    for origin in chosen:
        model = table[origin].read()
        begin = time.perf_counter()
        retired = remove_zone(world, origin)
        removing.append(time.perf_counter() - begin)
        store.reclaim(retired)
        begin = time.perf_counter()
        store.reclaim(replace_zone(world, model))
        adding.append(time.perf_counter() - begin)
    gc.unfreeze()
    yield at_most("scale_many_add", statistics.median(adding) * 1e3, "ms", 5, slowest=max(adding) * 1e3)
    yield at_most("scale_many_remove", statistics.median(removing) * 1e3, "ms", 5, slowest=max(removing) * 1e3)
    yield at_most("scale_many_add_1000", sum(adding), "s", 1)


def _refuse(error: Exception) -> None:
    raise error
