# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at random points of load, save, apply, swap, compaction: the next start serves the newest version, whole.

So it is while versions are kept, and the journal leads to that version without a gap. Sixty-six points;
tests/chaos/test_killed_in_a_swap.py has those of a swap with the NIC path. A point is a line of the program, chosen by
a seed from the lines that an undisturbed run of the phase executes, or some milliseconds later.
"""

import contextlib
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from appliance.state import versions
from appliance.state.database import Database
from appliance.zone import names
from tests.harness.points import Phase, Points
from tests.harness.served import START_S, Served, configuration, serving, start, until, zone_text

pytestmark = pytest.mark.chaos

ORIGIN = names.from_text("example.")
DIFFERENT = 1000
"""Hosts of a zone that is changed by difference."""
LARGE = 2500
"""Hosts that the index of a store with few names has no room for."""


class Chain:
    """Servers one after the other in one folder, each started where the one before was killed."""

    def __init__(self, folder: Path, seed: int, image: bool = True, compact: bool = False) -> None:
        """Lay out three zones, one of which changes all the time."""
        self.folder = folder
        self.points = Points(folder, seed)
        self.serial = 0
        more = f"[store]\nimage = {str(image).lower()}\nimage_delay_s = 0.0\n"
        more += "compact_mib = 0\ncompact_percent = 10\n" if compact else ""
        (folder / "appliance.toml").write_text(configuration("example.", "other.", "third.", more=more))
        for zone in ("other.", "third."):
            (folder / f"{zone}zone").write_text(zone_text())
        self.hosts = 0
        self.write()

    def write(self, hosts: int = 0) -> None:
        """Put the next version of the zone in place; its last name is there only if all of it is."""
        self.serial += 1
        self.hosts = hosts
        text = zone_text(self.serial, self.serial)
        text += "".join(f"h{number} A 192.0.2.{self.serial}\n" for number in range(hosts))
        draft = self.folder / "draft"
        draft.write_text(f"{text}last A 192.0.2.{self.serial}\n")
        draft.replace(self.folder / "example.zone")

    def start(self) -> Served:
        """Start a server that dies when it is told to."""
        return start(self.folder, **self.points.environment)

    def measure(self, phase: Phase) -> None:
        """Run through a phase undisturbed, to learn how long it is."""
        with serving(self.folder, None, **self.points.environment) as server:
            self.check(server)
            if phase in ("apply", "swap"):
                self.write(LARGE if phase == "swap" else 0)
                assert server.ask("reload", zone="example.")["zones"][0]["ok"]
                self.check(server)
            until(lambda: self.points.lines(phase) > 0)

    def check(self, server: Served) -> None:
        """Fail unless all zones are served, whole and in their newest version."""
        server.wait_ready()
        assert server.query("example.", "SOA").answer[0][0].serial == self.serial
        for name in ("www", "last", *([f"h{self.hosts - 1}"] if self.hosts else [])):
            assert server.address(f"{name}.example.") == f"192.0.2.{self.serial}"
        assert len(server.query("big.example.", "TXT", tcp=True).answer[0][0].strings) == 250
        assert server.address("www.other.") == server.address("www.third.") == "192.0.2.2"
        until(lambda: self.kept() == self.serial)
        steps = server.ask("journal", zone="example.")["steps"]
        ways = [(step["before"], step["after"]) for step in steps]
        assert not ways or ways[-1][1] == self.serial, ways
        assert all(one[1] == other[0] for one, other in pairwise(ways)), ways
        said = server.log()
        assert not [word for word in ("Traceback", "damaged", "cut short", "no saved") if word in said], said

    def kept(self) -> int:
        """Return the serial of the version that is kept."""
        with Database(self.folder / "state").transaction() as db:
            found = versions.find(db, ORIGIN)
            return found.serial if found else 0

    def dies(self, server: Served, where: str) -> None:
        """Wait until a server was killed where it should be."""
        assert server.process.wait(START_S) == -signal.SIGKILL, f"{where}: {server.log()}"
        self.points.disarm()

    def waste(self, server: Served) -> None:
        """Change many names at once until so much is left behind that the store is compiled anew."""
        for _ in range(3):
            self.write(DIFFERENT)
            assert server.ask("reload", zone="example.")["zones"][0]["ok"]


def end(server: Served) -> None:
    """Kill a server that is of no use any more."""
    if server.process.poll() is None:
        server.process.kill()
    server.process.wait(START_S)


def test_while_it_loads(tmp_path: Path) -> None:
    """Twelve points; what is saved is of this version, of the one before or not there at all."""
    chain = Chain(tmp_path, 1)
    chain.measure("load")
    for _ in range(12):
        if chain.serial % 3 == 0:
            (tmp_path / "state" / "store.image").unlink(missing_ok=True)
        chain.write()
        where = chain.points.arm("load")
        victim = chain.start()
        try:
            chain.dies(victim, where)
        finally:
            end(victim)
        with serving(tmp_path, None, **chain.points.environment) as server:
            chain.check(server)


@pytest.mark.parametrize(("phase", "seed", "times"), [("save", 2, 14), ("apply", 3, 14), ("keep", 8, 14)])
def test_while_it_changes(tmp_path: Path, phase: Phase, seed: int, times: int) -> None:
    """Forty-two points, each in the server that was started where the one before was killed."""
    chain = Chain(tmp_path, seed)
    chain.measure(phase)
    for _ in range(times):
        server = chain.start()
        try:
            chain.check(server)
            where = chain.points.arm(phase)
            chain.write()
            os.kill(server.process.pid, signal.SIGHUP)
            chain.dies(server, where)
        finally:
            end(server)
    with serving(tmp_path) as server:
        chain.check(server)
        assert not list((tmp_path / "state").glob(".store.image.*"))


def test_while_it_swaps(tmp_path: Path) -> None:
    """Eight points of the move into a larger store, whose version the next start must have whole."""
    chain = Chain(tmp_path, 4, image=False)
    chain.measure("swap")
    for _ in range(8):
        chain.write()
        with serving(tmp_path, None, **chain.points.environment) as server:
            chain.check(server)
            where = chain.points.arm("swap")
            chain.write(LARGE)
            os.kill(server.process.pid, signal.SIGHUP)
            chain.dies(server, where)
        with serving(tmp_path, None, **chain.points.environment) as server:
            chain.check(server)


def test_while_a_compacted_store_takes_over(tmp_path: Path) -> None:
    """Four points, from the changes that came meanwhile on."""
    chain = Chain(tmp_path, 7, compact=True)
    chain.write(DIFFERENT)
    with serving(tmp_path, None, **chain.points.environment) as server:
        chain.check(server)
        chain.waste(server)
        until(lambda: chain.points.lines("compact") > 0)
        chain.check(server)
    for _ in range(4):
        server = chain.start()
        try:
            chain.check(server)
            where = chain.points.arm("compact")
            with contextlib.suppress(ApplianceError):  # it may die before the last reload
                chain.waste(server)
            chain.dies(server, where)
        finally:
            end(server)
    with serving(tmp_path) as server:
        chain.check(server)
