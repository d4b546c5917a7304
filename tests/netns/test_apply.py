# SPDX-License-Identifier: GPL-3.0-or-later
"""`apply` changes what the NIC path does while a client asks without a pause: every query is answered."""

import os
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from appliance.cli import client
from demo.network import Pair
from tests.chaos.client import Client
from tests.netns.serving import Server, program_on, serving, wait_for

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

QUESTIONS = [dns.message.make_query(name, "A").to_wire() for name in ("ns.example.", "nothing.example.")]
INTERFACE = '[[interface]]\nname = "eth0"\n'


def write(server: Path | Server, *tables: str) -> None:
    """Put a configuration with one zone and some more tables in place."""
    folder = server if isinstance(server, Path) else server.folder
    (folder / "appliance.toml").write_text(
        '[server]\nrun_dir = "run"\nstate_dir = "state"\n'
        + "\n".join(tables)
        + '\n[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )


def applied(server: Server, *tables: str) -> None:
    """Apply a configuration; nothing is left to do then, and nothing is wrong."""
    write(server, *tables)
    path = server.folder / "run" / "control.sock"
    told = client.ask(path, "apply")
    assert told["ok"]
    assert told["changes"]
    assert not client.ask(path, "apply", dry_run=True)["would_change"]
    assert server.told("status")["problems"] == []


@pytest.fixture
def server(veth_pair: Pair, tmp_path: Path) -> Iterator[Server]:
    """Yield a server that names no interface."""
    zone = "@ 300 SOA ns root 1 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
    (tmp_path / "example.zone").write_text(zone)
    write(tmp_path)
    with serving(veth_pair, tmp_path) as made:
        yield made


def mode(server: Server) -> str:
    """Return the mode of the program on the interface, "off" where there is none."""
    return next((str(one["mode"]) for one in server.told("status")["interfaces"]), "off")


def test_the_nic_path_comes_changes_and_goes(server: Server) -> None:
    pair = server.pair
    with Client(pair.client.name, pair.server.address4, QUESTIONS) as asking:
        asking.wait_for(100)
        assert not program_on(pair)
        for tables, expected in (
            ((INTERFACE,), "native"),
            ((INTERFACE, "[limits]\npass_rate = 5000\npass_burst = 50"), "native"),
            ((INTERFACE, "[limits]\nedns_size = 700"), "native"),
            ((INTERFACE + 'mode = "generic"\n', "[limits]\nedns_size = 700"), "generic"),
            ((INTERFACE + 'mode = "native"\n', "[listen]\ntcp_workers = 4"), "native"),
            ((INTERFACE + f'addresses = ["{pair.server.address4}"]\n',), "native"),
            ((INTERFACE + 'mode = "off"\n',), "off"),
            ((INTERFACE,), "native"),
            ((), "off"),
        ):
            applied(server, *tables)
            assert mode(server) == expected
            assert program_on(pair) is (expected != "off")
            asking.wait_for(100)
    assert not asking.lost, f"{len(asking.lost)} of {len(asking.exchanges)}"
    assert server.told("stats")["userspace"]["udp_queries"] > 200
    assert not any(server.told("stats")["put_back"].values())  # each other mode counted as somebody's hand


def test_limits_reach_the_running_program(server: Server) -> None:
    """Those of one generation are told to it as it runs: it is the same program before and after."""
    applied(server, INTERFACE)
    before = server.told("status")["interfaces"][0]["program"]
    applied(server, INTERFACE, "[limits]\npass_rate = 1\npass_burst = 1")
    assert server.told("status")["interfaces"][0]["program"] == before
    passed = dns.message.make_query("version.server.", "TXT", "CH", id=1).to_wire()
    server.ask(*([passed] * 6), patience_s=0.2)
    verdicts = server.told("stats")["verdicts"]
    assert sum(count for name, count in verdicts.items() if name.startswith("drop_policed_")) > 0


def test_an_interface_that_refuses_undoes_the_rest(server: Server) -> None:
    """A mode that the interface cannot take: no program comes, and the workers are those that were there."""
    pair = server.pair
    pair.client.run("ip", "link", "set", "dev", "eth0", "xdp", "off")  # it caps the MTU
    for end in (pair.client, pair.server):
        end.run("ip", "link", "set", "dev", "eth0", "mtu", "9000")
    write(server, INTERFACE + 'mode = "native"\n', "[listen]\ntcp_workers = 3")
    done = server.command("apply")
    assert done.returncode == 1
    assert "serving the interfaces failed" in done.stderr
    assert "the server is as it was before" in done.stderr
    assert not program_on(pair)
    status = server.told("status")
    assert status["workers"]["wanted"] == 2
    assert status["interfaces"] == []
    assert server.ask(QUESTIONS[0])[0] is not None
    applied(server, INTERFACE + 'mode = "generic"\n', "[listen]\ntcp_workers = 3")
    write(server, INTERFACE + 'mode = "native"\n', "[listen]\ntcp_workers = 3")
    assert server.command("apply").returncode == 1
    assert mode(server) == "generic"
    assert server.ask(QUESTIONS[0])[0] is not None


def test_an_address_that_leaves_is_no_longer_answered(server: Server) -> None:
    pair = server.pair
    other = pair.server.address4.rpartition(".")[0] + ".77"
    pair.server.run("ip", "address", "add", f"{other}/24", "dev", "eth0")
    both = f'[listen]\naddresses = ["{pair.server.address4}", "{other}"]'
    applied(server, INTERFACE, both)
    for address in (other, pair.server.address4):
        assert server.ask(QUESTIONS[0], address=address)[0] is not None
    with Client(pair.client.name, pair.server.address4, QUESTIONS) as asking:
        applied(server, INTERFACE, f'[listen]\naddresses = ["{pair.server.address4}"]')
        asking.wait_for(100)
        applied(server, INTERFACE, both)
        asking.wait_for(100)
    assert not asking.lost
    assert server.ask(QUESTIONS[0], address=other)[0] is not None


def test_the_lease_gets_another_length(server: Server) -> None:
    """A lease without end gets one: the process that then stands still loses it, and one that lives keeps it."""
    write(server, INTERFACE)
    config = server.folder / "appliance.toml"
    path = server.folder / "run" / "control.sock"
    config.write_text(config.read_text().replace("[server]\n", "[server]\nlease_s = 0\n"))
    assert client.ask(path, "apply")["ok"]
    config.write_text(config.read_text().replace("lease_s = 0\n", "lease_s = 1\n"))
    assert client.ask(path, "apply")["ok"]
    before = server.told("stats")["verdicts"]["pass_lease"]
    with Client(server.pair.client.name, server.pair.server.address4, QUESTIONS) as asking:
        asking.wait_for(1000)
    assert server.told("stats")["verdicts"]["pass_lease"] == before
    os.kill(server.told("status")["pid"], 19)  # SIGSTOP
    try:
        with Client(server.pair.client.name, server.pair.server.address4, QUESTIONS, pause_s=0.05) as asking:
            asking.wait_for(600)
    finally:
        os.kill(server.process.pid, 18)  # SIGCONT
    assert not asking.lost  # the workers answered
    assert wait_for(lambda: server.told("stats")["verdicts"]["pass_lease"] > before, server)
