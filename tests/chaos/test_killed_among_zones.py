# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL while zones are added, removed, rolled back and written: what was answered is so at the next start.

What was not answered is done or not, whole in each case: every zone that is listed is served, no other one is, and a
zone's file is the old or the new one. Ten points in each run of the suite, a hundred and four with the long tests.
"""

import contextlib
import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.feed import feed
from appliance.errors import ApplianceError
from appliance.zone import names
from appliance.zone.load import load_zone
from tests.harness.points import Phase, Points
from tests.harness.served import START_S, Served, configuration, start, until

pytestmark = pytest.mark.chaos

TEXT = "$TTL 300\n@ SOA ns root {serial} 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.{host}\n"
ZONES = 60
BATCH = 20
SOAK = (pytest.mark.soak, pytest.mark.timeout(1800))
MORE = """[store]
image_delay_s = 0.0
[[pattern]]
name = "dynamic"
file = "zones/{zone}.zone"
"""


class Changing:
    """Servers one after the other in one folder, and what they have answered."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Lay out one zone that is configured, and files for those that come and go."""
        self.folder = folder
        self.points = Points(folder, seed)
        self.chance = random.Random(seed)
        self.added: set[str] = set()
        """Zones that are surely there."""
        self.open: set[str] = set()
        """Zones that may be there or not: nothing was answered about them."""
        (folder / "appliance.toml").write_text(configuration("example.", more=MORE))
        self.file = folder / "example.zone"
        self.file.write_text(TEXT.format(serial=1, host=1))
        (folder / "zones").mkdir()
        for number in range(ZONES):
            (folder / "zones" / f"z{number}.zone").write_text(TEXT.format(serial=1, host=number % 3 + 1))

    @contextlib.contextmanager
    def server(self) -> Iterator[Served]:
        """Yield a server that dies when it is told to."""
        server = start(self.folder, **self.points.environment)
        try:
            server.wait_ready()
            yield server
        finally:
            if server.process.poll() is None:
                server.process.kill()
            server.process.wait(START_S)

    def feed(self, server: Served, verb: str, chosen: list[str]) -> None:
        """Feed zones to a verb, and note what comes of each; a server that dies leaves some of them open."""
        self.open |= set(chosen)

        def told(results: list[dict[str, Any]]) -> bool:
            for one in results:
                assert one["ok"], one
                assert one.get("served", True), one
                self.open.discard(one["zone"])
                (self.added.add if verb == "addzones" else self.added.discard)(one["zone"])
            return True

        pattern = " dynamic" if verb == "addzones" else ""
        with tempfile.TemporaryFile() as file:
            file.write("".join(f"{zone}{pattern}\n" for zone in chosen).encode())
            file.seek(0)
            feed(server.socket, verb, file.fileno(), told)

    def change(self, server: Served, verb: str) -> None:
        """Add or remove some zones."""
        known = {str(one["name"]) for one in server.ask("export")["zones"]}
        there = sorted(known if verb == "delzones" else {f"z{number}." for number in range(ZONES)} - known)
        self.feed(server, verb, self.chance.sample(there, min(BATCH, len(there))))

    def check(self, server: Served) -> None:
        """Fail unless what was answered is so, and what is listed is what is served."""
        listed = {str(one["name"]) for one in server.ask("export")["zones"]}
        assert self.added - self.open <= listed <= self.added | self.open, server.log()
        for number in range(ZONES):
            wanted = f"192.0.2.{number % 3 + 1}" if f"z{number}." in listed else "REFUSED"
            assert server.address(f"www.z{number}.") == wanted, (number, server.log())
        assert server.address().startswith("192.0.2.")
        assert "Traceback" not in server.log()
        self.added, self.open = listed, set()

    def dies(self, server: Served, where: str) -> None:
        """Wait until a server was killed where it should be."""
        assert server.process.wait(START_S) == -signal.SIGKILL, f"{where}: {server.log()}"
        self.points.disarm()


VERBS: dict[Phase, str] = {"add": "addzones", "together": "addzones", "remove": "delzones"}


@pytest.mark.parametrize(
    ("phase", "times"),
    [
        ("add", 2),
        ("together", 2),
        ("remove", 2),
        *[pytest.param(phase, 24, marks=SOAK) for phase in ("add", "together", "remove")],
    ],
)
def test_zones_come_and_go(tmp_path: Path, phase: Phase, times: int) -> None:
    changing = Changing(tmp_path, len(phase) + times)
    with changing.server() as server:
        changing.feed(server, "addzones", [f"z{number}." for number in range(BATCH)])
        changing.change(server, "delzones")
        changing.change(server, "addzones")
    verb = VERBS[phase]
    for _ in range(times):
        with changing.server() as server:
            changing.check(server)
            changing.change(server, "delzones" if verb == "addzones" and len(changing.added) > BATCH else "addzones")
            where = changing.points.arm(phase)
            with contextlib.suppress(ApplianceError):
                changing.change(server, verb)
            changing.dies(server, where)
    with changing.server() as server:
        changing.check(server)


@pytest.mark.parametrize(
    ("phase", "times"),
    [
        ("freeze", 2),
        ("write", 2),
        pytest.param("freeze", 16, marks=SOAK),
        pytest.param("write", 16, marks=SOAK),
    ],
)
def test_zones_are_rolled_back_and_written(tmp_path: Path, phase: Phase, times: int) -> None:
    """The zone is served in one of its versions, and its file has one, each of them whole."""
    changing = Changing(tmp_path, 7 * len(phase) + times)
    with changing.server() as server:
        roll_back(changing, server, 1)
        server.ask("write", zone="example.")
        server.ask("thaw", zone="example.")
    for turn in range(times):
        with changing.server() as server:
            if phase == "freeze":
                where = changing.points.arm(phase)
            roll_back(changing, server, turn + 2)
            if phase == "write":
                where = changing.points.arm(phase)
                with contextlib.suppress(ApplianceError):
                    server.ask("write", zone="example.")
            changing.dies(server, where)
        before = changing.file.read_bytes()
        load_zone(changing.file, names.from_text("example."))
        with changing.server() as server:
            assert server.address().startswith("192.0.2.")
            assert "Traceback" not in server.log()
            if phase == "write":
                assert server.ask("write", zone="example.")["ok"]
                assert b"written by" in changing.file.read_bytes()
            else:
                assert changing.file.read_bytes() == before
            server.ask("thaw", zone="example.")
            assert not list(tmp_path.glob(".example.zone*"))
            assert server.ask("status")["warnings"] == []


def roll_back(changing: Changing, server: Served, turn: int) -> None:
    """Serve a version more, and go back to the one before."""
    served = int(server.ask("status")["zones"][0]["serial"])
    until(lambda: bool(server.ask("versions", zone="example.")["versions"]))
    changing.file.write_text(TEXT.format(serial=served + 1, host=turn % 200 + 1))
    server.ask("reload", zone="example.")
    changing.file.write_text(TEXT.format(serial=served + 2, host=turn % 200 + 2))
    server.ask("reload", zone="example.")
    with contextlib.suppress(ApplianceError):
        server.ask("rollback", zone="example.", serial=str(served + 1))
