# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface moves into another network namespace and takes its program along: known there, and looked after."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dns.message
import pytest

from appliance.datapath import registry
from demo import network
from demo.network import Namespace, Pair
from tests.netns.serving import ROOT, Server, ask, program_on, serving, wait_for

pytestmark = [pytest.mark.netns, pytest.mark.timeout(400), pytest.mark.usefixtures("own_bpffs")]

QUERY: Final = dns.message.make_query("www.example.", "A", id=0x1234).to_wire()
NO_ETH0: Final = "interface eth0: no interface eth0; it is served when it appears"


@dataclass(frozen=True)
class Places:
    """Where the interface can be: at `first`, to begin with, or at `second`; each has a folder for its server."""

    first: Pair
    second: Pair
    folders: tuple[Path, Path]

    def move(self, source: Pair, target: Pair) -> None:
        """Move the interface, and give it its addresses there."""
        source.server.run("ip", "link", "set", "dev", "eth0", "netns", target.server.name)
        network._configure(target.server)


@pytest.fixture
def places(veth_pair: Pair, unique_name: Callable[[], str], tmp_path: Path) -> Iterator[Places]:
    name = f"{unique_name()}-other"
    folders = (tmp_path / "first", tmp_path / "second")
    for serial, folder in enumerate(folders, 1):
        folder.mkdir()
        write(folder, serial)
    with network._namespaces(name) as (other,):
        assert (other.address4, other.address6) == (veth_pair.server.address4, veth_pair.server.address6)
        made = Places(veth_pair, Pair(Namespace(name, other.address4, other.address6), veth_pair.client), folders)
        for entry in entries(made):  # of namespaces that had these numbers before
            (registry.place() / entry).unlink()
        yield made
        assert entries(made) == []


def write(folder: Path, serial: int, interface: bool = True) -> None:
    (folder / "example.zone").write_text(
        f"$TTL 300\n@ SOA ns root {serial} 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.{serial}\n"
    )
    table = '[[interface]]\nname = "eth0"\n' if interface else ""
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n{table}[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )


def says(pair: Pair) -> str:
    (reply,) = ask(pair, QUERY, patience_s=2.0)
    return str(dns.message.from_wire(reply).answer[0][0]) if reply is not None else "nothing"


def nic_answers(server: Server, serial: int) -> bool:
    before = server.told("stats")["verdicts"].get("answer_positive", 0)
    assert says(server.pair) == f"192.0.2.{serial}"
    return bool(server.told("stats")["verdicts"].get("answer_positive", 0) > before)


def detach(pair: Pair, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance", "detach", *arguments, "--config", str(folder / "appliance.toml")]
    here = pair.server.command(command)
    return subprocess.run(here, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)


def kill(server: Server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)


def entries(places: Places) -> list[str]:
    """Return the entries of these two namespaces."""
    numbers = [Path(f"/run/netns/{one.server.name}").stat().st_ino for one in (places.first, places.second)]
    return [path.name for number in numbers for path in registry.place().glob(f"*-{number}-*.json")]


def test_the_next_server_there_takes_it_over(places: Places) -> None:
    """The first one was killed; what its program answers is old, and the next start ends that, wherever it is."""
    first, second = places.folders
    with serving(places.first, first) as server:
        assert nic_answers(server, 1)
        kill(server)
    places.move(places.first, places.second)
    assert says(places.second) == "192.0.2.1"
    with serving(places.second, second) as server:
        assert server.told("status")["problems"] == []
        assert nic_answers(server, 2)
    assert not program_on(places.second)


def test_a_server_that_wants_none_takes_it_off(places: Places) -> None:
    first, second = places.folders
    write(second, 2, interface=False)
    with serving(places.first, first) as server:
        kill(server)
    places.move(places.first, places.second)
    with serving(places.second, second, "--no-xdp") as server:
        assert not program_on(places.second)
        assert server.told("status")["problems"] == []
        assert says(places.second) == "192.0.2.2"


def test_the_first_server_starts_again_without_it(places: Places) -> None:
    """It cannot reach it, but silences it; it is still known as ours where it is."""
    with serving(places.first, places.folders[0]) as server:
        kill(server)
    places.move(places.first, places.second)
    with serving(places.first, places.folders[0]) as server:
        assert server.told("status")["problems"] == [NO_ETH0]
        assert says(places.second) == "nothing"  # handed up, and nobody is there
        assert program_on(places.second)
    assert len(entries(places)) == 1
    taken = detach(places.second, places.folders[1], "--json")
    assert (taken.returncode, program_on(places.second)) == (0, False), taken.stderr
    assert [one["gone"] for one in json.loads(taken.stdout)["programs"]] == [True]


def test_what_an_ordered_stop_cannot_reach_is_silenced(places: Places) -> None:
    with serving(places.first, places.folders[0]) as server:
        places.move(places.first, places.second)
        assert server.command("stop").returncode == 0
        server.process.wait(30)
        assert says(places.second) == "nothing"
        assert program_on(places.second)
    with serving(places.second, places.folders[1]) as server:
        assert server.told("status")["problems"] == []
        assert nic_answers(server, 2)


def test_the_interface_belongs_to_the_server_of_its_namespace(places: Places) -> None:
    """The first one lives on: it says that its interface is gone, holds nobody up, and serves it when it is back."""
    with serving(places.first, places.folders[0]) as first:
        places.move(places.first, places.second)
        wait_for(lambda: first.told("status")["problems"] == [NO_ETH0], first)
        wait_for(lambda: says(places.second) == "nothing", first)
        write(places.folders[1], 2, interface=False)
        with serving(places.second, places.folders[1]) as second:  # not asked to serve it: only told
            assert program_on(places.second)
            (warning,) = second.told("status")["warnings"]
            assert f"process {first.process.pid} along from another network namespace" in warning
            assert second.told("status")["problems"] == []
        write(places.folders[1], 2)
        with serving(places.second, places.folders[1]) as second:
            assert second.told("status")["problems"] == []
            assert nic_answers(second, 2)
            assert first.told("status")["problems"] == [NO_ETH0]
            places.move(places.second, places.first)
            wait_for(lambda: not first.told("status")["problems"], first)
            assert nic_answers(first, 1)
            wait_for(lambda: second.told("status")["problems"] == [NO_ETH0], second)
        assert nic_answers(first, 1)


def test_detach_takes_a_living_servers_program_off_that_it_cannot_reach(places: Places) -> None:
    with serving(places.first, places.folders[0]) as first:
        places.move(places.first, places.second)
        done = detach(places.second, places.folders[1], "eth0")
        assert (done.returncode, program_on(places.second)) == (0, False), done.stderr
        wait_for(lambda: first.told("status")["problems"] == [NO_ETH0], first)
        places.move(places.second, places.first)
        wait_for(lambda: not first.told("status")["problems"], first)
        assert nic_answers(first, 1)
