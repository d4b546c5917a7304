# SPDX-License-Identifier: GPL-3.0-or-later
"""NSD and Knot DNS as servers that zones are added to while they run, each by its own control program."""

from __future__ import annotations

import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from appliance.errors import ApplianceError
from bench.peers.commands import ADDRESS


class Adding(ABC):
    """One server on a folder with `served.list`, `same.zone` and the files below `added/`."""

    name = ""

    def __init__(self, folder: Path, port: int) -> None:
        """Configure it."""
        self.folder = folder
        self.port = port
        self.served = (folder / "served.list").read_text().split()
        self.command = self.configure()

    @abstractmethod
    def configure(self) -> list[str]:
        """Write the configuration and return the command."""

    @abstractmethod
    def add(self, zone: str) -> None:
        """Add one zone."""

    @abstractmethod
    def add_many(self, zones: Sequence[str]) -> None:
        """Add zones with one command."""

    def run(self, *command: str, lines: str = "") -> None:
        """Run a control program. Raises ApplianceError where it fails."""
        done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ApplianceError(f"{command[0]}: {(done.stderr or done.stdout)[-500:]}")


class Nsd(Adding):
    """NSD: `nsd-control addzone` and `addzones`; zone.list keeps them."""

    name = "nsd"

    def configure(self) -> list[str]:
        folder = self.folder
        (folder / "zone.list").write_text(
            "# NSD zone list\n# name pattern\n" + "".join(f"add {one} served\n" for one in self.served)
        )
        (folder / "nsd.conf").write_text(f"""server:
  server-count: 1
  ip-address: {ADDRESS}
  port: {self.port}
  username: ""
  database: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  rrl-ratelimit: 0
  zonefiles-write: 0
remote-control:
  control-enable: yes
  control-interface: "{folder}/nsd.ctl"
pattern:
  name: "served"
  zonefile: "same.zone"
pattern:
  name: "added"
  zonefile: "added/%s.zone"
""")
        return ["nsd", "-d", "-c", str(folder / "nsd.conf")]

    def add(self, zone: str) -> None:
        with socket.socket(socket.AF_UNIX) as line:  # as nsd-control does, without its start
            line.connect(str(self.folder / "nsd.ctl"))
            line.sendall(f"NSDCT1 addzone {zone} added\n".encode())
            said = b"".join(iter(lambda: line.recv(4096), b""))
        if said != b"ok\n":
            raise ApplianceError(f"nsd: {said.decode()}")

    def add_many(self, zones: Sequence[str]) -> None:
        lines = "".join(f"{zone} added\n" for zone in zones)
        self.run("nsd-control", "-c", str(self.folder / "nsd.conf"), "addzones", lines=lines)


class Knot(Adding):
    """Knot DNS: a transaction of `knotc` on its configuration database, which keeps them; its start counts."""

    name = "knot"

    def configure(self) -> list[str]:
        folder = self.folder
        zones = "".join(f'  - domain: "{one}"\n    file: "{folder}/same.zone"\n' for one in self.served)
        (folder / "knot.conf").write_text(f"""server:
  rundir: "{folder}"
  pidfile: "{folder}/knot.pid"
  user: root:root
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  listen: {ADDRESS}@{self.port}
database:
  storage: "{folder}"
template:
  - id: default
    storage: "{folder}/added"
    file: "%s.zone"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
{zones}""")
        self.run("knotc", "-C", str(folder / "confdb"), "conf-import", str(folder / "knot.conf"))
        return ["knotd", "-C", str(folder / "confdb")]

    def add(self, zone: str) -> None:
        self._do([f"conf-set zone[{zone}]"])

    def add_many(self, zones: Sequence[str]) -> None:
        self._do([f"conf-set zone[{zone}]" for zone in zones])

    def _do(self, orders: list[str]) -> None:
        lines = "\n".join(["conf-begin", *orders, "conf-commit", "exit", ""])
        self.run("knotc", "-s", str(self.folder / "knot.sock"), "-t", "600", lines=lines)
