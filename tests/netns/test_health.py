# SPDX-License-Identifier: GPL-3.0-or-later
"""`appliance health` asks the program of each interface too, whether or not a server process lives."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.network import Pair
from tests.netns.serving import ROOT, Server, serving

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

ZONE = "@ 300 SOA ns root {serial} 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"


def write(folder: Path, mode: str) -> None:
    (folder / "example.zone").write_text(ZONE.format(serial=1))
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n[[interface]]\nname = "eth0"\nmode = "{mode}"\n'
        'verify_checksum = "on"\n[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )


def health(server: Server, patience_s: int = 20) -> tuple[int, dict[str, Any]]:
    """Run the command where the interface is; whether it is healthy, and what it says."""
    config = str(server.folder / "appliance.toml")
    code = (
        "import subprocess, sys; done = subprocess.run([sys.executable, '-m', 'appliance', 'health', '--json', "
        "'--timeout', sys.argv[3], '--config', sys.argv[1]], cwd=sys.argv[2], capture_output=True, text=True); "
        "print(done.returncode, done.stdout or done.stderr)"
    )
    said = server.pair.server.run(sys.executable, "-c", code, config, str(ROOT), str(patience_s)).stdout
    status, _, text = said.partition(" ")
    return int(status), json.loads(text)


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_the_program_is_asked(veth_pair: Pair, tmp_path: Path, mode: str) -> None:
    write(tmp_path, mode)
    with serving(veth_pair, tmp_path) as server:
        status, told = health(server)
        assert (status, told["problems"], told["remarks"]) == (0, [], [])
        nic = [one for one in told["answers"] if one["way"].startswith("NIC path eth0 ")]
        assert {"." in one["way"].split()[-1] for one in nic} == {True, False}  # IPv4 and IPv6
        assert {(one["rcode"], one["serial"]) for one in nic} == {("NOERROR", 1)}
        counted = server.told("stats")["verdicts"]
        assert counted["answer_positive"] == len(nic)
        assert not any(value for name, value in counted.items() if name.startswith("drop_"))


def test_a_killed_server_is_not_healthy_though_its_program_answers(veth_pair: Pair, tmp_path: Path) -> None:
    write(tmp_path, "native")
    with serving(veth_pair, tmp_path) as server:
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(30)
        status, told = health(server, 5)  # nobody says that the UDP socket has gone: it is waited for
        assert status == 1
        assert any(one["way"].startswith("NIC path") and one["serial"] == 1 for one in told["answers"])
        assert all("NIC path" not in one for one in told["problems"])
        assert any("TCP" in one for one in told["problems"])


def test_an_interface_without_a_program_is_a_remark(veth_pair: Pair, tmp_path: Path) -> None:
    write(tmp_path, "auto")
    with serving(veth_pair, tmp_path, "--no-xdp") as server:
        status, told = health(server)
        assert (status, told["problems"]) == (0, [])
        assert told["remarks"] == ["interface eth0 runs no XDP program"]
