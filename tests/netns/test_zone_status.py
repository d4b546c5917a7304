# SPDX-License-Identifier: GPL-3.0-or-later
"""`appliance zone status NAME` proves what is served through the program of each interface too."""

import json
import sys
from pathlib import Path

import pytest

from demo.network import Pair
from tests.netns.serving import ROOT, serving

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

CODE = (
    "import subprocess, sys; done = subprocess.run([sys.executable, '-m', 'appliance', 'zone', 'status', 'example', "
    "'--json', '--timeout', '20', '--config', sys.argv[1]], cwd=sys.argv[2], capture_output=True, text=True); "
    "print(done.returncode, done.stdout or done.stderr)"
)


def test_the_nic_path_is_asked(veth_pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "example.zone").write_text(
        "@ 300 SOA ns root 7 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
    )
    (tmp_path / "appliance.toml").write_text(
        '[server]\nrun_dir = "run"\nstate_dir = "state"\n[[interface]]\nname = "eth0"\nmode = "native"\n'
        'verify_checksum = "on"\n[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )
    with serving(veth_pair, tmp_path) as server:
        config = str(tmp_path / "appliance.toml")
        status, _, text = server.pair.server.run(sys.executable, "-c", CODE, config, str(ROOT)).stdout.partition(" ")
        told = json.loads(text)
        assert (status, told["path"], told["serial"]) == ("0", "NIC path", 7)
        nic = [one for one in told["proof"]["answers"] if one["way"].startswith("NIC path eth0 ")]
        assert {(one["rcode"], one["serial"]) for one in nic} == {("NOERROR", 7)}
        assert told["proof"]["proved"] is True
