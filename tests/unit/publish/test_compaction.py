# SPDX-License-Identifier: GPL-3.0-or-later
"""A long run of changes: waste is compiled away in the background, and nobody notices but the memory."""

import random
import re
import signal
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final

import pytest

from tests.chaos import versions
from tests.chaos.client import Exchange
from tests.chaos.test_reload import no_blend
from tests.harness.served import Served, configuration, serving, until

pytestmark = [pytest.mark.unit, pytest.mark.slow]

MORE: Final = "[store]\nimage_delay_s = 0.5\ncompact_mib = 0\ncompact_percent = 15\n"
HOSTS: Final = 1200
"""More owners than a zone has that is compiled whole with each change."""
DONE: Final = re.compile(r"the store was compiled anew: (\d+) KiB .* instead of (\d+); zones changed meanwhile: (\d+)")


class Reader:
    """Asks over loopback, one question after the other, from entry to exit; notes what came of each."""

    def __init__(self, port: int) -> None:
        """Ask a server at a port."""
        self.exchanges: list[Exchange] = []
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        chance = random.Random(53)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5.0)
            asking.connect(("127.0.0.1", self._port))
            while not self._stop.is_set():
                query = chance.randbytes(2) + chance.choice(versions.QUESTIONS)[2:]
                sent = time.monotonic()
                asking.send(query)
                try:
                    reply = asking.recv(4096)
                except TimeoutError:
                    reply = None
                self.exchanges.append(Exchange(query, sent, reply, time.monotonic()))
                time.sleep(0.001)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration(versions.ORIGIN, "other.", more=MORE))
    put(tmp_path, 1)
    (tmp_path / "other.zone").write_text("@ 300 SOA ns root 1 2 3 4 5\n@ 300 NS ns\nns 300 A 192.0.2.1\n")
    return tmp_path


def put(folder: Path, serial: int, hosts: int = HOSTS) -> None:
    """Put a version of the zone in place."""
    draft = folder / "draft"
    draft.write_text(versions.text(serial, hosts))
    draft.replace(folder / f"{versions.ORIGIN}zone")


def compactions(server: Served) -> list[tuple[int, int, int]]:
    """Return what the log says of each: KiB now, KiB before, zones that changed meanwhile."""
    return [(int(now), int(before), int(zones)) for now, before, zones in DONE.findall(server.log())]


def shared_octets(server: Served) -> int:
    """Return how much memory of stores the control process maps."""
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    found = re.findall(r"(?m)^(\w+)-(\w+) rw-s \S+ \S+ \S+ +/dev/zero", maps)
    return sum(int(end, 16) - int(start, 16) for start, end in found)


def used_octets(server: Served) -> int:
    """Return how much of the heap zones take, their waste included."""
    store = server.ask("stats")["store"]
    return int(sum(store[f"{kind}_octets"] for kind in ("node", "answer", "fragment", "other", "changed")))


