# SPDX-License-Identifier: GPL-3.0-or-later
"""The real server with its NIC path at one end of a veth pair, asked from the other end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from appliance.cli import client
from appliance.config.load import load_config
from appliance.datapath import bpffs
from appliance.errors import ApplianceError
from demo.network import Pair
from tests.harness.capabilities import as_the_unit

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
START_S = 240.0
EVENT_S = 60.0

# Runs at the client's end: sends each query (hex, one a line) over one socket and prints each reply, or "-".
_CLIENT = """
import socket, sys
address, kind = sys.argv[1], sys.argv[2]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
line = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
line.settimeout(float(sys.argv[3]))
line.connect((address, 53))
stream = line.makefile("rb") if kind == "tcp" else None
for text in sys.stdin:
    wire = bytes.fromhex(text)
    try:
        if stream:
            line.sendall(len(wire).to_bytes(2, "big") + wire)
            reply = stream.read(int.from_bytes(stream.read(2), "big"))
        else:
            line.send(wire)
            reply = line.recv(65535)
        print(reply.hex() or "-")
    except OSError:
        print("-")
"""


@dataclass
class Server:
    """A server process in the pair's server namespace."""

    pair: Pair
    folder: Path
    process: subprocess.Popen[Any]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the operator's commands."""
        config = str(self.folder / "appliance.toml")
        command = [sys.executable, "-m", "appliance", *arguments, "--config", config]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)

    def told(self, verb: str) -> Any:
        """Return what the server says of status or stats, as the operator's command gets it, without its start."""
        return client.ask(load_config(self.folder / "appliance.toml").control_socket, verb)

    def log(self) -> str:
        """Return what the server said so far."""
        return (self.folder / "log").read_text()

    def ask(self, *queries: bytes, address: str = "", kind: str = "udp", patience_s: float = 5.0) -> list[bytes | None]:
        """Return the replies that the client's end gets, in order."""
        return ask(self.pair, *queries, address=address, kind=kind, patience_s=patience_s)


def ask(
    pair: Pair, *queries: bytes, address: str = "", kind: str = "udp", patience_s: float = 5.0
) -> list[bytes | None]:
    """Ask from the client's end, whether or not a server process lives."""
    command = pair.client.command(
        [sys.executable, "-c", _CLIENT, address or pair.server.address4, kind, str(patience_s)]
    )
    lines = "".join(query.hex() + "\n" for query in queries)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=True)
    return [None if line == "-" else bytes.fromhex(line) for line in done.stdout.split()]


def start(pair: Pair, folder: Path, *options: str, **environment: str) -> Server:
    """Start a server on the configuration in a folder, with the rights that its unit gives it and no others.

    It ends with its namespace at the latest.
    """
    bpffs.root()  # the unit finds it mounted
    with (folder / "log").open("a") as log:
        command = [sys.executable, "-m", "appliance", "serve", "--config", str(folder / "appliance.toml"), *options]
        process = pair.server.start(
            *as_the_unit(),
            *command,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
    return Server(pair, folder, process)


def wait_ready(server: Server) -> None:
    """Wait until the server answers its operator."""
    deadline = time.monotonic() + START_S
    while not _answers(server):
        assert server.process.poll() is None, server.log()
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


def _answers(server: Server) -> bool:
    try:
        return bool(server.told("status")["state"] == "serving")
    except ApplianceError:
        return False


@contextmanager
def serving(pair: Pair, folder: Path, *options: str, **environment: str) -> Iterator[Server]:
    """Yield a ready server, stopped in order afterwards."""
    server = start(pair, folder, *options, **environment)
    try:
        wait_ready(server)
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
        server.process.wait(30)


def wait_for(condition: Callable[[], T], server: Server, what: str = "it") -> T:
    """Wait until a condition holds, and return what it said."""
    deadline = time.monotonic() + EVENT_S
    while not (said := condition()):
        assert server.process.poll() is None, server.log()
        assert time.monotonic() < deadline, f"{what} did not come to pass\n{server.log()}"
        time.sleep(0.02)
    return said


def program_on(pair: Pair) -> bool:
    """Return whether the server's device runs an XDP program."""
    return "prog/xdp" in pair.server.run("ip", "link", "show", "dev", pair.server.device).stdout
