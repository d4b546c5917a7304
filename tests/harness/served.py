# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of a test's own: the real command with --no-xdp, on loopback and a free port, everything in one folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode

from appliance.cli.client import NotRunningError, ask

ROOT = Path(__file__).parents[2]
START_S = 90.0

ZONE = """$TTL 300
@ SOA ns root {serial} 3600 900 1209600 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.{host}
*.wild TXT "any"
big TXT {big}
old DNAME new
host.new A 192.0.2.9
"""
BIG = " ".join(f'"{number:03d}{"x" * 240}"' for number in range(250))


def zone_text(serial: int = 1, host: int = 2) -> str:
    """Return a zone file; serial and address tell versions apart."""
    return ZONE.format(serial=serial, host=host, big=BIG)


@dataclass
class Served:
    """A running server."""

    folder: Path
    process: subprocess.Popen[str]
    port: int = 0
    config: Path = field(init=False)
    socket: Path = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.folder / "appliance.toml"
        self.socket = self.folder / "run" / "control.sock"

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Ask the server over its control socket; status lists the zones too."""
        if verb == "status":
            arguments.setdefault("zones", True)
        return ask(self.socket, verb, **arguments)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the operator's commands against this server."""
        command = [sys.executable, "-m", "appliance", *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)

    def query(self, name: str, rtype: str = "A", tcp: bool = False, **options: Any) -> dns.message.Message:
        """Ask one question over loopback."""
        message = dns.message.make_query(name, rtype, **options)
        transport = dns.query.tcp if tcp else dns.query.udp
        return transport(message, "127.0.0.1", port=self.port, timeout=10)

    def address(self, name: str = "www.example.", tcp: bool = False) -> str:
        """Return the address in an answer, or the rcode."""
        reply = self.query(name, tcp=tcp)
        return reply.answer[0][0].to_text() if reply.answer else dns.rcode.to_text(reply.rcode())

    def log(self) -> str:
        """Return what the server said so far."""
        return (self.folder / "log").read_text()

    def wait_ready(self) -> None:
        """Wait until the server says that it serves."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                status = self.ask("status")
                if status["state"] == "serving":
                    self.port = status["listening"][0]["port"]
                    return
            except NotRunningError:
                assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(START_S)


def configuration(*zones: str, more: str = "") -> str:
    """Return a configuration for zones whose files are <name>zone."""
    tables = "".join(f'[[zone]]\nname = "{zone}"\nfile = "{zone}zone"\n' for zone in zones)
    return (
        '[server]\nidentity = "test"\nrun_dir = "run"\nstate_dir = "state"\n'
        f'[listen]\naddresses = ["127.0.0.1"]\nport = 0\n{more}\n{tables}'
    )


def start(folder: Path, **environment: str) -> Served:
    """Start a server on the configuration in a folder; the caller ends it."""
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "serve", "--no-xdp", "--config", str(folder / "appliance.toml")],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
    return Served(folder, process)


@contextmanager
def serving(folder: Path, control: Path | None = None, **environment: str) -> Iterator[Served]:
    """Yield a ready server on the configuration in a folder, ended afterwards whatever happens.

    `control` is its control socket, if that is not where `configuration` has it.
    """
    served = start(folder, **environment)
    served.socket = control or served.socket
    try:
        served.wait_ready()
        yield served
    finally:
        if served.process.poll() is None:
            served.process.terminate()
        served.process.wait(START_S)


def until(true: Callable[[], bool]) -> None:
    """Wait for something that must come true soon."""
    deadline = time.monotonic() + START_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def decoded(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a command printed."""
    return json.loads(done.stdout)
