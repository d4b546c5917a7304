# SPDX-License-Identifier: GPL-3.0-or-later
"""`appliance detach` in every situation: lines that go together, an exit status that says the same as they do.

And `appliance status` where no server runs: what its program still does, until when, and what takes it off.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dns.message
import pytest

from demo import xdp_pass
from demo.network import Pair
from tests.netns.serving import ROOT, Server, ask, program_on, serving

pytestmark = [pytest.mark.netns, pytest.mark.timeout(400), pytest.mark.usefixtures("own_bpffs")]

QUERY: Final = dns.message.make_query("www.example.", "A", id=0x1234).to_wire()
NOBODY: Final = 65534


def write(folder: Path, *interfaces: str, port: int = 53, server: str = "") -> None:
    (folder / "example.zone").write_text(
        "$TTL 300\n@ SOA ns root 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.1\n"
    )
    tables = "".join(f'[[interface]]\nname = "{name}"\nport = {port}\n' for name in interfaces)
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n{server}[listen]\nport = {port}\n{tables}'
        '[[zone]]\nname = "example."\nfile = "example.zone"\n'
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
def folder() -> Iterator[Path]:
    """Yield a folder that everybody can look into."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@dataclass(frozen=True)
class Said:
    """Outcome of a command: exit status, lines of standard output and of standard error."""

    status: int
    out: list[str]
    err: list[str]


