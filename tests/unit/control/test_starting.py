# SPDX-License-Identifier: GPL-3.0-or-later
"""A start is a state that is told: here it is held at the list of zones, which the test writes when it likes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.served import ROOT, START_S, Served, configuration, decoded, start, until, zone_text

pytestmark = pytest.mark.unit

HOLDING = Path(__file__).parents[2] / "harness" / "held"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Served]:
    """Yield a server in the middle of its start, which goes on when `release` is called."""
    pattern = '[[pattern]]\nzones = "list"\nfile = "{zone}.zone"\n'
    (tmp_path / "appliance.toml").write_text(configuration(more=pattern))
    for name in ("one", "two"):
        (tmp_path / f"{name}.zone").write_text(zone_text())
    os.mkfifo(tmp_path / "list.pipe")
    server = start(tmp_path, PYTHONPATH=str(HOLDING), HELD_AT=str(tmp_path / "list"))
    try:
        until(lambda: server.process.poll() is not None or server.command("status").returncode != 3)
        yield server
    finally:
        server.process.kill()
        server.process.wait(START_S)


def release(server: Served, *zones: str) -> None:
    """Let the server read its list once: as soon as it opens that, it gets the names and their end."""
    (server.folder / "list.pipe").write_text("".join(f"{zone}\n" for zone in zones))


def in_thread(work: Any) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def test_status_says_that_it_starts(held: Served) -> None:
    """Before, `status` said that no server listens, exit 3."""
    done = held.command("status", "--json")
    told = decoded(done)
    assert done.returncode == 2
    assert (told["state"], told["healthy"], told["pid"]) == ("starting", False, held.process.pid)
    assert told["progress"]["doing"] == "looking for the zones and for what was saved of them"
    assert told["problems"] == ["the server is starting: looking for the zones and for what was saved of them"]
    shown = held.command("status")
    assert shown.returncode == 2
    assert ", starting" in shown.stdout
    assert "! the server is starting: " in shown.stdout


@pytest.mark.parametrize("command", [("stats",), ("zone", "journal", "one.")])
def test_what_cannot_be_told_yet_is_refused_in_words(held: Served, command: tuple[str, ...]) -> None:
    done = held.command(*command, "--json")
    assert done.returncode == 1
    assert decoded(done)["error"].startswith("the server is starting: ")
    assert "`appliance status` says how far it is" in done.stderr


def test_a_reload_waits_for_the_start(held: Served) -> None:
    thread, results = in_thread(lambda: held.command("reload", "one."))
    until(lambda: "starting" in held.ask("status")["state"])
    release(held, "one", "two")
    thread.join(START_S)
    (done,) = results
    assert (done.returncode, done.stdout) == (0, "one.: serial 1 replaced by 1, the same records\n")


def test_stop_ends_a_start(held: Served) -> None:
    """At once, though a thread of it waits for a file that nobody can make it let go of."""
    done = held.command("stop", "--json")
    assert held.process.wait(START_S) == 0
    assert json.loads(done.stdout)["stopping"] is True
    assert "serves" not in held.log()
    assert "Traceback" not in held.log()
    assert not held.socket.exists()
    assert not (held.folder / "run" / "read.sock").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_start(held: Served, number: signal.Signals) -> None:
    held.process.send_signal(number)
    held.process.send_signal(number)  # an impatient operator
    held.process.send_signal(signal.SIGHUP)
    assert held.process.wait(START_S) == 0
    assert "Traceback" not in held.log()
    assert held.log().endswith("stopping before the start is done\n")


def test_sighup_during_a_start_is_acted_on_when_it_is_done(held: Served) -> None:
    """A file may have changed after it was read; before, the signal was lost."""
    held.process.send_signal(signal.SIGHUP)
    release(held, "one")
    release(held, "one", "two")  # is taken by the reload
    until(lambda: held.ask("status")["state"] == "serving" and len(held.ask("status")["zones"]) == 2)
    until(lambda: all(zone["state"] == "serving" for zone in held.ask("status")["zones"]))


def test_a_reload_that_gave_up_before_the_start_was_done_is_not_begun(held: Served) -> None:
    done = held.command("reload", "one.", "--timeout", "0.5")
    assert done.returncode == 1
    assert "`reload` had not begun, and will not be done" in done.stderr
    release(held, "one", "two")
    until(lambda: held.ask("status")["state"] == "serving")
    assert [one["outcome"] for one in held.ask("reload", zone="two.")["zones"]]  # its turn comes after the other's
    assert "zone one.: serial 1" not in held.log()


def test_ctrl_c_says_what_becomes_of_the_request(held: Served) -> None:
    command = [sys.executable, "-m", "appliance", "reload", "one.", "--config", str(held.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as asking:
        until(lambda: waits_in_poll(asking.pid))
        asking.send_signal(signal.SIGINT)
        assert asking.communicate(timeout=START_S)[1] == (
            "appliance: given up: `reload` had not begun, and will not be done\n"
        )
        assert asking.returncode == 130


def waits_in_poll(pid: int) -> bool:
    """Return whether a process waits in poll(2)."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] in {"7", "271"}
