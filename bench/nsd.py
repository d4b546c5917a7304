# SPDX-License-Identifier: GPL-3.0-or-later
"""Run NSD, the peer, with its best settings for plain UDP; it ends with this process."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from appliance.errors import DatapathError
from bench.lab import SERVER

START_LIMIT_S = 60.0


@dataclass(frozen=True)
class Shape:
    """How many server processes, each with a socket of its own, and the processors they are pinned to, if any."""

    name: str
    servers: int = 1
    pinned: tuple[int, ...] = ()


class Nsd:
    """An NSD that serves one zone file on the laboratory's server address; use as a context."""

    def __init__(self, work: Path, zone_name: str, zone_file: Path, shape: Shape) -> None:
        if not shutil.which("nsd"):
            raise DatapathError("nsd is not installed; install the Debian package nsd")
        self._log = work / f"nsd-{shape.name}.log"
        config = work / f"nsd-{shape.name}.conf"
        config.write_text(_configuration(work, zone_name, zone_file, shape))
        # NSD gets a process namespace that dies with its first process, and that one with us.
        own = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL"]
        self._command = [*own, "nsd", "-d", "-c", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Nsd:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def wait(self, answered: Callable[[], bool]) -> None:
        """Wait until the zone is served; `answered` asks one question."""
        assert self._process
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise DatapathError(f"nsd ended with {self._process.returncode}: {self._log.read_text()[-500:]}")
            if answered():
                return
            time.sleep(0.1)
        raise DatapathError(f"nsd did not answer within {START_LIMIT_S:.0f} s: {self._log.read_text()[-500:]}")


def _configuration(work: Path, zone_name: str, zone_file: Path, shape: Shape) -> str:
    """One process, or one for each core with a socket of its own; no rate limit, buffers that hold a whole burst."""
    affinity = ""
    if shape.pinned:
        each = [f"  server-{number}-cpu-affinity: {cpu}\n" for number, cpu in enumerate(shape.pinned, start=1)]
        affinity = f"  cpu-affinity: {' '.join(map(str, shape.pinned))}\n" + "".join(each)
    return f"""server:
  server-count: {shape.servers}
{affinity}  reuseport: {"yes" if shape.servers > 1 else "no"}
  ip-address: {SERVER}
  receive-buffer-size: 16777216
  send-buffer-size: 4194304
  minimal-responses: no
  ipv4-edns-size: 1232
  username: ""
  database: ""
  zonesdir: "{work}"
  zonelistfile: "{work}/zone.list"
  xfrdfile: "{work}/xfrd.state"
  xfrdir: "{work}"
  pidfile: "{work}/nsd.pid"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  zonefiles-write: 0
  verbosity: 0
remote-control:
  control-enable: no
zone:
  name: "{zone_name}"
  zonefile: "{zone_file.resolve()}"
"""
