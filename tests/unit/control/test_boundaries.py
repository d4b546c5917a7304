# SPDX-License-Identifier: GPL-3.0-or-later
"""A defect at every place of the running server: one sentence, a report, and everything else goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.served import ROOT, START_S, Served, configuration, decoded, until, zone_text

pytestmark = pytest.mark.unit

SECRET = "hunter2"
CODE = """
import sys
def broken(*_, **__):
    raise KeyError("hunter2")
async def broken_task(*_, **__):
    raise KeyError("hunter2")
{patch}
from appliance.cli.main import main
sys.argv = ["appliance", *sys.argv[1:]]
main()
"""
RELOAD = "from appliance.control.reload import Reloader; Reloader.reload = broken_task"
SAVING = "from appliance.control.update import Update; Update.keep_saving = broken_task"
RECORDING = "from appliance.control.update import Update; Update.record = broken_task"
START = "from appliance.control.start import Start; Start.load = broken_task"
FIND = "from appliance.control.update import Update; Update.__init__ = broken"
SAY_READY = "import appliance.control.serve as s; s._say_ready = broken_task"
STATUS = "import appliance.control.status as s; s.summary = broken"
ANSWER = "import appliance.server.responder as r; r.respond = broken"
WORKER = "from appliance.server.worker import Worker; Worker._on_tick = broken"
PULSE = "from appliance.publish.pulse import Pulse; Pulse.beat = broken"


@contextmanager
def serving_with(folder: Path, patch: str) -> Iterator[Served]:
    """Yield a server with a defect, as far as it gets."""
    (folder / "appliance.toml").write_text(configuration("example.", more="worker_silence_s = 0.5"))
    (folder / "example.zone").write_text(zone_text())
    command = [sys.executable, "-c", CODE.format(patch=patch), "serve", "--no-xdp"]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [*command, "--config", str(folder / "appliance.toml")],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ},
        )
    server = Served(folder, process)
    try:
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(START_S)
        assert "Traceback" not in server.log()
        assert SECRET not in server.log()
        for report in (folder / "state" / "crash").iterdir():
            assert SECRET not in report.read_text()
            assert report.stat().st_mode & 0o777 == 0o600


def reports(server: Served) -> int:
    folder = server.folder / "state" / "crash"
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_a_verb(tmp_path: Path) -> None:
    with serving_with(tmp_path, RELOAD) as server:
        server.wait_ready()
        done = server.command("reload", "--json")
        assert done.returncode == 1
        assert decoded(done)["error"].startswith("internal error while answering the verb reload: KeyError")
        assert len(done.stderr.splitlines()) == 1
        assert "appliance: internal error while answering the verb reload" in done.stderr
        assert server.ask("status")["crashes"] == {"count": 1, "folder": str(tmp_path / "state" / "crash")}
        assert server.address() == "192.0.2.2"
        assert reports(server) == 1


def test_status_itself(tmp_path: Path) -> None:
    with serving_with(tmp_path, STATUS + "; s._x = 0") as server:
        until(lambda: server.process.poll() is not None or reports(server) > 0)
        assert server.process.wait(START_S) == 1  # it says that it is ready with what status knows
        assert "internal error while running `appliance serve`: KeyError" in server.log()


def test_sighup(tmp_path: Path) -> None:
    """Before, a traceback on stderr, and nothing else."""
    with serving_with(tmp_path, RELOAD) as server:
        server.wait_ready()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "internal error while reloading on SIGHUP: KeyError" in server.log())
        assert server.address() == "192.0.2.2"


@pytest.mark.parametrize(
    ("patch", "purpose"),
    [
        (SAVING, "saving the store"),
        (RECORDING, "keeping what is served"),
        (PULSE, "asking whether the workers are alive"),
    ],
)
def test_a_task_beside_the_others(tmp_path: Path, patch: str, purpose: str) -> None:
    with serving_with(tmp_path, patch) as server:
        server.wait_ready()
        until(lambda: f"internal error while {purpose}: KeyError" in server.log())
        assert any(purpose in one for one in server.ask("status")["warnings"])
        assert server.address() == "192.0.2.2"
        assert server.end() == 0


@pytest.mark.parametrize("patch", [START, FIND, SAY_READY])
def test_the_start(tmp_path: Path, patch: str) -> None:
    with serving_with(tmp_path, patch) as server:
        assert server.process.wait(START_S) == 1
        last = server.log().splitlines()[-1]
        assert last.startswith("appliance: internal error while running `appliance serve`: KeyError")
        assert reports(server) == 1
        assert not server.socket.exists()


def test_an_answer(tmp_path: Path) -> None:
    with serving_with(tmp_path, ANSWER) as server:
        server.wait_ready()
        assert server.address() == "SERVFAIL"
        assert "internal error while answering a query: KeyError" in server.log()


def test_a_worker(tmp_path: Path) -> None:
    with serving_with(tmp_path, WORKER) as server:
        server.wait_ready()
        until(lambda: server.ask("status")["workers"]["restarts"] > 1)
        assert "internal error while answering queries: KeyError" in server.log()
        until(lambda: reports(server) > 1)
