# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens in whatever order, all ways to the server give one answer, and status is true.

A sequence is drawn from its seed, which is the test's name: edits, reloads, SIGKILL, stops, starts in other modes,
interfaces that go down, up, away and come back, a second server, a full disk.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import dns.message
import pytest

from demo.network import Pair
from tests.netns.serving import Server, ask, start, wait_for, wait_ready

pytestmark = [pytest.mark.chaos, pytest.mark.netns, pytest.mark.timeout(900)]

QUERY: Final = dns.message.make_query("www.example.", "A", id=0x1234).to_wire()
STEPS: Final = 9
USUAL: Final = range(15)
MODES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "both": (("eth0", "eth1"), ()),
    "one": (("eth0",), ()),
    "other": (("eth1",), ()),
    "none": ((), ()),
    "no-xdp": (("eth0", "eth1"), ("--no-xdp",)),
}
"""Interfaces of the configuration and options of a start."""

_ASK_HERE: Final = """
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.settimeout(5)
line.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 53))
print(line.recv(4096).hex())
"""


def says(reply: bytes | None) -> str:
    """Return the address in a reply, nothing without one."""
    answer = dns.message.from_wire(reply).answer if reply else None
    return str(answer[0][0]) if answer else ""


class Site:
    """One server on one pair: what was done to it, and what it has to serve."""

    def __init__(self, pair: Pair, folder: Path, disk: Path) -> None:
        self.pair = pair
        self.folder = folder
        self.disk = disk
        self.server: Server | None = None
        self.mode = "both"
        self.written = self.served = 0
        self.edit()

    def edit(self) -> None:
        """Write the next version of the zone."""
        self.written += 1
        fresh = self.folder / ".example.zone"
        fresh.write_text(
            f"$TTL 300\n@ SOA ns root {self.written} 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n"
            f"www A 192.0.2.{self.written}\n"
        )
        fresh.rename(self.folder / "example.zone")

    def configure(self, run_dir: str = "run", port: int = 53) -> str:
        """Return a configuration of the present mode."""
        interfaces, _ = MODES[self.mode]
        tables = "".join(f'[[interface]]\nname = "{name}"\nport = {port}\n' for name in interfaces)
        return (
            f'[server]\nrun_dir = "{run_dir}"\nstate_dir = "{self.disk}/state"\n[listen]\nport = {port}\n{tables}'
            '[[zone]]\nname = "example."\nfile = "example.zone"\n'
        )

    def begin(self, mode: str) -> None:
        """Start the server in a mode."""
        self.mode = mode
        (self.folder / "appliance.toml").write_text(self.configure())
        self.server = start(self.pair, self.folder, *MODES[mode][1])
        wait_ready(self.server)
        self.served = self.written

    def reload(self) -> None:
        """Have the zone read again."""
        if self.server is not None:
            assert self.server.command("reload").returncode == 0, self.server.log()
            self.served = self.written

    def end(self, kill: bool) -> None:
        """End the server, in order or not."""
        server, self.server = self.server, None
        if server is None:
            return
        if kill:
            server.process.send_signal(signal.SIGKILL)
        else:
            assert server.command("stop").returncode == 0
        server.process.wait(60)
        if not kill:
            assert self.running() == set()

    def second(self) -> None:
        """Let another server want the same interface: it gets nothing, and says whose the program is."""
        if self.server is None or not self.native():
            return
        other = self.folder / "second"
        other.mkdir(exist_ok=True)
        (other / "example.zone").write_text((self.folder / "example.zone").read_text())
        text = self.configure(run_dir="run2", port=5353).replace(f'"{self.disk}/state"', '"state2"')
        (other / "appliance.toml").write_text(text)
        before = self.running()
        server = start(self.pair, other)
        try:
            wait_ready(server)
            problems = "".join(server.told("status")["problems"])
            assert f"process {self.server.process.pid}" in problems, problems
        finally:
            server.process.terminate()
            server.process.wait(60)
        assert self.running() == before

    def fill(self) -> None:
        """Leave no room on the disk that has what the server keeps."""
        with (self.disk / "fill").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def make_room(self) -> None:
        """Make room again."""
        (self.disk / "fill").unlink(missing_ok=True)

    def link(self, what: str) -> None:
        """Change the second interface."""
        run = self.pair.server.run
        if what == "deleted":
            run("sh", "-c", "ip link delete eth1 2>/dev/null || true")
        elif what == "made":
            run("sh", "-c", _MAKE_ETH1)
        else:
            run("sh", "-c", f"ip link set eth1 {what} 2>/dev/null || true")

    def running(self) -> set[str]:
        """Return the interfaces that run a program, as the kernel tells."""
        told = json.loads(self.pair.server.run("ip", "-json", "link").stdout)
        return {one["ifname"] for one in told if one.get("xdp", {}).get("prog", {}).get("id")}

    def native(self) -> set[str]:
        """Return the interfaces that have to run the program now."""
        interfaces, options = MODES[self.mode]
        there = {one["ifname"] for one in json.loads(self.pair.server.run("ip", "-json", "link").stdout)}
        return set() if options else set(interfaces) & there

    def check(self) -> None:
        """All ways give what is served; status and kernel say the same, and nothing else is well."""
        server = self.server
        if server is None:
            return
        wanted = self.native()
        status = wait_for(lambda: self._settled(server, wanted), server, f"the program on {sorted(wanted)}")
        assert status is not None
        here = self.pair.server.command([sys.executable, "-c", _ASK_HERE, self.pair.server.address4, QUERY.hex()])
        done = subprocess.run(here, capture_output=True, text=True, check=True, timeout=60)
        ways = {
            "wire": says(server.ask(QUERY)[0]),
            "socket": says(bytes.fromhex(done.stdout)),
            "tcp": says(server.ask(QUERY, kind="tcp")[0]),
        }
        assert set(ways.values()) == {f"192.0.2.{self.served}"}, (ways, server.log())
        wrong = [] if MODES[self.mode][1] else [name for name in MODES[self.mode][0] if name not in self.up(wanted)]
        assert len(status["problems"]) == len(wrong), status["problems"]
        assert all(name in "".join(status["problems"]) for name in wrong)
        assert server.command("status").returncode == (2 if wrong else 0)

    def up(self, names: set[str]) -> set[str]:
        """Return those of some interfaces that are not switched off."""
        told = json.loads(self.pair.server.run("ip", "-json", "link").stdout)
        return {one["ifname"] for one in told if one["ifname"] in names and "UP" in one["flags"]}

    def _settled(self, server: Server, wanted: set[str]) -> dict[str, Any] | None:
        """Return what status says once kernel and server have come to what is wanted."""
        status: dict[str, Any] = server.told("status")
        shown = {one["name"] for one in status["interfaces"] if one["mode"] == "native"}
        return status if shown == wanted == self.running() else None


