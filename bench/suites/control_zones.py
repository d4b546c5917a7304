# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that are added beside a hundred thousand: one by one until it answers, and ten thousand from standard input.

The state lies on the disk of the cache, not in memory: a zone that was added is written there first.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from appliance.cli.client import ask
from appliance.errors import ApplianceError
from bench.figures import Figure, at_most, plain
from bench.machine.lab import CACHE
from bench.peers.adding import Adding, Knot, Nsd
from bench.peers.starts import ours, query

PARTS: Final = frozenset(("zones", "zones_peers"))
SERVED: Final = 100_000
ADDED: Final = 10_000
SINGLE: Final = 100
ADDRESS: Final = "127.0.0.1"
_START_S: Final = 600.0
_QUIET_S: Final = 3.0
_TEXT: Final = (
    "$TTL 300\n@ SOA ns root 1 3600 900 1209600 300\n@ NS ns\n@ NS ns2\n@ MX 10 mail\n{own}"
    "ns A 192.0.2.1\nns2 A 192.0.2.2\nmail A 192.0.2.3\nwww A 192.0.2.4\n"
)
_CONFIG: Final = f"""[server]
run_dir = "run"
state_dir = "state"
[listen]
addresses = ["{ADDRESS}"]
port = {{port}}
[[pattern]]
zones = "served.list"
file = "same.zone"
[[pattern]]
name = "added"
file = "added/{{{{zone}}}}.zone"
"""

Note = Callable[[str], None]


def measure(note: Note, parts: frozenset[str] = PARTS) -> Iterator[Figure]:
    """Yield the figures of this server, and of its peers with the same zones."""
    folder = CACHE / "control-zones"
    try:
        if "zones" in parts:
            yield from _ours(_made(folder), note)
        if "zones_peers" in parts:
            for peer in (Nsd, Knot):
                yield from _peer(peer(_made(folder), free_port()), note)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(folder: Path) -> Path:
    """Lay out the files of all zones anew: those that are added have one text, or each its own."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "added").mkdir(parents=True)
    (folder / "same.zone").write_text(_TEXT.format(own=""))
    for number in range(ADDED + SINGLE):
        os.link(folder / "same.zone", folder / "added" / f"{added(number)}.zone")
        (folder / "added" / f"own-{added(number)}.zone").write_text(_TEXT.format(own=f"@ TXT n{number}\n"))
    (folder / "served.list").write_text("".join(f"{served(number)}\n" for number in range(SERVED)))
    return folder


def served(number: int) -> str:
    """Return the name of a zone that is served from the start."""
    return f"zone{number:06d}.example"


def added(number: int) -> str:
    """Return the name of a zone that is added."""
    return f"added{number:06d}.example"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((ADDRESS, 0))
        return int(one.getsockname()[1])


def until_answered(port: int, name: str, limit_s: float = 30.0) -> None:
    """Ask for an address again and again until it is there. Raises ApplianceError."""
    deadline = time.monotonic() + limit_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(0.5)
        line.connect((ADDRESS, port))
        while time.monotonic() < deadline:
            try:
                line.send(query(name))
                reply = line.recv(4096)
            except OSError:
                continue
            if not reply[3] & 15 and reply[7]:
                return
    raise ApplianceError(f"{name} was not answered within {limit_s:.0f} s")


def visible(port: int, add: Callable[[str], None]) -> list[float]:
    """Add zones one after the other; return the milliseconds from the command until each answers."""
    spent = []
    for number in range(ADDED, ADDED + SINGLE):
        begin = time.perf_counter()
        add(added(number))
        until_answered(port, f"www.{added(number)}")
        spent.append((time.perf_counter() - begin) * 1e3)
    return spent


def _ours(folder: Path, note: Note) -> Iterator[Figure]:
    port = free_port()
    config = folder / "appliance.toml"
    config.write_text(_CONFIG.format(port=port))
    note(f"{SERVED} zones are served, {ADDED} are added")
    with _serving(ours(config, "--no-xdp"), folder / "log", port):
        control = folder / "run" / "control.sock"
        _wait_quiet(folder / "state", control)
        spent = visible(port, lambda zone: ask(control, "addzone", zone=zone, pattern="added"))
        yield at_most("control_addzone_visible", statistics.median(spent), "ms", 10, slowest=max(spent), served=SERVED)
        for kind, prefix in (("one_text", ""), ("own_texts", "own-")):
            lines = "".join(f"{prefix}{added(number)} added\n" for number in range(ADDED))
            seconds = _fed(config, "addzones", lines)
            until_answered(port, f"www.{prefix}{added(ADDED - 1)}")
            name = f"control_addzones_{kind}"
            yield at_most(name, seconds, "s", 5, zones=ADDED) if not prefix else plain(name, seconds, "s", zones=ADDED)
        names = "".join(f"{added(number)}\n" for number in range(ADDED))
        yield plain("control_delzones", _fed(config, "delzones", names), "s", zones=ADDED)


def _fed(config: Path, verb: str, lines: str) -> float:
    """Return the seconds that a command takes which reads lines, from its start to its end."""
    command = [sys.executable, "-m", "appliance", verb, "--config", str(config)]
    begin = time.perf_counter()
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ApplianceError(done.stderr[-500:])
    return time.perf_counter() - begin


def _peer(peer: Adding, note: Note) -> Iterator[Figure]:
    note(f"the same with {peer.name}")
    with _serving(peer.command, peer.folder / "log", peer.port):
        spent = visible(peer.port, peer.add)
        name = peer.name
        yield plain(f"control_addzone_visible_{name}", statistics.median(spent), "ms", slowest=max(spent))
        begin = time.perf_counter()
        peer.add_many([added(number) for number in range(ADDED)])
        told = time.perf_counter() - begin
        until_answered(peer.port, f"www.{added(ADDED - 1)}", _START_S)
        yield plain(f"control_addzones_{name}", time.perf_counter() - begin, "s", zones=ADDED, command_s=told)


@contextmanager
def _serving(command: list[str], log: Path, port: int) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        until_answered(port, f"www.{served(SERVED - 1)}", _START_S)
        yield
    finally:
        process.terminate()
        process.wait(_START_S)


def _wait_quiet(state: Path, control: Path) -> None:
    """Wait until the server has nothing left to write."""
    before, now = -1, 0
    while before != now:
        time.sleep(_QUIET_S)
        serving = ask(control, "status")["state"] == "serving"
        before, now = now, sum(one.stat().st_size for one in state.iterdir()) if serving else -1
