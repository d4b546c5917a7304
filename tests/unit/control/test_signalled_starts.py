# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal at any moment of a start: it ends at once with status 0, or takes no notice of SIGHUP; nothing is left."""

import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import leaks
from tests.harness.served import ROOT, START_S, Served, configuration, serving, start, until, zone_text

pytestmark = pytest.mark.unit

HOOK = str(Path(__file__).parents[2] / "harness" / "signalled")
SEED = int(os.environ.get("SIGNAL_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
POINTS = int(os.environ.get("SIGNAL_POINTS", "4"))
"""Of each signal."""
ENDING = (signal.SIGTERM, signal.SIGINT)


def write(folder: Path) -> None:
    (folder / "appliance.toml").write_text(configuration("example.", "other."))
    for zone in ("example", "other"):
        (folder / f"{zone}.zone").write_text(zone_text())


def events(folder: Path) -> int:
    """Return how many events a start has until the server says that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        noted, told = str(folder / "events"), str(folder / "notify")
        with serving(folder, PYTHONPATH=HOOK, EVENTS=noted, NOTIFY_SOCKET=told):
            until(lambda: (folder / "events").exists() and (folder / "events").read_text().endswith("\n"))
    return int((folder / "events").read_text().split()[0])


def signalled(folder: Path, number: signal.Signals, at: int) -> Served:
    return start(folder, PYTHONPATH=HOOK, SIGNAL_AT=str(at), SIGNAL=str(int(number)))


def assert_gone(server: Served, said: str) -> None:
    """Check that nothing of a server is left that could trouble the next one."""
    assert "Traceback" not in server.log(), said
    assert "Exception" not in server.log(), said
    assert "error:" not in server.log(), said
    left = sorted(path.name for path in (server.folder / "run").glob("*.sock"))
    assert left == [], said
    assert not list((server.folder / "state").glob(".store.image.*")), said
    mark = str(server.folder)
    assert [one for one in leaks.processes(os.environ[leaks.RUN_VARIABLE]) if mark in one] == [], said


@pytest.mark.timeout(600)
def test_signals_that_end_a_start(tmp_path: Path) -> None:
    """At seeded moments, from the import of the command line until the server is ready."""
    write(tmp_path)
    whole = events(tmp_path)
    assert whole > 1000
    chosen = random.Random(SEED)
    for number in ENDING:
        for at in [0, 1, *chosen.sample(range(whole), POINTS), whole]:
            said = f"SIGNAL_SEED={SEED}: {number.name} at event {at} of {whole}"
            (tmp_path / "log").unlink(missing_ok=True)  # that of the start before
            server = signalled(tmp_path, number, at)
            until(lambda: server.process.poll() is not None or " serves " in server.log())  # noqa: B023 - at once
            if server.process.poll() is None:  # this start may have had fewer events
                server.process.send_signal(number)
            assert server.process.wait(START_S) == 0, f"{said}\n{server.log()}"
            assert_gone(server, f"{said}\n{server.log()}")
    with serving(tmp_path) as server:
        assert server.address() == "192.0.2.2"


@pytest.mark.timeout(600)
def test_sighup_at_any_moment_of_a_start(tmp_path: Path) -> None:
    write(tmp_path)
    whole = events(tmp_path)
    for at in [0, 1, *random.Random(SEED).sample(range(whole), POINTS)]:
        said = f"SIGNAL_SEED={SEED}: SIGHUP at event {at} of {whole}"
        server = signalled(tmp_path, signal.SIGHUP, at)
        try:
            server.wait_ready()
            assert server.address() == "192.0.2.2", said
        finally:
            assert server.end() == 0, said
        assert_gone(server, said)


@pytest.mark.parametrize("number", [*ENDING, signal.SIGHUP])
def test_a_signal_while_the_first_module_is_imported(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever the process does not catch has its default, and ends it with another status."""
    write(tmp_path)
    server = start(tmp_path)
    until(lambda: _is_met(server.process.pid, number) or server.process.poll() is not None)
    if number == signal.SIGHUP:
        server.process.send_signal(number)
        server.wait_ready()
        assert server.end() == 0
    else:
        assert server.end(number) == 0
        assert server.log() == "" or server.log().endswith("stopping before the start is done\n")
    assert_gone(server, server.log())


def _is_met(pid: int, number: signal.Signals) -> bool:
    """Return whether a process catches or ignores a signal; Python itself catches SIGINT from the beginning."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    other = signal.SIGTERM if number == signal.SIGINT else number
    return bool((int(fields["SigCgt"], 16) | int(fields["SigIgn"], 16)) >> (other - 1) & 1)


def test_the_first_thing_is_to_take_charge() -> None:
    """What is imported before somebody is in charge is time in which a SIGHUP ends the server."""
    code = (
        "import sys\n"
        "sys.argv = ['appliance', 'serve']\n"
        "import appliance.__main__, appliance.control.early_signals as early\n"
        "early.take_charge = lambda: sys.exit(' '.join(sorted(m for m in sys.modules if m.startswith('appliance'))))\n"
        "appliance.__main__.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    control = ["appliance.control", "appliance.control.early_signals"]
    assert done.stderr.split() == ["appliance", "appliance.__main__", *control]


@pytest.mark.parametrize("command", [["status"], ["check-config"], ["serve", "--help"]])
def test_ctrl_c_while_another_command_is_imported(tmp_path: Path, command: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": HOOK, "SIGNAL_AT": "3", "SIGNAL": str(int(signal.SIGINT))}
    done = subprocess.run(
        [sys.executable, "-m", "appliance", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0 if command[0] == "serve" else 130, "", "")


def test_two_impatient_signals_while_it_ends(tmp_path: Path) -> None:
    """Before, the second one found the defaults again, in the last moments."""
    write(tmp_path)
    with serving(tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)
        while server.process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                server.process.send_signal(number)
        assert server.process.returncode == 0
        assert_gone(server, server.log())
