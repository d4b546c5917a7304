# SPDX-License-Identifier: GPL-3.0-or-later
"""What an honest client sees beside greedy connections, and what stalled readers cost; NSD and Knot beside."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench.figures import Figure, at_most, plain
from bench.peers import commands
from bench.peers.commands import ADDRESS, PORT, Served
from bench.peers.starts import Started, answered, ours, started
from bench.suites.fairness_load import BIG, NAME, Honest, ask_honestly, greedy, stall

GREEDY: Final = 500
STALLED: Final = 900
ROUNDS: Final = 3
PARTS: Final = frozenset(("greedy", "stalled"))
_ASKED: Final = 200
_STALL_S: Final = 15.0
_P99_MS: Final = 50.0
_STALLED_MIB: Final = 16.0
_KINDS: Final = ("udp", "tcp_open", "tcp_new")
_ZONE: Final = "$TTL 300\n@ SOA ns root 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n"

Configure = Callable[[Path, Served], Sequence[str]]


def measure(work: Path, note: Callable[[str], None], parts: frozenset[str]) -> Iterator[Figure]:
    """Yield the figures; the servers take turns, two processes or threads each, their limits on connections raised."""
    zone = work / "example.zone"
    text = " ".join(f'"{number:03d}{"x" * 240}"' for number in range(250))
    zone.write_text(f"{_ZONE}{BIG} TXT {text}\n")
    served = Served({"example": zone})
    servers: dict[str, Configure] = {"ours": _ours, "nsd": _nsd, "knot": _knot}
    for name, program in (("nsd", "nsd"), ("knot", "knotd")):
        if not shutil.which(program):
            note(f"{name} is not installed; it is left out")
            del servers[name]
    if "greedy" in parts:
        yield from _greedy(work, served, servers)
    if "stalled" in parts:
        yield from _stalled(work, served, servers)


def _greedy(work: Path, served: Served, servers: dict[str, Configure]) -> Iterator[Figure]:
    seen: dict[str, list[Honest]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, configure in servers.items():
            with _running(work, name, configure, served), greedy(GREEDY):
                seen[name].append(ask_honestly(_ASKED))
    for kind in _KINDS:
        p99 = {name: [round_.percentile(kind, 99) for round_ in rounds] for name, rounds in seen.items()}
        medians = {name: statistics.median(values) for name, values in p99.items()}
        typical = statistics.median(round_.percentile(kind, 50) for round_ in seen["ours"])
        beside: dict[str, float | str] = {"half_below": typical, "worst_round": max(p99["ours"])}
        for name in medians.keys() - {"ours"}:
            beside[name] = medians[name]
            beside[f"of_{name}"] = medians["ours"] / medians[name]
        yield at_most(f"fairness_{kind}_p99", medians["ours"], "ms", _P99_MS, **beside)
    timeouts = {name: float(sum(round_.timeouts for round_ in rounds)) for name, rounds in seen.items()}
    yield at_most("fairness_timeouts", timeouts.pop("ours"), "questions", 0, asked=3 * ROUNDS * _ASKED, **timeouts)


def _stalled(work: Path, served: Served, servers: dict[str, Configure]) -> Iterator[Figure]:
    for name, configure in servers.items():
        with _running(work, name, configure, served):
            most, last = stall(STALLED, _STALL_S)
        if name == "ours":
            yield at_most("fairness_stalled_queues", most, "MiB", _STALLED_MIB, connections=STALLED)
            yield at_most("fairness_stalled_left", last, "MiB", 0, after_s=_STALL_S)
        else:
            yield plain(f"fairness_stalled_queues_{name}", most, "MiB", left=last)


def _running(work: Path, name: str, configure: Configure, served: Served) -> AbstractContextManager[Started]:
    folder = work / f"fairness-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return started(configure(folder, served), folder / "output", lambda: answered(NAME))


def _ours(folder: Path, served: Served) -> Sequence[str]:
    config = folder / "appliance.toml"
    config.write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n[listen]\naddresses = ["{ADDRESS}"]\nport = {PORT}\n'
        + served.lines('[[zone]]\nname = "{zone}."\nfile = "{file}"\n')
    )
    return ours(config, "--no-xdp")


def _nsd(folder: Path, served: Served) -> Sequence[str]:
    command = commands.nsd(folder, served)
    _edit(folder / "nsd.conf", "server-count: 1\n", "server-count: 2\n  reuseport: yes\n  tcp-count: 4096\n")
    return command


def _knot(folder: Path, served: Served) -> Sequence[str]:
    command = commands.knot(folder, served)
    _edit(folder / "knot.conf", "  tcp-workers: 1\n", "  tcp-workers: 2\n  tcp-max-clients: 4096\n")
    return command


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
