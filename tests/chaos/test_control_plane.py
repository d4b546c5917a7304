# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane is killed, restarted and given what it cannot load; clients get every answer all the while."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.datapath import cache
from demo.network import DEVICE, Pair
from tests.chaos import versions
from tests.chaos.client import Client, Exchange
from tests.chaos.serving import Server

pytestmark = [pytest.mark.chaos, pytest.mark.netns]


def client(pair: Pair, address: str = "") -> Client:
    """Return a client at the other end."""
    return Client(pair.client.name, address or pair.server.address4, versions.QUESTIONS)


def all_of_one_version(exchanges: list[Exchange], allowed: set[int]) -> None:
    """Fail unless every query was answered, each from one of these versions."""
    lost = sum(exchange.reply is None for exchange in exchanges)
    assert not lost, f"{lost} of {len(exchanges)} queries unanswered"
    for exchange in exchanges:
        assert exchange.reply is not None
        found = versions.stamps(exchange.reply)
        assert len(found) == 1, f"a blend of versions {found}: {exchange.reply.hex()}"
        assert found <= allowed


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_killed_server_goes_on_answering(server: Server, veth_pair: Pair, family: str) -> None:
    """SIGKILL under load: not one query is lost, now or later, and all still get the zone's data."""
    address = veth_pair.server.address4 if family == "v4" else veth_pair.server.address6
    with client(veth_pair, address) as asking:
        asking.wait_for(500)
        server.signal(signal.SIGKILL)
        asking.wait_for(3000)
    assert server.attached()
    all_of_one_version(asking.exchanges, {1})


def test_restart_after_a_kill(server: Server, veth_pair: Pair, own_bpffs: Path) -> None:
    """A new process takes over from the program of the dead one: no query is lost, one generation is left."""
    first = server.attached()
    with client(veth_pair) as asking:
        asking.wait_for(300)
        server.signal(signal.SIGKILL)
        server.write(versions.text(2))
        server.start()
        asking.wait_for(1000)
    assert server.attached() not in (0, first)
    assert len(server.generations(own_bpffs)) == 1
    all_of_one_version(asking.exchanges, {1, 2})
    last = asking.exchanges[-1].reply
    assert last is not None
    assert versions.stamps(last) == {2}


def test_orderly_restart_without_detaching(veth_pair: Pair, own_bpffs: Path, tmp_path: Path) -> None:
    """With detach_on_stop = false an upgrade loses no query either."""
    server = Server(veth_pair.server, tmp_path, versions.ORIGIN, detach_on_stop=False)
    server.write(versions.text(1))
    server.start()
    with client(veth_pair) as asking:
        asking.wait_for(300)
        server.signal(signal.SIGTERM)
        assert server.attached()
        asking.wait_for(300)
        server.start()
        asking.wait_for(300)
    server.signal(signal.SIGTERM)
    all_of_one_version(asking.exchanges, {1})


_LOAD = f"""
import sys
from appliance.datapath.generation import Generation, InterfaceSpec
from appliance.errors import DatapathError
try:
    Generation.load([InterfaceSpec("{DEVICE}")], bucket_bits=10, chunks=int(sys.argv[1]), zones=16)
except DatapathError as error:
    print("refused:", error)
"""

# Ends with pins as a loader leaves them that dies after the arrays and before the programs.
_HALF = f"""
from appliance.datapath.generation import Generation, InterfaceSpec
loaded = Generation.load([InterfaceSpec("{DEVICE}")], bucket_bits=10, chunks=2, zones=16)
for pin in loaded.folder.glob("prog_*"):
    pin.unlink()
print(loaded.folder)
"""


def _kill_at_random(server: Server, asking: Client, rng: random.Random, serial: int) -> None:
    """Kill the server at some moment of a start or of a reload, then start it again."""
    server.write(versions.text(serial, hosts=400))
    if rng.random() < 0.5:
        reloading = subprocess.Popen(
            [sys.executable, "-m", "appliance", "zone", "reload", "--config", str(server.config), versions.ORIGIN],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0, 0.4))
        server.signal(signal.SIGKILL)
        reloading.wait(60)
    else:
        server.signal(signal.SIGKILL)
        server.start(wait=False)
        time.sleep(rng.uniform(0.05, 3.0))
        server.signal(signal.SIGKILL)
    asking.wait_for(100)
    server.start()
    asking.wait_for(100)


def _killed_often(server: Server, veth_pair: Pair, own_bpffs: Path, times: int, seed: int) -> None:
    rng = random.Random(seed)
    with client(veth_pair) as asking:
        for serial in range(2, 2 + times):
            _kill_at_random(server, asking, rng, serial)
            asked = asking.take()
            all_of_one_version(asked, {serial - 1, serial})
            assert versions.stamps(asked[-1].reply or b"") == {serial}
            assert len(server.generations(own_bpffs)) == 1
            assert server.attached()


@pytest.mark.timeout(240)
def test_killed_at_random_moments(server: Server, veth_pair: Pair, own_bpffs: Path) -> None:
    """Kills in the middle of starts and reloads: every query is answered, from one version; the last one wins."""
    _killed_often(server, veth_pair, own_bpffs, 3, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_killed_at_many_random_moments(server: Server, veth_pair: Pair, own_bpffs: Path) -> None:
    """A thousand kills."""
    _killed_often(server, veth_pair, own_bpffs, 1000, seed=2)


def test_broken_zone_keeps_the_old_one(steady: Server, steady_pair: Pair) -> None:
    """A zone that cannot be loaded changes nothing; mended, it is served."""
    server, program, serial = steady, steady.attached(), steady.serial
    with client(steady_pair) as asking:
        for broken in ("", "no zone at all", versions.text(9).replace("SOA", "TXT"), versions.text(9) + "x A 1.2.3\n"):
            server.write(broken)
            assert not server.reload()
            asking.wait_for(50)
        assert server.attached() == program
        so_far = list(asking.exchanges)
        server.write(versions.text(serial + 1))
        assert server.reload()
        asking.wait_for(100)
    assert {stamp for one in so_far for stamp in versions.stamps(one.reply or b"")} == {serial}
    all_of_one_version(asking.exchanges, {serial, serial + 1})


def test_half_made_pins_are_removed(server: Server, own_bpffs: Path) -> None:
    """A loader that was killed while it pinned leaves arrays and no program: they would fill the memory for good."""
    half = server.end.run(sys.executable, "-c", _HALF)
    folder = Path(half.stdout.strip())
    assert folder in server.generations(own_bpffs)
    assert (folder / "heap").exists()
    server.signal(signal.SIGKILL)
    server.start()
    assert folder not in server.generations(own_bpffs)
    assert len(server.generations(own_bpffs)) == 1


@pytest.mark.parametrize("failure", ["compile", "memory"])
def test_failed_load_never_detaches(
    steady: Server, steady_pair: Pair, own_bpffs: Path, failure: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program that does not compile, arrays that no machine holds: the program that works stays, nothing is left."""
    program, pinned, serial = steady.attached(), steady.generations(own_bpffs), steady.serial
    chunks = 2
    if failure == "compile":
        monkeypatch.setenv("BCC_KERNEL_SOURCE", str(tmp_path / "no-headers"))
        monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    else:
        chunks = 1 << 24  # 16 TiB of heap
    with client(steady_pair) as asking:
        loading = steady.end.run(sys.executable, "-c", _LOAD, str(chunks), check=False)
        asking.wait_for(200)
    assert loading.stdout.startswith("refused"), loading.stderr
    assert steady.attached() == program
    assert steady.generations(own_bpffs) == pinned
    all_of_one_version(asking.exchanges, {serial})
