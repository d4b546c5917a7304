# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator asks of a server with a hundred thousand zones: how long each answer takes, and what it costs."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.cli.client import ask
from appliance.errors import ApplianceError
from bench.figures import Figure, at_most, plain
from bench.peers.starts import ours

COUNT: Final = 100_000
CHANGED: Final = 10
_ROUNDS: Final = 5
_START_S: Final = 600.0
_MIB: Final = 1 << 20
_ZONE: Final = "@ 300 SOA ns root 1 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
_HEAD: Final = '[server]\nrun_dir = "run"\nstate_dir = "state"\n[listen]\naddresses = ["127.0.0.1"]\nport = 0\n'
_LIST: Final = '[[pattern]]\nzones = "zones"\nfile = "same.zone"\n'


class Spent(NamedTuple):
    """Seconds that a command took, and processor time: its own and that of the server, in all threads."""

    seconds: float
    processor_s: float


@dataclass(frozen=True)
class Site:
    """A running server and the folder with its configuration."""

    folder: Path
    pid: int

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Ask it over its control socket."""
        return ask(self.folder / "run" / "control.sock", verb, **arguments)

    def command(self, *arguments: str) -> Spent:
        """Run one of the operator's commands to its end; return what it took."""
        config = str(self.folder / "appliance.toml")
        begin, used = time.perf_counter(), self._used()
        done = subprocess.run(
            [sys.executable, "-m", "appliance", *arguments, "--config", config], stdout=subprocess.DEVNULL, check=False
        )
        assert done.returncode == 0, arguments
        return Spent(time.perf_counter() - begin, self._used() - used)

    def _used(self) -> float:
        """Return the processor time of the control process, and of the commands that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + ended.ru_utime + ended.ru_stime

    def resident(self) -> float:
        """Return MiB that the control process has resident."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) * 1024 / _MIB


def zone(number: int) -> str:
    """Return the name of a zone."""
    return f"zone{number:06d}.example"


def write_list(folder: Path, first: int) -> None:
    """Write the list of a hundred thousand zones from a number on."""
    (folder / "zones").write_text("".join(f"{zone(number)}\n" for number in range(first, first + COUNT)))


def write_tables(folder: Path, first: int) -> None:
    """Write a configuration with a table for each of a hundred thousand zones from a number on."""
    tables = "".join(f'[[zone]]\nname = "{zone(one)}"\nfile = "same.zone"\n' for one in range(first, first + COUNT))
    (folder / "appliance.toml").write_text(_HEAD + tables)


@contextmanager
def site(work: Path, write: Callable[[Path, int], None]) -> Iterator[Site]:
    """Yield a server with a hundred thousand zones that has written down what it serves."""
    folder = work / "control"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "same.zone").write_text(_ZONE)
    (folder / "appliance.toml").write_text(_HEAD + _LIST)
    write(folder, 0)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(ours(folder / "appliance.toml", "--no-xdp"), stdout=log, stderr=log)
    made = Site(folder, process.pid)
    try:
        _wait_quiet(made)
        yield made
    finally:
        process.terminate()
        process.wait(_START_S)
        shutil.rmtree(folder)


def _wait_quiet(made: Site) -> None:
    """Wait until the server serves, and has nothing left to write."""
    deadline = time.monotonic() + _START_S
    before, now = -1, 0
    while before != now:
        if time.monotonic() > deadline:
            raise ApplianceError((made.folder / "log").read_text()[-500:])
        time.sleep(3)
        try:
            serving = made.ask("status")["state"] == "serving"
        except ApplianceError:
            continue
        if serving:
            before, now = now, sum(one.stat().st_size for one in (made.folder / "state").iterdir())


def _told(name: str, spent: list[Spent], limit: float = 0.0) -> Figure:
    """Return the median of what a command took; the processor time is what other work on the machine changes least."""
    seconds = statistics.median(one.seconds for one in spent)
    beside = {
        "slowest": max(one.seconds for one in spent),
        "processor_s": statistics.median(one.processor_s for one in spent),
    }
    return at_most(name, seconds, "s", limit, **beside) if limit else plain(name, seconds, "s", **beside)


def _apply(made: Site, write: Callable[[Path, int], None]) -> list[Spent]:
    """Take ten zones away and add ten, again and again; return what each apply took."""
    spent = []
    for turn in range(1, _ROUNDS + 1):
        write(made.folder, turn * CHANGED)
        spent.append(made.command("apply"))
    return spent


def apply_list(work: Path) -> Iterator[Figure]:
    """Apply ten changed zones of a hundred thousand in a list, and ask for the state and the memory of the server."""
    with site(work, write_list) as made:
        before = made.resident()
        spent = _apply(made, write_list)
        idle = [made.command("apply", "--dry-run") for _ in range(_ROUNDS)]
        yield _told("control_apply_list", spent, 1.0)
        yield _told("control_apply_nothing", idle)
        yield _told("control_status", [made.command("status") for _ in range(_ROUNDS)], 0.3)
        yield _told("control_zone_status_bad", [made.command("zone", "status", "--bad") for _ in range(_ROUNDS)], 0.5)
        yield plain("control_resident", before, "MiB", after_apply=made.resident())


def apply_tables(work: Path) -> Iterator[Figure]:
    """Apply the same where each zone has a table of its own: most of it is reading the file, twice."""
    with site(work, write_tables) as made:
        yield _told("control_apply_tables", _apply(made, write_tables))


_MEASURED: Final[Mapping[str, Callable[[Path], Iterator[Figure]]]] = {"list": apply_list, "tables": apply_tables}
PARTS: Final = frozenset(_MEASURED)


def measure(work: Path, note: Callable[[str], None], parts: frozenset[str]) -> Iterator[Figure]:
    """Yield the figures of these parts, one after the other; nothing else should run meanwhile."""
    for name, measured in _MEASURED.items():
        if name in parts:
            note(f"{name}: {COUNT} zones, {CHANGED} of them go and {CHANGED} others come")
            yield from measured(work)
