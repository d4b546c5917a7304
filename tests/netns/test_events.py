# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces and addresses change under the running server, which follows, says what is so, and keeps to its own."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import dns.message
import msgspec
import pytest

from appliance.datapath import services
from appliance.datapath.events import Changes
from appliance.datapath.loader import Plan
from appliance.wording import counted
from demo import network, xdp_pass
from demo.network import Pair
from tests.datapath.devices import inside
from tests.datapath.fixtures import module_name
from tests.netns.remains import generations
from tests.netns.serving import Server, program_on, serving, wait_for

__all__ = ["module_name"]

pytestmark = [pytest.mark.netns, pytest.mark.timeout(400)]

QUERY: Final = dns.message.make_query("www.example.", "A", id=0x1234).to_wire()
NO_LATE: Final = "interface late0: no interface late0; it is served when it appears"


def write(folder: Path, *interfaces: str, port: int = 53) -> None:
    (folder / "example.zone").write_text(
        "$TTL 300\n@ SOA ns root 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.1\n"
    )
    tables = "".join(f'[[interface]]\nname = "{name}"\nport = {port}\n' for name in interfaces)
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n[listen]\nport = {port}\n{tables}'
        '[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )


@pytest.fixture(scope="module")
def steady(
    own_bpffs: Path, module_name: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Yield a server with an interface, and with another one that is not there."""
    folder = tmp_path_factory.mktemp("steady")
    write(folder, "eth0", "late0")
    with network.veth_pair(module_name()) as pair, serving(pair, folder) as server:
        assert server.told("status")["problems"] == [NO_LATE]
        yield server


@pytest.fixture
def server(steady: Server) -> Server:
    """Return the server of this module, which each test leaves as it found it: native on eth0, without late0."""
    is_native(steady)
    return steady


def problems(server: Server) -> list[str]:
    """Return the problems apart from that of the interface that is not there."""
    return [one for one in server.told("status")["problems"] if one != NO_LATE]


def row(server: Server, name: str = "eth0") -> dict[str, Any]:
    (found,) = [one for one in server.told("status")["interfaces"] if one["name"] == name]
    return dict(found)


def is_native(server: Server, name: str = "eth0") -> None:
    """Wait until an interface runs the program and is as it should be; the kernel must say the same."""
    wait_for(lambda: row(server, name)["mode"] == "native" and not problems(server), server, f"{name} is native")
    told = json.loads(server.pair.server.run("ip", "-json", "link", "show", "dev", name).stdout)
    assert told[0]["xdp"]["prog"]["id"] == row(server, name)["program"]


def nic_answers(server: Server, address: str = "") -> bool:
    """Return whether a query is answered, and by the NIC path."""
    before = server.told("stats")["verdicts"]["answer_positive"]
    reply = server.ask(QUERY, address=address)[0]
    assert reply is not None
    return bool(server.told("stats")["verdicts"]["answer_positive"] > before)


def test_what_somebody_took_off_is_put_back(server: Server) -> None:
    since = row(server)["since"]
    server.pair.server.run("ip", "link", "set", "dev", "eth0", "xdp", "off")
    wait_for(lambda: row(server)["since"] > since, server)
    is_native(server)
    assert nic_answers(server)


def test_what_was_put_back_is_counted_and_told(server: Server) -> None:
    """Taken off, or with another program in its place that then goes: each is a warning in the log, and no problem."""
    end, before = server.pair.server, row(server)["put_back"]
    program, told = row(server)["program"], server.log().count("was gone, and it was not this server")
    end.run("ip", "link", "set", "dev", "eth0", "xdp", "off")
    wait_for(lambda: row(server)["put_back"] == before + 1, server)
    is_native(server)
    last = row(server)["put_back_at"]
    assert row(server)["since"] == pytest.approx(last, abs=5)
    (warning,) = [one for one in server.log().splitlines() if "was gone, and it was not" in one][told:]
    assert f"interface eth0: the XDP program (id {program}) was gone" in warning
    assert f"put back, time {before + 1} since the start" in warning
    assert server.told("stats")["put_back"]["eth0"] == before + 1
    shown = server.command("status")
    assert (shown.returncode, f"put back {counted(before + 1, 'time')} after" in shown.stdout) == (
        2,
        True,
    )  # late0 is the problem
    assert f"put back {counted(before + 1, 'time')} after" in server.command("stats").stdout
    server.command("detach", "eth0")  # what we do ourselves is not counted
    assert server.command("reload").returncode == 0
    is_native(server)
    end.run("ip", "link", "set", "dev", "eth0", "down")
    end.run("ip", "link", "set", "dev", "eth0", "up")
    end.run("ip", "address", "replace", "fd53::1/64", "dev", "eth0", "nodad")
    is_native(server)
    assert (row(server)["put_back"], row(server)["put_back_at"]) == (before + 1, last)


def test_a_program_in_its_place_is_named_and_left_alone(server: Server) -> None:
    xdp_pass.attach(server.pair.server.name, "eth0")
    (problem,) = wait_for(lambda: problems(server), server)
    assert "eth0 runs another XDP program" in problem
    wait_for(lambda: "warning: interface eth0: eth0 runs another XDP program" in server.log(), server)
    assert "`appliance detach --force eth0`" in problem
    assert server.command("status").returncode == 2
    assert not nic_answers(server)
    assert program_on(server.pair)
    server.pair.server.run("ip", "link", "set", "dev", "eth0", "xdp", "off")
    is_native(server)


def test_the_address_of_the_card_changes(server: Server) -> None:
    server.pair.server.run("ip", "link", "set", "dev", "eth0", "address", "02:00:00:00:53:53")
    server.pair.client.run("ip", "neigh", "flush", "all")
    wait_for(lambda: nic_answers(server), server)
    is_native(server)


def test_addresses_come_and_go(server: Server) -> None:
    for address, length in (("10.53.0.77", 24), ("fd53::77", 64)):
        change = [f"{address}/{length}", "dev", "eth0", *(["nodad"] if ":" in address else [])]
        server.pair.server.run("ip", "address", "add", *change)
        wait_for(lambda: address in row(server)["addresses"], server)  # noqa: B023 - it is waited for here
        assert nic_answers(server, address)
        server.pair.server.run("ip", "address", "del", *change[:3])
        wait_for(lambda: address not in row(server)["addresses"], server)  # noqa: B023
        assert nic_answers(server)
    assert problems(server) == []


def test_more_addresses_than_fit_go_to_userspace(server: Server) -> None:
    """64 have a place at most; the others are answered too, and status names them."""
    pair, names = server.pair, [f"10.53.1.{n}" for n in range(1, 81)]
    lines = "".join(f"address add {name}/32 dev eth0\n" for name in names)
    pair.server.run("sh", "-c", f"echo '{lines}' | ip -batch -")
    pair.client.run("ip", "route", "add", "10.53.1.0/24", "dev", "eth0")
    crowded = wait_for(lambda: [w for w in server.told("status")["warnings"] if "go to userspace" in w], server)
    wait_for(lambda: "10.53.1.1" in row(server)["addresses"], server)
    assert nic_answers(server)
    assert not nic_answers(server, crowded[-1].partition("(")[2].partition(",")[0])
    assert "there is no room for more" in crowded[-1]
    pair.server.run("sh", "-c", f"echo '{lines.replace('add ', 'del ')}' | ip -batch -")
    pair.client.run("ip", "route", "del", "10.53.1.0/24")
    wait_for(lambda: not server.told("status")["warnings"], server)


def test_an_address_without_a_place_gets_one_by_a_reload(server: Server, own_bpffs: Path) -> None:
    """It shares its slot with another one: userspace answers until a new generation has another seed."""
    pair = server.pair
    (folder,) = generations(pair.server, own_bpffs)
    seed = msgspec.json.decode(str((folder / "plan").readlink()), type=Plan).service_seed
    taken = services.slot_of(services.packed(pair.server.address4), seed)
    candidates = (f"10.53.{n >> 8}.{n & 255}" for n in range(0x1001, 0xFF00))
    address = next(one for one in candidates if services.slot_of(services.packed(one), seed) == taken)
    pair.client.run("ip", "route", "add", "10.53.0.0/16", "dev", "eth0")
    pair.server.run("ip", "address", "add", f"{address}/32", "dev", "eth0")
    (warning,) = wait_for(lambda: server.told("status")["warnings"], server)
    assert f"queries to 1 address ({address}) go to userspace: `appliance reload` finds places" in warning
    assert not nic_answers(server, address)
    assert nic_answers(server)
    assert server.command("reload").returncode == 0
    assert nic_answers(server, address)
    assert nic_answers(server)
    assert server.told("status")["warnings"] == []
    assert generations(pair.server, own_bpffs) != [folder]
    pair.server.run("ip", "address", "del", f"{address}/32", "dev", "eth0")
    pair.client.run("ip", "route", "del", "10.53.0.0/16")


def test_down_and_up(server: Server) -> None:
    """The program stays on it, and answers nothing: status tells both, since when, and the log too."""
    since = row(server)["since"]
    server.pair.server.run("ip", "link", "set", "dev", "eth0", "down")
    assert program_on(server.pair)
    problem = "eth0 is down, nothing is answered there; `ip link set dev eth0 up`"
    assert problems(server) == [f"interface eth0: {problem}"]
    assert (row(server)["link"], row(server)["mode"], row(server)["problem"]) == ("down", "native", problem)
    assert row(server)["since"] > since
    assert row(server)["since"] == row(server)["since"]
    assert server.command("status").returncode == 2
    wait_for(lambda: f"interface eth0: {problem}" in server.log(), server)
    server.pair.server.run("ip", "link", "set", "dev", "eth0", "up")
    server.pair.server.run("ip", "address", "replace", "fd53::1/64", "dev", "eth0", "nodad")  # down takes it away
    wait_for(lambda: "fd53::1" in row(server)["addresses"], server)
    is_native(server)
    assert nic_answers(server)


def test_the_carrier_is_lost(server: Server) -> None:
    """As when a cable is pulled: the other end of a veth is switched off."""
    server.pair.client.run("ip", "link", "set", "dev", "eth0", "down")
    problem = "interface eth0: eth0 has no carrier, nothing arrives there; look at its cable and its other end"
    assert wait_for(lambda: problems(server), server) == [problem]
    assert (row(server)["link"], row(server)["mode"]) == ("no carrier", "native")
    wait_for(lambda: problem in server.log(), server)
    server.pair.client.run("ip", "link", "set", "dev", "eth0", "up")
    server.pair.client.run("ip", "address", "replace", "fd53::2/64", "dev", "eth0", "nodad")
    is_native(server)
    assert row(server)["link"] == "up"
    wait_for(lambda: "interface eth0: it is up and has a carrier again" in server.log(), server)
    assert nic_answers(server)


def test_deleted_and_made_again(server: Server) -> None:
    """The new one has another index and another MAC address."""
    pair = server.pair
    pair.server.run("ip", "link", "del", "eth0")
    wait_for(lambda: problems(server) == [NO_LATE.replace("late0", "eth0")], server)
    ends = ("netns", pair.server.name, "type", "veth", "peer", "name", "eth0", "netns", pair.client.name)
    network._ip("link", "add", "eth0", *ends)
    for end in (pair.server, pair.client):
        network._configure(end)
    pair.client.run("ethtool", "-K", "eth0", "tx", "off")
    xdp_pass.attach(pair.client.name, "eth0")
    is_native(server)
    wait_for(lambda: pair.server.address4 in row(server)["addresses"], server)
    assert nic_answers(server)


def test_renamed_and_named_back(server: Server) -> None:
    """The configuration goes by names: under another one it is not ours to serve."""
    end = server.pair.server
    end.run("ip", "link", "set", "dev", "eth0", "down")
    end.run("ip", "link", "set", "dev", "eth0", "name", "eth9")
    wait_for(lambda: problems(server) == [NO_LATE.replace("late0", "eth0")], server)
    wait_for(lambda: "prog/xdp" not in end.run("ip", "link", "show", "dev", "eth9").stdout, server)
    end.run("ip", "link", "set", "dev", "eth9", "name", "eth0")
    end.run("ip", "link", "set", "dev", "eth0", "up")
    end.run("ip", "address", "replace", "fd53::1/64", "dev", "eth0", "nodad")
    is_native(server)
    assert nic_answers(server)


def test_another_name_of_an_interface_is_told(server: Server) -> None:
    """`ip link` shows altnames beside the name: one of these in the configuration is no interface that is missing."""
    end = server.pair.server
    end.run("ip", "link", "property", "add", "dev", "eth0", "altname", "late0")
    (problem,) = wait_for(
        lambda: [one["problem"] for one in server.told("status")["interfaces"] if "another name" in one["problem"]],
        server,
    )
    assert problem == 'late0 is another name of eth0 (`altname` of `ip link`): write name = "eth0"'
    done = server.command("detach", "late0")
    assert (done.returncode, "late0 is another name of eth0" in done.stderr) == (1, True)
    end.run("ip", "link", "property", "del", "dev", "eth0", "altname", "late0")


def test_an_interface_that_appears_later_is_served(server: Server) -> None:
    """While it has no address it is a problem of its own."""
    end = server.pair.server
    end.run("ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
    end.run("sysctl", "-qw", "net.ipv6.conf.late0.disable_ipv6=1")
    end.run("ip", "link", "set", "late0", "up")
    end.run("ip", "link", "set", "late1", "up")
    wait_for(lambda: "has no address" in row(server, "late0")["problem"], server)
    assert row(server)["mode"] == "native"
    end.run("ip", "address", "add", "10.55.0.1/24", "dev", "late0")
    is_native(server, "late0")
    end.run("ip", "link", "del", "late0")
    wait_for(lambda: row(server, "late0")["mode"] == "off", server)


def test_detach_keeps_it_off_until_a_reload(server: Server) -> None:
    done = server.command("detach", "eth0")
    assert (done.returncode, program_on(server.pair)) == (0, False)
    assert "`appliance reload` puts the program back" in done.stdout
    (problem,) = problems(server)
    assert problem.startswith("interface eth0: `appliance detach` took the XDP program off eth0 at 20")
    server.pair.server.run("ip", "link", "set", "dev", "eth0", "down")  # whatever happens to the interface
    server.pair.server.run("ip", "link", "set", "dev", "eth0", "up")
    server.pair.server.run("ip", "address", "replace", "fd53::1/64", "dev", "eth0", "nodad")
    assert not nic_answers(server)
    assert not program_on(server.pair)
    assert server.command("reload").returncode == 0
    is_native(server)
    assert server.command("detach", "none0").returncode == 1


def test_no_endless_quarrel(server: Server) -> None:
    """Whoever takes it off again and again wins, and is told of; a reload begins anew."""
    end = server.pair.server
    assert server.command("reload").returncode == 0

    def given_up() -> bool:
        end.run("ip", "link", "set", "dev", "eth0", "xdp", "off")
        return any("lost the XDP program 5 times" in one for one in problems(server))

    wait_for(given_up, server)
    assert not nic_answers(server)
    assert server.command("reload").returncode == 0
    is_native(server)


def test_a_second_server_is_refused(server: Server, tmp_path: Path) -> None:
    """It names the first one's process and serves from userspace; the first one notices nothing, not even its end."""
    write(tmp_path, "eth0", port=5353)
    program = row(server)["program"]
    with serving(server.pair, tmp_path) as second:
        (problem,) = second.told("status")["problems"]
        assert f"another server, process {server.process.pid} ({server.folder / 'run'})" in problem
        assert second.command("status").returncode == 2
        assert second.told("status")["interfaces"][0]["mode"] == "off"
        refused = second.command("detach", "eth0")
        assert (refused.returncode, row(server)["program"]) == (1, program)
        assert str(server.process.pid) in refused.stderr
        assert nic_answers(server)
    is_native(server)
    assert row(server)["program"] == program
    assert nic_answers(server)


def test_a_server_that_hangs_is_passed_over_by_force(server: Server) -> None:
    """When it goes on it finds what was asked, and keeps the interface as the operator wanted it."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        config = str(server.folder / "appliance.toml")
        command = (sys.executable, "-m", "appliance", "detach", "--force", "eth0", "--config", config)
        done = server.pair.server.run(*command, check=False)
        assert (done.returncode, program_on(server.pair)) == (0, False), done.stderr
    finally:
        server.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "`appliance detach` took the XDP program off" in "".join(problems(server)), server)
    assert server.command("reload").returncode == 0
    is_native(server)
    assert nic_answers(server)


def test_lost_notices_are_a_notice(veth_pair: Pair) -> None:
    """More changes than the socket holds: it says that there was one, and goes on."""
    with inside(veth_pair.server.name):
        changes = Changes(room=1)
    try:
        assert not changes.drain()
        lines = "".join(f"address add 10.56.{n}.1/32 dev eth0\n" for n in range(200))
        veth_pair.server.run("sh", "-c", f"echo '{lines}' | ip -batch -")
        assert changes.drain()
        assert not changes.drain()
        veth_pair.server.run("ip", "link", "set", "dev", "eth0", "mtu", "1400")
        assert changes.drain()
    finally:
        changes.close()
