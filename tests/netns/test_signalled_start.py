# SPDX-License-Identifier: GPL-3.0-or-later
"""A start that makes its NIC path and is told to end: no loader, no pins, no program, no half of anything is left."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from appliance.datapath import cache
from demo.network import Pair
from tests.netns.remains import generations
from tests.netns.serving import Server, program_on, start, wait_for

pytestmark = [pytest.mark.netns, pytest.mark.timeout(400)]

ZONE: Final = "$TTL 300\n@ SOA ns root 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n"


def write(folder: Path, mode: str) -> None:
    (folder / "example.zone").write_text(ZONE)
    (folder / "appliance.toml").write_text(
        '[server]\nidentity = "test"\nrun_dir = "run"\nstate_dir = "state"\n'
        f'[[interface]]\nname = "eth0"\nmode = "{mode}"\n'
        '[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )


def loaders(server: Server) -> list[int]:
    """Return the loaders of a server that run."""
    found = []
    for task in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
            found += [int(pid) for pid in children if b"datapath.loader" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        except OSError:
            continue
    return found


@pytest.mark.parametrize("mode", ["auto", "native"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("compiles", [True, False])
def test_while_the_loader_is_at_work(
    veth_pair: Pair,
    own_bpffs: Path,
    tmp_path: Path,
    unique_name: Callable[[], str],
    mode: str,
    number: signal.Signals,
    compiles: bool,
) -> None:
    """As Ctrl-C, the signal goes to the whole group; a loader that heard it was taken for one that failed."""
    write(tmp_path, mode)
    programs = Path("/run") / unique_name()  # where nothing is kept yet, the loader takes seconds
    environment = {cache.VARIABLE: str(programs)} if compiles else {}
    server = start(veth_pair, tmp_path, **environment)
    try:
        found = wait_for(lambda: loaders(server), server, "a loader")
        for pid in (server.process.pid, *(found if number == signal.SIGINT else ())):
            if pid == server.process.pid or os.getpgid(pid) == os.getpgid(server.process.pid):
                os.kill(pid, number)
        assert server.process.wait(60) == 0, server.log()
    finally:
        server.process.kill()
        server.process.wait()
        shutil.rmtree(programs, ignore_errors=True)
    assert server.log().endswith("stopping before the start is done\n")
    for word in ("Traceback", "error:", "no NIC path", "serving from userspace"):
        assert word not in server.log()
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)
    assert not program_on(veth_pair)
    assert generations(veth_pair.server, own_bpffs) == []
    assert not list((tmp_path / "run").glob("*.sock"))
