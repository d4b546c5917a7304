# SPDX-License-Identifier: GPL-3.0-or-later
"""NSD as a peer, with its best settings for plain UDP."""

from __future__ import annotations

from pathlib import Path

from bench.machine.lab import SERVER
from bench.peers.peer import Peer, Shape


class Nsd(Peer):
    """An NSD that serves one zone file on the laboratory's server address; use as a context."""

    def __init__(self, work: Path, zone_name: str, zone_file: Path, shape: Shape) -> None:
        config = work / f"nsd-{shape.name}.conf"
        config.write_text(_configuration(work, zone_name, zone_file, shape))
        super().__init__("nsd", ["nsd", "-d", "-c", str(config)], work / f"nsd-{shape.name}.log")


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