def changed_under_a_reader(folder: Path, times: int) -> None:
    """Change a zone again and again; every answer is of one version, the newest at its time, and memory is bounded."""
    changes = []
    with serving(folder) as server:
        fresh, mapped = used_octets(server), shared_octets(server)
        most = 0
        with Reader(server.port) as reader:
            for serial in range(2, 2 + times):
                put(folder, serial, HOSTS + serial % 40)
                begun = time.monotonic()
                assert server.ask("reload", zone=versions.ORIGIN)["zones"][0]["ok"]
                changes.append((serial, begun, time.monotonic()))
                most = max(most, used_octets(server))
            until(lambda: len(compactions(server)) > times // 40)
        done = compactions(server)
        assert any(meanwhile for _, _, meanwhile in done)
        assert any(now < before for now, before, _ in done)
        assert most < 3 * fresh + (1 << 20)
        assert shared_octets(server) < 3 * mapped
        assert server.query(versions.ORIGIN, "SOA").answer[0][0].serial == 1 + times
        assert server.address("ns.other.") == "192.0.2.1"
        assert "Traceback" not in server.log()
    assert len(reader.exchanges) > 20 * times
    no_blend(reader.exchanges, changes)


def test_a_run_of_changes(folder: Path) -> None:
    changed_under_a_reader(folder, 40)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_long_run_of_changes(folder: Path) -> None:
    changed_under_a_reader(folder, 5000)


def test_the_next_start_has_what_was_compiled_anew(folder: Path) -> None:
    with serving(folder) as server:
        for serial in range(2, 6):
            put(folder, serial)
            assert server.ask("reload")["zones"][0]["ok"]
        until(lambda: bool(compactions(server)))
    with serving(folder) as server:
        assert server.query("host0." + versions.ORIGIN).answer[0][0].to_text() == "10.0.0.5"
        assert server.query(f"host{HOSTS - 1}.{versions.ORIGIN}").answer
        assert server.address("ns.other.") == "192.0.2.1"


def test_a_file_that_is_not_what_is_served_puts_it_off(folder: Path) -> None:
    """Neither a broken nor a newer file of another zone is served without a reload; once it is mended, waste goes."""
    with (folder / "appliance.toml").open("a") as config:
        config.write(
            "[journal]\nkeep = false\n"
        )  # else the version that is served is compiled, where it is kept by then
    with serving(folder) as server:
        (folder / "other.zone").write_text("@ 300 SOA ns root 2 2 3 4 5\n@ 300 NS ns\nns 300 A 192.0.2.2\n")
        for serial in range(2, 6):
            put(folder, serial)
            assert server.ask("reload", zone=versions.ORIGIN)["zones"][0]["ok"]
        until(lambda: "the file of zone other. is not what is served" in server.log())
        assert server.address("ns.other.") == "192.0.2.1"
        assert not compactions(server)
        assert server.ask("reload", zone="other.")["zones"][0]["ok"]
        until(lambda: bool(compactions(server)))
        assert server.address("ns.other.") == "192.0.2.2"


def test_zones_that_are_not_loaded_stay_so(folder: Path) -> None:
    """One broken at the start has a good file by now, one came without a file: neither is read on the quiet."""
    text = (folder / "appliance.toml").read_text()
    pattern = '[[pattern]]\nzones = "list"\nfile = "more/{zone}.zone"\n'
    (folder / "appliance.toml").write_text(text + '[[zone]]\nname = "broken."\nfile = "broken.zone"\n' + pattern)
    (folder / "broken.zone").write_text("@ SOA broken\n")
    (folder / "list").touch()
    with serving(folder) as server:
        (folder / "broken.zone").write_text((folder / "other.zone").read_text())
        (folder / "list").write_text("late.\n")
        (folder / "broken.zone").rename(folder / "aside")
        assert not all(one["ok"] for one in server.ask("reload")["zones"])
        (folder / "aside").rename(folder / "broken.zone")
        for serial in range(2, 6):
            put(folder, serial)
            assert server.ask("reload", zone=versions.ORIGIN)["zones"][0]["ok"]
        until(lambda: bool(compactions(server)))
        assert server.address("ns.broken.") == "SERVFAIL"


def test_never(folder: Path) -> None:
    text = (folder / "appliance.toml").read_text()
    (folder / "appliance.toml").write_text(text.replace("compact_percent = 15", "compact_percent = 0"))
    with serving(folder) as server:
        for serial in range(2, 6):
            put(folder, serial)
            assert server.ask("reload")["zones"][0]["ok"]
        time.sleep(2.0)
        assert not compactions(server)


def test_killed_while_it_compiles(folder: Path) -> None:
    """The child that compiles goes with the server, whose lock it must not keep."""
    with serving(folder) as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        workers = set(children.read_text().split())
        for serial in range(2, 6):
            put(folder, serial, 4 * HOSTS)
            assert server.ask("reload", zone=versions.ORIGIN)["zones"][0]["ok"]
        until(lambda: len(children.read_text().split()) > len(workers))
        compiling = set(children.read_text().split()) - workers
        server.end(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{child}").exists() for child in compiling))
    with serving(folder) as server:
        assert server.query(versions.ORIGIN, "SOA").answer[0][0].serial == 5
