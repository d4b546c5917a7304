# SPDX-License-Identifier: GPL-3.0-or-later
"""From the start of a server to its first right answer, and the memory that it takes then."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import DatapathError
from appliance.zone import names, types
from bench.peers.commands import ADDRESS, PORT

LIMIT_S: Final = 900.0
SETTLE_S: Final = 1.0
_LOOK_S: Final = 0.25
_MIB: Final = 1 << 20
_MAPPING: Final = re.compile(r"^[0-9a-f]+-[0-9a-f]+ .{4} \S+ \S+ \d+ *(.*)$")
_SHARE: Final = re.compile(r"Pss_(?:Anon|Shmem): +(\d+)")


@dataclass(frozen=True)
class Started:
    """A running server and how many seconds it took to answer."""

    seconds: float
    pid: int

    watch: Watch

    def memory(self) -> tuple[float, float]:
        """Return MiB now (PSS of all processes, the XDP program's arrays once), and the most that was seen."""
        time.sleep(SETTLE_S)
        now = _memory(self.pid)
        return now, max(now, self.watch.peak())


def query(name: str, ident: int = 7) -> bytes:
    """Return a question for the address of a name."""
    return struct.pack("!6H", ident, 0, 1, 0, 0, 0) + names.from_text(name) + struct.pack("!2H", types.A, 1)


def answered(name: str, timeout_s: float = 0.02) -> bool:
    """Return whether the server has data or a referral for a name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(timeout_s)
        try:
            line.connect((ADDRESS, PORT))
            line.send(query(name))
            reply = line.recv(4096)
        except OSError:
            return False
    rcode, counts = reply[3] & 15, struct.unpack_from("!3H", reply, 6)
    return rcode == 0 and (counts[0] > 0 or counts[1] > 1)


@contextmanager
def started(command: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[Started]:
    """Start a server in a process namespace that ends with it, and wait until it is ready."""
    own = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL"]
    begin = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen([*own, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    watch = Watch(process.pid)
    try:
        while not ready():
            if process.poll() is not None:
                raise DatapathError(f"{command[0]} ended with {process.returncode}: {log.read_text()[-500:]}")
            if time.monotonic() - begin > LIMIT_S:
                raise DatapathError(f"{command[0]} did not answer within {LIMIT_S:.0f} s: {log.read_text()[-500:]}")
            time.sleep(0.005)
        spent = time.monotonic() - begin
        yield Started(spent, process.pid, watch)
    finally:
        watch.close()
        for pid in _children(process.pid):
            os.kill(pid, 15)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ours(config: Path, *options: str) -> list[str]:
    """Return the command of our server."""
    return [sys.executable, "-m", "appliance", "serve", "--config", str(config), *options]


def _children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in path.read_text().split()]
        except OSError:
            continue
    return found


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _memory(pid: int) -> float:
    """Return memory now, in MiB."""
    total = arrays = 0
    for one in _descendants(pid):
        try:
            maps = Path(f"/proc/{one}/smaps").read_text()
        except OSError:
            continue
        mine = 0
        is_array = False
        for line in maps.splitlines():
            if mapping := _MAPPING.match(line):
                is_array = "bpf-map" in mapping[1]
            elif is_array and line.startswith("Size:"):
                mine += int(line.split()[1])
            elif not is_array and line.startswith("Pss:"):
                total += int(line.split()[1])
        arrays = max(arrays, mine)
    return (total + arrays) * 1024 / _MIB


class Watch:
    """Looks at a server's memory again and again while it starts.

    Counted are anonymous pages and shared memory by the share that each process has in them (so that what forked
    workers have in common with their parent counts once), and the XDP program's arrays once.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._highest = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def peak(self) -> float:
        """Return the most that was seen, in MiB."""
        return self._highest / 1024

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            pages = arrays = 0
            for one in _descendants(self._pid):
                try:
                    shares = Path(f"/proc/{one}/smaps_rollup").read_text()
                    maps = Path(f"/proc/{one}/maps").read_text()
                except OSError:
                    continue
                pages += sum(map(int, _SHARE.findall(shares)))
                arrays = max(arrays, sum(_array_kib(line) for line in maps.splitlines() if "bpf-map" in line))
            self._highest = max(self._highest, pages + arrays)


def _array_kib(line: str) -> int:
    start, end = line.split(maxsplit=1)[0].split("-")
    return (int(end, 16) - int(start, 16)) >> 10
