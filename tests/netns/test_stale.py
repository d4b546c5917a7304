# SPDX-License-Identifier: GPL-3.0-or-later
"""However a server ended and however the next one starts: no old program answers beside it, and status is true."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dns.message
import pytest

from appliance.datapath import registry
from demo.network import Pair
from tests.netns.remains import Remains, generations
from tests.netns.serving import ROOT, Server, ask, serving

pytestmark = [pytest.mark.netns, pytest.mark.timeout(400)]

QUERY: Final = dns.message.make_query("www.example.", "A", id=0x1234).to_wire()
BOTH: Final = ("eth0", "eth1")
LOADER_FAILS: Final = {"APPLIANCE_LOADER_TIMEOUT_S": "0.001"}


@dataclass(frozen=True)
class Start:
    """One way to start: interfaces by name and mode, options, environment; `native` is what then runs the program."""

    name: str
    interfaces: tuple[tuple[str, str], ...] = (("eth0", "auto"), ("eth1", "auto"))
    options: tuple[str, ...] = ()
    loader_fails: bool = False
    other_bpffs: bool = False
    native: tuple[str, ...] = ()
    problem: str = ""


NEXT: Final = {
    "killed": (
        Start("--no-xdp", options=("--no-xdp",)),
        Start('mode = "off"', interfaces=(("eth0", "off"), ("eth1", "off"))),
        Start("no table", interfaces=()),
        Start("loader fails", loader_fails=True, problem="no NIC path: the loader took longer"),
        Start("one interface less", interfaces=(("eth1", "auto"),), native=("eth1",)),
        Start(
            "one that is missing",
            interfaces=(("eth0", "auto"), ("none0", "native")),
            native=("eth0",),
            problem="interface none0: no interface none0; it is served when it appears",
        ),
        Start("other bpffs", other_bpffs=True, native=BOTH),
    ),
    "left": (
        Start("--no-xdp and other bpffs", options=("--no-xdp",), other_bpffs=True),
        Start('mode = "off"', interfaces=(("eth0", "off"), ("eth1", "off"))),
        Start("no table", interfaces=()),
        Start("loader fails", loader_fails=True, problem="no NIC path: the loader took longer"),
    ),
}


def write(folder: Path, serial: int, interfaces: tuple[tuple[str, str], ...], detach: bool = True) -> None:
    (folder / "example.zone").write_text(
        f"$TTL 300\n@ SOA ns root {serial} 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.{serial}\n"
    )
    tables = "".join(f'[[interface]]\nname = "{name}"\nmode = "{mode}"\n' for name, mode in interfaces)
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\ndetach_on_stop = {"true" if detach else "false"}\n'
        f'{tables}[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )


@pytest.fixture
def pair(veth_pair: Pair) -> Pair:
    """Return the pair with a second interface at the server's end."""
    veth_pair.server.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "peer1")
    veth_pair.server.run("ip", "address", "add", "10.54.0.1/24", "dev", "eth1")
    for device in ("eth1", "peer1"):
        veth_pair.server.run("ip", "link", "set", device, "up")
    return veth_pair


@pytest.fixture
def other_bpffs(own_bpffs: Path) -> Iterator[Path]:
    """Yield the place of a second bpf file system."""
    folder = own_bpffs.with_name(f"{own_bpffs.name}-other")
    yield folder
    if folder.is_dir():
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)
        folder.rmdir()


def running(pair: Pair) -> tuple[str, ...]:
    """Return the server's interfaces that run a program, as the kernel tells."""
    told = json.loads(pair.server.run("ip", "-json", "link").stdout)
    return tuple(sorted(one["ifname"] for one in told if one.get("xdp", {}).get("prog", {}).get("id")))


def says(reply: bytes | None) -> str:
    assert reply is not None
    return str(dns.message.from_wire(reply).answer[0][0])


def the_truth_is_told(server: Server, start: Start, serial: int) -> None:
    """All ways to the server give what it serves now; status says what the kernel says, and nothing else is well."""
    wire = server.ask(QUERY)[0]
    here = server.pair.server.command([sys.executable, "-c", _ASK_HERE, server.pair.server.address4, QUERY.hex()])
    socket = bytes.fromhex(subprocess.run(here, capture_output=True, text=True, check=True, timeout=60).stdout)
    tcp = server.ask(QUERY, kind="tcp")[0]
    assert [says(reply) for reply in (wire, socket, tcp)] == [f"192.0.2.{serial}"] * 3, start.name
    status = server.told("status")
    shown = {one["name"] for one in status["interfaces"] if one["mode"] == "native"}
    assert running(server.pair) == tuple(sorted(shown)) == start.native, (start.name, status, server.log())
    assert status["nic_path"]["on"] is bool(start.native)
    problems = status["problems"]
    assert [one[: len(start.problem)] for one in problems] == ([start.problem] if start.problem else []), start.name
    assert status["healthy"] is not bool(start.problem)
    assert server.command("status").returncode == (2 if start.problem else 0)
    for one in status["interfaces"]:
        assert (one["program"] > 0) is (one["name"] in start.native)
        assert one["since"] > 1e9


_ASK_HERE: Final = """
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.settimeout(5)
line.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 53))
print(line.recv(4096).hex())
"""


