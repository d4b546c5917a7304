# SPDX-License-Identifier: GPL-3.0-or-later
"""The real server in a namespace of the test's own, to be killed, restarted and given new zones."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from appliance.cli.client import NotRunningError, ask
from appliance.datapath import links
from appliance.errors import ApplianceError
from demo.network import DEVICE, Namespace
from tests.datapath.devices import inside

COMMAND: Final = str(Path(sys.executable).with_name("appliance"))
START_S: Final = 60.0


@dataclass
class Server:
    """`appliance serve` with one zone and one interface; start() and kill() as often as a test likes."""

    end: Namespace
    folder: Path
    origin: str
    mode: str = "native"
    detach_on_stop: bool = True
    lease_s: float = 86400.0
    processes: list[subprocess.Popen[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.zone_file = self.folder / f"{self.origin}zone"
        self.config = self.folder / "appliance.toml"
        self.log = self.folder / "server.log"
        self.config.write_text(
            f"[server]\nrun_dir = {json.dumps(str(self.folder / 'run'))}\n"
            f"state_dir = {json.dumps(str(self.folder / 'state'))}\n"
            f"detach_on_stop = {json.dumps(self.detach_on_stop)}\nlease_s = {self.lease_s}\n"
            f'[[interface]]\nname = "{DEVICE}"\nmode = "{self.mode}"\n'
            f'[[zone]]\nname = "{self.origin}"\nfile = {json.dumps(str(self.zone_file))}\n'
        )
        for name in ("run", "state"):
            (self.folder / name).mkdir(exist_ok=True)

    def start(self, *, wait: bool = True) -> None:
        """Start a server process and wait until it is ready."""
        with self.log.open("a") as log:
            process = self.end.start(
                COMMAND, "serve", "--config", str(self.config), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.processes.append(process)
        deadline = time.monotonic() + START_S
        while wait and not self._is_ready():
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            return bool(self.ask("status")["healthy"])
        except (NotRunningError, ApplianceError):
            return False

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Ask the server over its control socket; status lists the zones too."""
        if verb == "status":
            arguments.setdefault("zones", True)
        return ask(self.folder / "run" / "control.sock", verb, **arguments)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the newest process and wait for its end, and for its children's."""
        process = self.processes[-1]
        process.send_signal(number)
        process.wait(START_S)
        deadline = time.monotonic() + START_S
        while self.end.pids():
            assert time.monotonic() < deadline, f"processes outlive the server: {self.end.pids()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """End whatever runs."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.wait(START_S)

    def answered_by_nic(self) -> int:
        """Return how many queries the NIC path has answered."""
        return sum(count for name, count in self.ask("stats")["verdicts"].items() if name.startswith("answer_"))

    @property
    def serial(self) -> int:
        """Return the serial that is served."""
        return int(self.ask("status")["zones"][0]["serial"])

    def write(self, text: str) -> None:
        """Put a new zone file in place, as an editor or a deployment would: under another name first."""
        draft = self.zone_file.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self.zone_file)

    def reload(self) -> bool:
        """Reload the zone and tell whether that worked."""
        return bool(self.ask("reload", zone=self.origin)["zones"][0]["ok"])

    def attached(self) -> int:
        """Return the id of the program on the interface, 0 if there is none."""
        with inside(self.end.name):
            return links.read(DEVICE).program

    def generations(self, bpffs: Path) -> list[Path]:
        """Return the pinned generations of this network namespace."""
        number = Path(f"/run/netns/{self.end.name}").stat().st_ino
        return sorted(bpffs.glob(f"appliance/net-{number}/g*"))
