# SPDX-License-Identifier: GPL-3.0-or-later
"""How long `appliance status` takes beside a hundred thousand zones: `python -m bench.status [ZONES]`.

The command as an operator types it, from its start to its end, and the server's part of it.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from appliance.cli.client import NotRunningError, ask

ROUNDS: Final = 9
_START_S: Final = 300.0
_ZONE: Final = "@ 300 SOA ns root 1 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
_CONFIG: Final = """[server]
run_dir = "run"
state_dir = "state"
[listen]
addresses = ["127.0.0.1"]
port = 0
[[pattern]]
zones = "zones"
file = "same.zone"
"""


def main(zones: int) -> None:
    """Serve that many zones, ask, and print the medians as JSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "appliance.toml").write_text(_CONFIG)
        (folder / "same.zone").write_text(_ZONE)
        (folder / "zones").write_text("".join(f"zone{number}.example.\n" for number in range(zones)))
        with (folder / "log").open("w") as log, _served(folder, log) as process:
            try:
                print(json.dumps({"zones": zones, **_measured(folder)}, indent=2))
            finally:
                process.terminate()


def _served(folder: Path, log: Any) -> subprocess.Popen[bytes]:
    config = str(folder / "appliance.toml")
    command = [sys.executable, "-m", "appliance", "serve", "--no-xdp", "--config", config]
    return subprocess.Popen(command, stdout=log, stderr=log)


def _measured(folder: Path) -> dict[str, float]:
    socket = folder / "run" / "read.sock"
    deadline = time.monotonic() + _START_S
    while not _serves(socket):
        if time.monotonic() > deadline:
            raise SystemExit((folder / "log").read_text())
        time.sleep(0.1)
    command = [sys.executable, "-m", "appliance", "status", "--config", str(folder / "appliance.toml")]
    return {
        "status_s": _median(lambda: _run(command)),
        "status_cpu_s": _median(lambda: _run(command), _processor_s),
        "status_json_s": _median(lambda: _run([*command, "--json"])),
        "status_zones_json_s": _median(lambda: _run([*command, "--json", "--zones"])),
        "server_s": _median(lambda: ask(socket, "status")),
    }


def _run(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _processor_s() -> float:
    """Return the processor time of ended children: what a machine that is busy with other things does not change."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _serves(socket: Path) -> bool:
    try:
        return bool(ask(socket, "status")["state"] == "serving")
    except NotRunningError:
        return False


def _median(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    spent = []
    for _ in range(ROUNDS):
        started = clock()
        work()
        spent.append(clock() - started)
    return round(statistics.median(spent), 4)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
