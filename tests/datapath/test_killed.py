# SPDX-License-Identifier: GPL-3.0-or-later
"""The control process dies at any line of a change of version: what it leaves behind answers from one whole version.

A forked writer changes the arrays that the program reads and kills itself at a chosen line. Either the version before
or the new one is served, or, within the few lines of a flip, nothing: everything is passed up until the next start.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from appliance import compiler
from appliance import store as store_folder
from appliance.datapath import verdicts
from appliance.datapath.generation import Generation, InterfaceSpec
from appliance.zone import names
from appliance.zone.model import Zone
from tests.chaos import versions
from tests.datapath import packets, reply, served
from tests.datapath.lab import ADDRESSES, LOOPBACK, SEED
from tests.datapath.packets import Frame
from tests.datapath.runner import XDP_PASS, XDP_TX, Runner
from tests.harness.tracing import at_each_line
from tests.harness.worlds import compile_zones, remove_zone, replace_zone

pytestmark = [pytest.mark.datapath, pytest.mark.slow]

HOSTS: Final = {1: 36, 2: 44}  # version 2 nearly fills eight buckets, so that entries have to move
BUCKET_BITS: Final = 3
MADE: Final = tuple(f"{Path(str(package.__file__)).parent}/" for package in (compiler, store_folder))
FRAMES: Final = [Frame(question).octets() for question in versions.QUESTIONS]
CRITICAL: Final = {"serve", "show", "remove", "flipping", "_move_along", "_displace_moved"}
"""Functions at each line of which the writer is killed, whenever they run."""
STEPS: Final = 100
"""Of all the other lines so many, evenly."""


class Arrays:
    """A loaded program with one zone, and its arrays as they were."""

    def __init__(self, folder: Path) -> None:
        """Load version 1 of the zone."""
        self._folder = folder
        self.generation = Generation.load(
            [InterfaceSpec("lo", addresses=ADDRESSES)], bucket_bits=BUCKET_BITS, chunks=2, zones=4, seed=SEED
        )
        self.generation.set_port(LOOPBACK, packets.SERVER_MAC, verify=True)
        self.store = self.generation.store
        compile_zones(self.store, [self.zone(1)])
        self.generation.serving(True)
        self.run = Runner(self.generation.program_fd())
        self._views = [self.generation.arrays[name] for name in ("ctl", "buckets", "heap", "zones")]
        self._kept = [bytes(view) for view in self._views]

    def zone(self, serial: int) -> Zone:
        """Return a version of the zone."""
        return served.load(versions.text(serial, HOSTS[serial]), versions.ORIGIN, self._folder)

    def restore(self) -> None:
        """Put the arrays back to version 1."""
        for view, octets in zip(self._views, self._kept, strict=True):
            view[:] = octets

    def close(self) -> None:
        """Unpin and unmap everything."""
        self._views.clear()
        self.run.close()
        self.generation.detach()
        self.generation.close()

    def state(self) -> str:
        """Return what the program says to every question: "pass", "refused" or the one version all answers are of."""
        found: set[str] = set()
        for frame in FRAMES:
            action, after = self.run(frame)
            if action == XDP_PASS:
                assert after == frame
                found.add("pass")
                continue
            assert action == XDP_TX
            said = reply.check_frame(frame, after)
            stamps = versions.stamps(said)
            if said[3] & 15 == 5:
                assert not stamps
            found |= {str(stamp) for stamp in stamps} or {"refused"}
        assert len(found) == 1, f"a blend: {found}"
        return found.pop()


@pytest.fixture(scope="module")
def arrays(own_bpffs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arrays]:
    """Yield the program with version 1."""
    made = Arrays(tmp_path_factory.mktemp("versions"))
    try:
        yield made
    finally:
        made.close()


def in_a_child(work: Callable[[], object], at_line: Callable[[str], None]) -> int:
    """Do the work in a forked process and return how it ended: 0, or less than 0 for a signal."""
    child = os.fork()
    if not child:
        status = 1
        try:
            at_each_line(MADE, work, at_line)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def lines_of(work: Callable[[], object], folder: Path) -> list[str]:
    """Return the functions of all lines that the work executes, in order."""
    with (folder / "lines").open("w+") as file:

        def at_line(function: str) -> None:
            file.write(function + "\n")
            file.flush()

        assert in_a_child(work, at_line) == 0
        file.seek(0)
        return file.read().split()


def chosen(lines: list[str]) -> list[int]:
    """Return the numbers of the lines to be killed at."""
    critical = [number for number, function in enumerate(lines) if function in CRITICAL]
    return sorted({*critical, *range(0, len(lines), max(1, len(lines) // STEPS))})


def killed_at_each(arrays: Arrays, work: Callable[[], object], folder: Path) -> Counter[str]:
    """Do the work, killed at one line after the other; return how often which state was left behind."""
    states: Counter[str] = Counter()
    try:
        lines = lines_of(work, folder)
        finished = arrays.state()
        for last in chosen(lines):
            arrays.restore()
            left = last

            def at_line(function: str) -> None:
                nonlocal left
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

            assert in_a_child(work, at_line) == -signal.SIGKILL
            state = arrays.state()
            assert (state == "pass") == bool(arrays.store.get("flips") & 1), f"line {last}, in {lines[last]}"
            states[state] += 1
            states[lines[last]] += 1
    finally:
        arrays.restore()
    assert arrays.state() == "1"
    assert states[finished]
    print(states)
    return states


def test_while_a_version_is_replaced(arrays: Arrays, tmp_path: Path) -> None:
    """The new version is there from the flip on, not a line before."""
    zone = arrays.zone(2)
    states = killed_at_each(arrays, lambda: replace_zone(arrays.store, zone), tmp_path)
    assert min(states[state] for state in ("1", "2", "pass", "_move_along", "show")) > 0
    assert states["refused"] == 0
    assert states["pass"] < states["1"] + states["2"]


def test_while_a_zone_is_removed(arrays: Arrays, tmp_path: Path) -> None:
    """Nothing of it is answered from the flip on."""
    origin = names.from_text(versions.ORIGIN)
    states = killed_at_each(arrays, lambda: remove_zone(arrays.store, origin), tmp_path)
    assert min(states[state] for state in ("1", "refused", "pass", "show")) > 0


def test_verdict_of_what_is_passed(arrays: Arrays) -> None:
    """It is counted as what it is."""
    before = arrays.generation.counters()
    with arrays.store.flipping():
        assert arrays.state() == "pass"
    counted = {name: value - before[name] for name, value in arrays.generation.counters().items()}
    assert counted["pass_flip"] == len(FRAMES)
    assert set(verdicts.by_name()) == set(counted)
