# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that start on the same zone files, each in the foreground with one worker and nothing it could do without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ADDRESS: Final = "127.0.0.1"
PORT: Final = 5353


@dataclass(frozen=True)
class Served:
    """Zones by name without the final dot, each with its file."""

    zones: Mapping[str, Path]

    def lines(self, shape: str) -> str:
        """Return one text for each zone; {zone} and {file} in shape are replaced."""
        return "".join(shape.format(zone=zone, file=file) for zone, file in self.zones.items())


def nsd(folder: Path, served: Served) -> Sequence[str]:
    """Configure NSD."""
    zones = served.lines('zone:\n  name: "{zone}"\n  zonefile: "{file}"\n')
    (folder / "nsd.conf").write_text(f"""server:
  server-count: 1
  ip-address: {ADDRESS}
  port: {PORT}
  username: ""
  database: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: "{folder}/pid"
  rrl-ratelimit: 0
  zonefiles-write: 0
remote-control:
  control-enable: no
{zones}""")
    return ["nsd", "-d", "-c", str(folder / "nsd.conf")]


def knot(folder: Path, served: Served) -> Sequence[str]:
    """Configure Knot DNS."""
    zones = served.lines('  - domain: "{zone}"\n    file: "{file}"\n')
    (folder / "knot.conf").write_text(f"""server:
  rundir: "{folder}"
  pidfile: "{folder}/pid"
  user: root:root
  udp-workers: 1
  tcp-workers: 1
  listen: {ADDRESS}@{PORT}
log:
  - target: stderr
    any: error
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
{zones}""")
    return ["knotd", "-c", str(folder / "knot.conf")]


def bind(folder: Path, served: Served) -> Sequence[str]:
    """Configure BIND."""
    zones = served.lines('zone "{zone}" {{ type primary; file "{file}"; }};\n')
    (folder / "named.conf").write_text(f"""options {{
  directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
  listen-on port {PORT} {{ {ADDRESS}; }}; listen-on-v6 {{ none; }};
  recursion no; notify no; dnssec-validation no; check-integrity no; empty-zones-enable no;
}};
controls {{ }};
{zones}""")
    return ["named", "-f", "-n", "1", "-c", str(folder / "named.conf")]


def yadifa(folder: Path, served: Served) -> Sequence[str]:
    """Configure YADIFA."""
    for name in ("keys", "xfr", "log"):
        (folder / name).mkdir(exist_ok=True)
    zones = served.lines(
        "<zone>\n domain {zone}\n type primary\n file {file}\n notify-auto off\n dnssec-mode none\n</zone>\n"
    )
    (folder / "yadifad.conf").write_text(f"""<main>
 daemon off
 chroot off
 logpath "{folder}/log"
 pidfile "{folder}/pid"
 datapath "{folder}"
 keyspath "{folder}/keys"
 xfrpath "{folder}/xfr"
 user root
 group root
 port {PORT}
 listen {ADDRESS}
 statistics off
 allow-query any
</main>
<channels>
 all all.log 0644
</channels>
<loggers>
 server err,crit,alert,emerg all
</loggers>
{zones}""")
    return ["yadifad", "--nodaemon", "-c", str(folder / "yadifad.conf")]


def pdns(folder: Path, served: Served) -> Sequence[str]:
    """Configure PowerDNS with its BIND backend; unsigned zones only, since others need a database of metadata."""
    zones = served.lines('zone "{zone}" {{ type master; file "{file}"; }};\n')
    (folder / "named.conf").write_text(f'options {{ directory "{folder}"; }};\n{zones}')
    (folder / "pdns.conf").write_text(f"""launch=bind
bind-config={folder}/named.conf
local-address={ADDRESS}
local-port={PORT}
receiver-threads=1
distributor-threads=1
socket-dir={folder}
daemon=no
guardian=no
disable-syslog=yes
loglevel=3
security-poll-suffix=
""")
    return ["pdns_server", f"--config-dir={folder}"]


SIGNED: Final = {"nsd": nsd, "knot": knot, "bind": bind, "yadifa": yadifa}
UNSIGNED: Final = {**SIGNED, "pdns": pdns}