def command(pair: Pair, folder: Path, *arguments: str, user: int = 0) -> Said:
    """Run one of the operator's commands where the interfaces are."""
    who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    whole = [*who, sys.executable, "-m", "appliance", *arguments, "--config", str(folder / "appliance.toml")]
    done = subprocess.run(pair.server.command(whole), capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert "Traceback" not in done.stderr
    return Said(done.returncode, done.stdout.splitlines(), done.stderr.splitlines())


def detach(pair: Pair, folder: Path, *arguments: str, user: int = 0) -> Said:
    """Detach; JSON must say the same as the lines, of what is not there any more, or still there."""
    return command(pair, folder, "detach", *arguments, user=user)


def program(pair: Pair, name: str) -> int:
    (told,) = json.loads(pair.server.run("ip", "-json", "link", "show", "dev", name).stdout)
    return int(told.get("xdp", {}).get("prog", {}).get("id", 0))


def kill(server: Server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)


def test_without_a_server(pair: Pair, folder: Path) -> None:
    """Nothing there; a program of somebody else; root and others; interfaces that there are not."""
    write(folder, "eth0")
    (folder / "appliance.toml").chmod(0o644)
    nothing = "no interface runs an XDP program of ours"
    for user in (0, NOBODY):
        assert detach(pair, folder, user=user) == Said(0, [nothing], [])
        assert detach(pair, folder, "eth0", user=user) == Said(0, ["eth0 runs no XDP program"], [])
        assert detach(pair, folder, "--force", "eth0", user=user) == Said(0, ["eth0 runs no XDP program"], [])
        missing = detach(pair, folder, "none0", user=user)
        assert missing == Said(1, [], ["appliance: no interface none0; `ip link` lists those there are"])
        empty = detach(pair, folder, "", user=user)
        assert empty == Said(1, [], ["appliance: the INTERFACE given is empty; leave it out where all are meant"])
        assert detach(pair, folder, "--force", user=user).status == 1
    xdp_pass.attach(pair.server.name, "eth1")
    foreign = (
        f"eth1 runs another XDP program (id {program(pair, 'eth1')}), which is not ours; end who put it there, or take "
        "it off with `appliance detach --force eth1`"
    )
    assert detach(pair, folder) == Said(0, [foreign, nothing], [])
    assert detach(pair, folder, "eth0") == Said(0, ["eth0 runs no XDP program"], [])
    assert detach(pair, folder, "eth1") == Said(1, [], [foreign])
    for arguments in ((), ("eth1",), ("--force", "eth1")):
        refused = detach(pair, folder, *arguments, user=NOBODY)
        assert (refused.status, refused.out, len(refused.err)) == (1, [], 1)
        assert "by root only: sudo appliance detach" in refused.err[0]
    assert program(pair, "eth1")
    gone = f"eth1: program {program(pair, 'eth1')} taken off"
    assert detach(pair, folder, "--force", "eth1") == Said(0, [gone], [])
    assert not program(pair, "eth1")


def test_with_the_server(pair: Pair, tmp_path: Path) -> None:
    """One, again, all, one that is not its own, one that there is not; a reload puts back what it says."""
    write(tmp_path, "eth0", "eth1")
    with serving(pair, tmp_path) as server:
        number = program(pair, "eth0")
        back = "; `appliance reload` puts the program back"
        gone = [f"eth0: program {number} taken off", f"userspace answers on eth0{back}"]
        assert detach(pair, tmp_path, "eth0") == Said(0, gone, [])
        again = ["eth0 runs no XDP program", f"userspace answers on eth0{back}"]
        assert detach(pair, tmp_path, "eth0") == Said(0, again, [])
        assert detach(pair, tmp_path, "lo") == Said(0, ["lo runs no XDP program"], [])
        missing = detach(pair, tmp_path, "none0")
        assert missing == Said(1, [], ["appliance: no interface none0; `ip link` lists those there are"])
        xdp_pass.attach(pair.server.name, "eth0")
        partly = detach(pair, tmp_path)
        assert partly.status == 0  # the other one is not ours
        assert partly.out[0].startswith(f"eth0 runs another XDP program (id {program(pair, 'eth0')})")
        assert partly.out[1:] == [f"eth1: program {number} taken off", f"userspace answers on eth0, eth1{back}"]
        refused = detach(pair, tmp_path, "eth0")
        assert (refused.status, len(refused.err)) == (1, 1)
        assert refused.out == []
        assert detach(pair, tmp_path, "--force", "eth0").status == 0
        assert (program(pair, "eth0"), program(pair, "eth1")) == (0, 0)
        assert server.command("reload").returncode == 0
        assert program(pair, "eth0") == program(pair, "eth1") > 0
        whole = json.loads("\n".join(detach(pair, tmp_path, "--json").out))
        assert (whole["ok"], whole["by_server"], whole["kept_off"]) == (True, True, ["eth0", "eth1"])
        assert [(one["interface"], one["gone"]) for one in whole["programs"]] == [("eth0", True), ("eth1", True)]


def test_with_a_server_that_has_no_nic_path(pair: Pair, tmp_path: Path) -> None:
    """No reload puts anything back there, so nothing says so."""
    write(tmp_path, "eth0")
    with serving(pair, tmp_path, "--no-xdp") as server:
        assert detach(pair, tmp_path) == Said(0, ["no interface runs an XDP program of ours"], [])
        assert detach(pair, tmp_path, "eth0") == Said(0, ["eth0 runs no XDP program"], [])
        assert server.told("status")["problems"] == []


def test_the_program_of_another_living_server(pair: Pair, tmp_path: Path) -> None:
    """It is named with its process, also where a broken configuration hides that it is ours; by force it comes back."""
    write(tmp_path, "eth0")
    other = tmp_path / "other"
    other.mkdir()
    write(other)
    with serving(pair, tmp_path) as server:
        number = program(pair, "eth0")
        owner = f"the program {number} on eth0 is of a server that lives, process {server.process.pid}"
        for arguments in ((), ("eth0",)):
            refused = detach(pair, other, *arguments)
            mend = f"{owner} ({tmp_path / 'run'}); give its configuration with --config, or end it"
            assert refused == Said(1, [], [mend])
        (other / "appliance.toml").write_text("[broken")
        assert detach(pair, other).status == 1
        assert program(pair, "eth0") == number
        forced = detach(pair, other, "--force", "eth0")
        assert forced.status == 0
        (line,) = forced.out
        assert line.startswith(f"eth0: program {number} taken off; {owner}")
        assert "which may put it back; end that one, or give its configuration" in line


@pytest.fixture
def killed(pair: Pair, folder: Path) -> Iterator[Server]:
    """Yield a server on both interfaces that was killed."""
    write(folder, "eth0", "eth1", server="lease_s = 3000.0\n")
    with serving(pair, folder) as server:
        kill(server)
        yield server


def status(server: Server, user: int = 0) -> tuple[list[str], dict[str, Any]]:
    """Return the lines of status on standard error, and what it says as JSON."""
    plain = command(server.pair, server.folder, "status", user=user)
    whole = command(server.pair, server.folder, "status", "--json", user=user)
    assert (plain.status, whole.status, plain.out) == (3, 3, [])
    told = json.loads("\n".join(whole.out))
    assert (told["state"], told["healthy"]) == ("not running", False)
    return plain.err, told


def test_status_tells_what_a_killed_server_left(killed: Server) -> None:
    pair, number = killed.pair, program(killed.pair, "eth0")
    lines, told = status(killed)
    assert len(lines) == len(told["problems"]) == 3
    for name, line, row in zip(("eth0", "eth1"), lines[1:], told["interfaces"], strict=True):
        assert line.startswith(f"appliance: interface {name}: {name} still runs the XDP program (id {number})")
        assert f"(process {killed.process.pid}): it answers from the zones of then until 20" in line
        assert line.endswith(f"(lease_s); `appliance detach {name}` takes it off")
        assert (row["name"], row["mode"], row["program"], row["answers"]) == (name, "native", number, True)
        assert 0 < row["answers_until"] - time.time() <= 3000
    assert ask(pair, QUERY)[0] is not None
    pair.server.run("ip", "link", "set", "dev", "eth1", "down")
    lines, told = status(killed)
    assert "eth1 is down, nothing is answered there" in lines[2]
    assert [row["answers"] for row in told["interfaces"]] == [True, False]
    assert detach(pair, killed.folder, "eth0").status == 0
    assert len(status(killed)[0]) == 2
    assert detach(pair, killed.folder).status == 0
    assert [len(said) for said in (status(killed)[0], status(killed)[1]["interfaces"])] == [1, 0]


def test_who_is_not_root_is_told_what_can_be_seen(killed: Server) -> None:
    """Whose the program is and until when it answers stands where root alone can read."""
    for path in (killed.folder / "appliance.toml", *(killed.folder / "run").glob("*.sock")):
        path.chmod(0o666)
    lines, told = status(killed, NOBODY)
    assert "which may be ours and answer old data: `sudo appliance status` can tell" in lines[1]
    assert [row["answers"] for row in told["interfaces"]] == [None, None]


def test_a_lease_that_is_over(pair: Pair, tmp_path: Path) -> None:
    write(tmp_path, "eth0", server="lease_s = 1.0\n")
    with serving(pair, tmp_path) as server:
        kill(server)
        deadline = time.monotonic() + 60
        while status(server)[1]["interfaces"][0]["answers"]:
            assert time.monotonic() < deadline
        assert "it hands everything up (lease_s), and nobody answers" in status(server)[0][1]
        assert ask(pair, QUERY, patience_s=0.5) == [None]
        assert program_on(pair)


def test_a_lease_without_end(pair: Pair, tmp_path: Path) -> None:
    write(tmp_path, "eth0", server="lease_s = 0\ndetach_on_stop = false\n")
    with serving(pair, tmp_path) as server:
        assert server.command("stop").returncode == 0
        server.process.wait(30)
    lines, told = status(server)
    assert "it answers from the zones of then, without end (lease_s = 0)" in lines[1]
    assert (told["interfaces"][0]["answers"], told["interfaces"][0]["answers_until"]) == (True, None)
