# SPDX-License-Identifier: GPL-3.0-or-later
"""NSD, Knot and BIND with given zones on loopback ports of one network namespace; ended together with it."""

import functools
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import netns

from demo.network import Namespace

LOOPBACK = "127.0.0.1"
NAMES = ("nsd", "knot", "bind")
_START_TIMEOUT_S = 60.0
_SOA = 6


@dataclass(frozen=True)
class ZoneFile:
    """A zone to load: its origin in text, absolute, and its master file; `ours` where we read another copy of it."""

    origin: str
    path: Path
    ours: Path | None = None


@dataclass(frozen=True)
class Peer:
    """A running server: where it answers, inside `namespace`."""

    name: str
    namespace: str
    port: int
    log: Path

    def socket(self, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
        """Return a socket of the server's network, connected to it."""
        return connected(self.namespace, (LOOPBACK, self.port), kind)


def connected(namespace: str, address: tuple[str, int], kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    """Return a socket that lives in a network namespace, connected to an address there."""
    netns.pushns(namespace)
    try:
        made = socket.socket(socket.AF_INET, kind)
    finally:
        netns.popns()
    try:
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def _nsd(folder: Path, port: int, zones: Sequence[ZoneFile]) -> list[str]:
    lines = [
        "server:",
        " server-count: 1",
        f" ip-address: {LOOPBACK}",
        f" port: {port}",
        ' database: ""',
        ' username: ""',
        f' zonesdir: "{folder}"',
        f' zonelistfile: "{folder}/zone.list"',
        f' xfrdfile: "{folder}/xfrd.state"',
        f' xfrdir: "{folder}"',
        f' pidfile: "{folder}/nsd.pid"',
        " rrl-ratelimit: 0",
        " rrl-whitelist-ratelimit: 0",
        " minimal-responses: yes",
        " tcp-count: 500",
        " tcp-query-count: 0",
        " answer-cookie: no",
        " zonefiles-write: 0",
        "remote-control:",
        " control-enable: no",
    ]
    for zone in zones:
        lines += ["zone:", f' name: "{zone.origin}"', f' zonefile: "{zone.path}"']
    (folder / "nsd.conf").write_text("\n".join(lines) + "\n")
    return ["nsd", "-d", "-c", str(folder / "nsd.conf")]


def _knot(folder: Path, port: int, zones: Sequence[ZoneFile]) -> list[str]:
    lines = [
        "server:",
        f' rundir: "{folder}"',
        f' pidfile: "{folder}/knot.pid"',
        " user: root:root",
        " udp-workers: 1",
        " tcp-workers: 1",
        " background-workers: 1",
        f" listen: {LOOPBACK}@{port}",
        "database:",
        f' storage: "{folder}"',
        "log:",
        " - target: stderr",
        "   any: notice",
        "control:",
        f' listen: "{folder}/knot.sock"',
        "template:",
        " - id: default",
        "   zonefile-sync: -1",
        "   journal-content: none",
        "   semantic-checks: off",
        "zone:",
    ]
    for zone in zones:
        lines += [f' - domain: "{zone.origin}"', f'   file: "{zone.path}"']
    (folder / "knot.conf").write_text("\n".join(lines) + "\n")
    return ["knotd", "-c", str(folder / "knot.conf")]


@functools.cache
def bind_lock() -> str:
    """Return what lets servers run beside each other: 9.18 has a lock file, 9.20 refuses the option."""
    version = subprocess.run(["named", "-v"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"BIND 9\.(\d+)\.", version)
    return "lock-file none;" if found and int(found[1]) < 20 else ""


def _bind(folder: Path, port: int, zones: Sequence[ZoneFile]) -> list[str]:
    lines = [
        "options {",
        f' directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key"; {bind_lock()}',
        f" listen-on port {port} {{ {LOOPBACK}; }}; listen-on-v6 {{ none; }};",
        " recursion no; notify no; allow-query { any; }; check-integrity no; check-names primary ignore;",
        " dnssec-validation no; empty-zones-enable no; querylog no; tcp-clients 500;",
        " max-records 0; max-records-per-type 0; max-types-per-name 0;",
        " minimal-responses yes; minimal-any yes; answer-cookie no; rrset-order { order none; }; zero-no-soa-ttl no;",
        " check-mx ignore; check-srv-cname ignore; check-mx-cname ignore; check-sibling no; check-wildcard no;",
        "};",
        "logging { category default { default_stderr; }; category lame-servers { null; }; };",
        "controls { };",
    ]
    for zone in zones:
        lines.append(f'zone "{zone.origin}" {{ type primary; file "{zone.path}"; }};')
    (folder / "named.conf").write_text("\n".join(lines) + "\n")
    return ["named", "-f", "-n", "1", "-c", str(folder / "named.conf")]


_COMMANDS = {"nsd": _nsd, "knot": _knot, "bind": _bind}


def _soa_query(origin: str) -> bytes:
    labels = [label.encode() for label in origin.rstrip(".").split(".") if label]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", 7, 0, 1, 0, 0, 0) + name + struct.pack("!2H", _SOA, 1)


def _await(peer: Peer, process: subprocess.Popen[bytes], zones: Sequence[ZoneFile]) -> None:
    """Wait until the server answers for each zone with authority; raise RuntimeError with its log if it does not."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    waiting = list(zones)
    with peer.socket() as asker:
        asker.settimeout(0.1)
        while waiting:
            try:
                asker.send(_soa_query(waiting[-1].origin))
                reply = asker.recv(65535)
            except OSError:
                reply = b""
            if len(reply) > 12 and reply[2] & 0x84 == 0x84 and reply[3] & 15 == 0:
                waiting.pop()
                continue
            if process.poll() is not None or time.monotonic() > deadline:
                log = peer.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{peer.name} does not answer for {waiting[-1].origin}:\n{log}")
            time.sleep(0.05)


@contextmanager
def serving(name: str, folder: Path, zones: Sequence[ZoneFile], only: Sequence[str] = NAMES) -> Iterator[list[Peer]]:
    """Start the peers in a network namespace called `name` and yield them once each answers for every zone."""
    home = Namespace(name, LOOPBACK, "::1", device="lo")
    subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
    logs = []
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, capture_output=True)
        started = []
        for number, server in enumerate(only):
            own = folder / server
            own.mkdir(parents=True)
            port = 5300 + number
            log = (own / "log").open("wb")
            logs.append(log)
            command = _COMMANDS[server](own, port, zones)
            process = home.start(*command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            started.append((Peer(server, name, port, own / "log"), process))
        for peer, process in started:
            _await(peer, process, zones)
        yield [peer for peer, _ in started]
    finally:
        home.remove()
        for log in logs:
            log.close()