@pytest.fixture(params=list(NEXT))
def ending(request: pytest.FixtureRequest) -> str:
    """Return how the first server ends."""
    return str(request.param)


@pytest.fixture
def remains(pair: Pair, own_bpffs: Path, tmp_path: Path, ending: str) -> Iterator[Remains]:
    """Yield what a server leaves that has ended: killed, or stopped with detach_on_stop = false."""
    write(tmp_path, 1, (("eth0", "auto"), ("eth1", "auto")), detach=ending == "killed")
    with serving(pair, tmp_path) as server:
        the_truth_is_told(server, Start("first", native=BOTH), 1)
        left = Remains(pair.server, own_bpffs)
        if ending == "killed":
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(30)
        else:
            assert server.command("stop").returncode == 0
    assert running(pair) == BOTH
    yield left
    left.close()


def test_no_next_start_leaves_an_old_program(
    pair: Pair,
    own_bpffs: Path,
    other_bpffs: Path,
    tmp_path: Path,
    ending: str,
    remains: Remains,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for serial, start in enumerate(NEXT[ending], 2):
        if not running(pair):
            remains.put_back()
        assert says(ask(pair, QUERY)[0]) == "192.0.2.1"
        write(tmp_path, serial, start.interfaces)
        environment = LOADER_FAILS if start.loader_fails else {}
        monkeypatch.setenv("APPLIANCE_BPFFS", str(other_bpffs if start.other_bpffs else own_bpffs))
        with serving(pair, tmp_path, *start.options, **environment) as server:
            the_truth_is_told(server, start, serial)
            assert server.command("stop").returncode == 0
        assert running(pair) == (), start.name
        assert generations(pair.server, own_bpffs) == [], start.name
        assert remains.written() == [], start.name
    if ending == "left":
        what_nobody_knows_is_foreign(pair, tmp_path, remains)
        detach_without_a_server(pair, tmp_path, remains)


def what_nobody_knows_is_foreign(pair: Pair, folder: Path, remains: Remains) -> None:
    """Without pins and with damaged entries a program is not ours: named, left alone, taken off by force only."""
    remains.put_back(pins=False, entries=False)
    write(folder, 99, ())
    with serving(pair, folder, "--no-xdp") as server:
        status = server.told("status")
        assert "runs another XDP program" not in "".join(status["problems"])  # no interface is configured
        assert len([one for one in status["warnings"] if "runs another XDP program" in one]) == 2
        assert len([one for one in status["warnings"] if "is damaged" in one]) == 2
    write(folder, 99, (("eth0", "auto"), ("eth1", "auto")))
    with serving(pair, folder, "--no-xdp") as server:
        problems = server.told("status")["problems"]
        assert [one.partition(";")[0] for one in problems] == [
            f"interface {link.name}: {link.name} runs another XDP program (id {link.program}), which is not ours"
            for link in remains.links
        ]
        assert server.command("status").returncode == 2
        assert running(pair) == BOTH
        refused = server.command("detach", "eth0")
        assert (refused.returncode, running(pair)) == (1, BOTH)
        assert "`appliance detach --force eth0`" in refused.stderr
        assert server.command("detach", "--force").returncode == 1
        assert server.command("detach", "--force", "eth0").returncode == 0
        assert running(pair) == ("eth1",)
        assert "eth0" not in "".join(server.told("status")["problems"])
    refused = detach(pair, folder, "eth1")
    assert (refused.returncode, running(pair)) == (1, ("eth1",))
    assert detach(pair, folder, "--force", "eth1").returncode == 0
    assert running(pair) == ()
    for path in registry.place().glob("*.json"):
        path.unlink()


def detach_without_a_server(pair: Pair, folder: Path, remains: Remains) -> None:
    """One interface, then all; again; with a broken configuration; with an interface that does not exist."""
    remains.put_back()
    one = detach(pair, folder, "eth0", "--json")
    assert (one.returncode, running(pair)) == (0, ("eth1",))
    told = json.loads(one.stdout)
    assert [(taken["interface"], taken["gone"]) for taken in told["programs"]] == [("eth0", True)]
    (folder / "appliance.toml").write_text("[broken")
    rest = detach(pair, folder)
    assert (rest.returncode, running(pair)) == (0, ())
    assert f"eth1: program {remains.links[0].program} taken off" in rest.stdout
    assert detach(pair, folder).stdout == "no interface runs an XDP program of ours\n"
    nothing = detach(pair, folder, "none0")
    assert (nothing.returncode, "no interface none0" in nothing.stderr) == (1, True)


def detach(pair: Pair, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance", "detach", *arguments, "--config", str(folder / "appliance.toml")]
    here = pair.server.command(command)
    return subprocess.run(here, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)


def test_what_another_user_owns_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_NIC_REGISTRY", str(tmp_path / "registry"))
    from appliance.datapath import owners

    registry.write(registry.entry(3, "eth0", 7, 1234, owners.this_process("/run/a"), Path("/none/g1-1")))
    (file,) = registry.place().iterdir()
    os.chown(file, 65534, 65534)
    assert registry.read()[0] == []
    os.chown(file, 0, 0)
    assert len(registry.read()[0]) == 1
    os.chown(registry.place(), 65534, 65534)
    assert registry.read() == ([], [f"{registry.place()} belongs to user 65534, not to root"])
