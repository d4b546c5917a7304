# SPDX-License-Identifier: GPL-3.0-or-later
"""Knot DNS as a peer, with its best settings for plain UDP."""

from __future__ import annotations

from pathlib import Path

from bench.machine.lab import SERVER
from bench.peers.peer import Peer, Shape


class Knot(Peer):
    """A Knot DNS that serves one zone file on the laboratory's server address; use as a context.

    A pinned shape ties each socket to a worker (`socket-affinity`) and the process to those processors.
    """

    def __init__(self, work: Path, zone_name: str, zone_file: Path, shape: Shape) -> None:
        folder = work / f"knot-{shape.name}"
        folder.mkdir(exist_ok=True)
        (folder / "pid").unlink(missing_ok=True)  # one that was killed leaves it, and its number may be in use again
        config = folder / "knot.conf"
        config.write_text(_configuration(folder, zone_name, zone_file, shape))
        pinned = ["taskset", "-c", ",".join(map(str, shape.pinned))] if shape.pinned else []
        super().__init__("knot", [*pinned, "knotd", "-c", str(config)], work / f"knot-{shape.name}.log")


def _configuration(folder: Path, zone_name: str, zone_file: Path, shape: Shape) -> str:
    """Workers as the shape says; no rate limit, no journal, nothing written back."""
    return f"""server:
  rundir: "{folder}"
  pidfile: "{folder}/pid"
  user: root:root
  udp-workers: {shape.servers}
  tcp-workers: 1
  background-workers: 1
  socket-affinity: {"on" if shape.pinned else "off"}
  udp-max-payload: 1232
  listen: {SERVER}@53
log:
  - target: stderr
    any: warning
database:
  storage: "{folder}"
template:
  - id: default
    storage: "{folder}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
  - domain: "{zone_name}"
    file: "{zone_file.resolve()}"
"""