_MAKE_ETH1: Final = (
    "ip link show eth1 >/dev/null 2>&1 || { ip link add eth1 type veth peer name peer1 && "
    "ip address add 10.54.0.1/24 dev eth1 && ip link set eth1 up && ip link set peer1 up; }"
)


def step(site: Site, chance: random.Random) -> str:
    """Do one thing, and return what it was."""
    if site.server is None:
        mode = chance.choice(list(MODES))
        site.begin(mode)
        return f"start {mode}"
    what = chance.choice(
        ("edit", "reload", "edit and reload", "kill", "stop", "down", "up", "deleted", "made", "second", "full", "room")
    )
    if what.startswith("edit"):
        site.edit()
    if what.endswith("reload"):
        site.reload()
    elif what in ("kill", "stop"):
        site.end(kill=what == "kill")
    elif what in ("down", "up", "deleted", "made"):
        site.link(what)
    elif what == "second":
        site.second()
    elif what == "full":
        site.fill()
    elif what == "room":
        site.make_room()
    return what


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=1000", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def site(veth_pair: Pair, own_bpffs: Path, tmp_path: Path, disk: Path) -> Iterator[Site]:
    """Yield a site whose server has not been started yet."""
    assert os.environ["APPLIANCE_BPFFS"] == str(own_bpffs)
    veth_pair.server.run("sh", "-c", _MAKE_ETH1)
    made = Site(veth_pair, tmp_path, disk)
    yield made
    if made.server is not None and made.server.process.poll() is None:
        made.server.process.terminate()
        made.server.process.wait(60)


def run_sequence(site: Site, seed: int, steps: int) -> None:
    """Draw steps and check after each one."""
    chance = random.Random(seed)
    done: list[str] = []
    try:
        for _ in range(steps):
            done.append(step(site, chance))
            site.check()
        site.make_room()
        site.end(kill=False)
        if site.server is None and site.running():  # it was killed last: the next start sees to what is left
            site.begin("none")
            site.check()
            site.end(kill=False)
    except BaseException:
        print(f"seed {seed}: {', '.join(done)}")
        raise
    assert ask(site.pair, QUERY, patience_s=0.2) == [None]


@pytest.mark.parametrize("seed", USUAL)
def test_a_sequence(site: Site, seed: int) -> None:
    run_sequence(site, seed, STEPS)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_long_sequence(site: Site, seed: int) -> None:
    run_sequence(site, seed, 3 * STEPS)
