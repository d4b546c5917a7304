# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface changes under the running server: status says what became of its queries, and what mends it."""

from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from demo.network import Pair
from tests.netns.serving import EVENT_S, START_S, Server, serving, start

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

QUERY = dns.message.make_query("www.example.", "A", id=0x1234).to_wire()

PASSED_UP = dns.message.make_query("version.server.", "TXT", "CH", id=0x1234).to_wire()


def write(folder: Path, mode: str = "auto") -> None:
    (folder / "example.zone").write_text("@ 300 SOA ns root 1 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n")
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\ndetach_on_stop = {"false" if mode == "generic" else "true"}\n'
        f'[[interface]]\nname = "eth0"\nmode = "{mode}"\n[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )


@pytest.fixture
def server(veth_pair: Pair, tmp_path: Path) -> Iterator[Server]:
    write(tmp_path)
    with serving(veth_pair, tmp_path) as made:
        yield made


def problems(server: Server) -> list[str]:
    """Return the problems in the status; the human output and the exit status must tell the same."""
    told = server.told("status")
    shown = server.command("status")
    assert shown.returncode == (2 if told["problems"] else 0)
    assert shown.stdout.count("!") == len(told["problems"])
    return list(told["problems"])


def test_all_is_well(server: Server) -> None:
    """A veth with VLAN offload on, as it is from the start, is no reason to complain."""
    assert "rx-vlan-offload: on" in server.pair.server.run("ethtool", "-k", "eth0").stdout
    assert problems(server) == []
    told = server.told("status")
    assert told["warnings"] == []
    assert (told["interfaces"][0]["problem"], told["interfaces"][0]["remarks"]) == ("", [])


def test_the_interface_goes(veth_pair: Pair, tmp_path: Path) -> None:
    """The server goes on with its other sockets, and ends in order: the pins do not stay."""
    write(tmp_path)
    with serving(veth_pair, tmp_path) as server:
        veth_pair.server.run("ip", "link", "del", "eth0")
        assert problems(server) == ["interface eth0: no interface eth0; it is served when it appears"]
        assert server.command("stop").returncode == 0
        assert server.process.wait(30) == 0
        assert "could not be taken off" not in server.log()


def test_an_answer_takes_the_way_of_its_question(server: Server) -> None:
    """A frame goes back to the MAC that it came from, whatever the routes say; sockets follow the routes."""
    pair = server.pair
    for address in (pair.server.address4, pair.server.address6):  # the client learns the server's MAC
        assert None not in server.ask(QUERY, PASSED_UP, address=address)
    for address in (pair.client.address4, pair.client.address6):
        pair.server.run("ip", "neigh", "replace", address, "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    for address in (pair.server.address4, pair.server.address6):
        assert server.ask(QUERY, address=address)[0] is not None
        assert server.ask(PASSED_UP, address=address, patience_s=0.5)[0] is None


def test_addresses_of_others_are_left_alone(veth_pair: Pair, tmp_path: Path) -> None:
    """Another program may serve an address of the same interface: what the server does not listen on is its own."""
    own = veth_pair.server.address4.rpartition(".")[0] + ".77"
    veth_pair.server.run("ip", "address", "add", f"{own}/24", "dev", "eth0")
    write(tmp_path)
    config = tmp_path / "appliance.toml"
    config.write_text(config.read_text() + f'[listen]\naddresses = ["{own}"]\n')
    with serving(veth_pair, tmp_path) as server:
        for address, answered in ((own, True), (veth_pair.server.address4, False)):
            (reply,) = server.ask(QUERY, address=address, patience_s=EVENT_S if answered else 0.5)
            assert (reply is not None) is answered, address
        assert server.told("stats")["verdicts"]["answer_nxdomain"] == 1


def test_a_mode_that_fails_leaves_the_former_program(veth_pair: Pair, tmp_path: Path) -> None:
    """The program of an ended server runs in generic mode; a new one asks for native, which the MTU forbids."""
    write(tmp_path, "generic")
    with serving(veth_pair, tmp_path):
        pass
    assert "xdpgeneric" in veth_pair.server.run("ip", "link", "show", "dev", "eth0").stdout
    veth_pair.client.run("ip", "link", "set", "dev", "eth0", "xdp", "off")  # it caps the MTU too
    for end in (veth_pair.client, veth_pair.server):
        end.run("ip", "link", "set", "dev", "eth0", "mtu", "9000")
    write(tmp_path, "native")
    server = start(veth_pair, tmp_path)
    assert server.process.wait(START_S) == 1
    assert "in native mode" in server.log()
    assert "xdpgeneric" in veth_pair.server.run("ip", "link", "show", "dev", "eth0").stdout
    assert server.ask(QUERY)[0] is not None  # nobody else is there to answer
