# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real server on one end of the network and read its counters."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.cli import client
from appliance.config.load import load_config
from appliance.errors import ApplianceError
from demo.errors import DemoError
from demo.network import Namespace

COMMAND = str(Path(sys.executable).with_name("appliance"))
START_S = 120.0  # the compiler alone takes half a minute where others use the processors
_STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """A zone to serve."""

    name: str
    file: Path


def configuration(folder: Path, modes: dict[str, str], zones: list[ZoneFile]) -> str:
    """Return the server's configuration: devices with their XDP mode, zones, everything it writes in one folder."""
    lines = [
        "[server]",
        f"run_dir = {json.dumps(str(folder / 'run'))}",
        f"state_dir = {json.dumps(str(folder / 'state'))}",
    ]
    for device, mode in modes.items():
        lines += ["", "[[interface]]", f"name = {json.dumps(device)}", f"mode = {json.dumps(mode)}"]
    for zone in zones:
        lines += ["", "[[zone]]", f"name = {json.dumps(zone.name)}", f"file = {json.dumps(str(zone.file.resolve()))}"]
    return "\n".join(lines) + "\n"


class Server:
    """The server process at one end; use as a context manager, which starts it and stops it."""

    def __init__(
        self, end: Namespace, folder: Path, zones: list[ZoneFile], modes: dict[str, str], start_s: float = START_S
    ) -> None:
        """Write the configuration into the folder; `modes` names the devices and how the program is to be attached."""
        self.end = end
        self.start_s = start_s
        self.log = folder / "server.log"
        self.config = folder / "appliance.toml"
        for name in ("run", "state"):
            (folder / name).mkdir(exist_ok=True)
        self.config.write_text(configuration(folder, modes, zones))
        self.process: subprocess.Popen[Any] | None = None

    def __enter__(self) -> "Server":
        with self.log.open("w") as log:
            self.process = self.end.start(
                COMMAND,
                "serve",
                "--config",
                str(self.config),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demonstration, which then stops the server in order
            )
        deadline = time.monotonic() + self.start_s
        while not self._is_ready():
            if self.process.poll() is not None:
                raise DemoError(f"the server ended at once: {self._last_words()}")
            if time.monotonic() > deadline:
                raise DemoError(f"the server was not ready within {self.start_s:.0f} s: {self._last_words()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def interface_mode(self, device: str) -> str:
        """Return the XDP mode an interface got: native, generic, or off where the program could not be attached."""
        interfaces = self._answer("status")["interfaces"]
        return next((str(one["mode"]) for one in interfaces if one["name"] == device), "off")

    def look_again(self) -> None:
        """Have the server look at its zones and interfaces."""
        self._answer("reload")

    def verdicts(self) -> dict[str, int]:
        """Return the verdict counters of the NIC path."""
        return {name: int(value) for name, value in self._answer("stats")["verdicts"].items()}

    def _answer(self, verb: str) -> Any:
        answer = self._ask(verb)
        if answer is None:
            raise DemoError(f"the server does not answer `appliance {verb}`: {self._last_words()}")
        return answer

    def _is_ready(self) -> bool:
        """Return whether the server answers; one that answers but is not well says why."""
        status = self._ask("status")
        if status is None or status["state"] == "starting":
            return False
        if not status["healthy"]:
            raise DemoError(f"the server is not well: {'; '.join(status['problems'])}")
        return True

    def _ask(self, verb: str) -> Any:
        try:
            return client.ask(load_config(self.config).control_socket, verb)
        except ApplianceError:
            return None

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"
