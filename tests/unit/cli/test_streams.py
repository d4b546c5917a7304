# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever becomes of standard output, an operator reads a sentence; on a terminal a table fits, with colour."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.served import ROOT, START_S, Served, configuration, serving, zone_text

pytestmark = pytest.mark.unit

COMMANDS = [
    ("status",),
    ("status", "--zones"),
    ("status", "--json", "--zones"),
    ("stats",),
    ("zone", "status"),
    ("zone", "status", "--json"),
    ("zone", "status", "z1."),
    ("zone", "journal", "z1."),
    ("reload", "z1."),
    ("detach",),
    ("config", "show"),
]
ALONE = [("--help",), ("--version",), ("config", "schema"), ("check-config", "none.toml"), ("status", "--nonsense")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("streams")
    (folder / "appliance.toml").write_text(
        configuration("a-bad-one.example.", more='[[pattern]]\nzones = "list"\nfile = "zone"\n')
    )
    (folder / "list").write_text("".join(f"z{number}.\n" for number in range(3000)))
    (folder / "zone").write_text(zone_text())
    (folder / "a-bad-one.example.zone").write_text("x\n")
    with serving(folder) as served:
        yield served


def run(words: tuple[str, ...], server: Served, shell: str) -> subprocess.CompletedProcess[str]:
    """Run a command as `shell` says, where "$@" is the command."""
    alone = words in ALONE
    command = [sys.executable, "-m", "appliance", *words, *([] if alone else ["--config", str(server.config)])]
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *command], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )
    for said in ("Traceback", "internal error", "Exception ignored"):
        assert said not in done.stderr
    return done


@pytest.mark.parametrize("words", [*COMMANDS, *ALONE], ids=" ".join)
def test_output_that_takes_nothing(server: Served, words: tuple[str, ...]) -> None:
    full = run(words, server, 'exec "$@" > /dev/full')
    assert full.returncode == 1
    assert "No space left on device" in full.stderr or words in (ALONE[3], ALONE[4])
    closed = run(words, server, 'exec "$@" >&-')
    assert "No space left" not in closed.stderr
    assert closed.returncode in (0, 1, 2)
    assert run(words, server, 'exec "$@" >&- 2>&-').returncode == closed.returncode
    left = run(words, server, '"$@" | read -r -n 1')
    assert "error:" not in left.stderr or words in ALONE


def on_terminal(words: tuple[str, ...], server: Served, columns: int = 80, **environment: str) -> str:
    """Return what a command writes to a terminal of 24 lines."""
    above, below = pty.openpty()
    fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance", *words, "--config", str(server.config)],
        stdin=below,
        stdout=below,
        stderr=below,
        cwd=ROOT,
        env={**kept, "TERM": "xterm", **environment},
    )
    os.close(below)
    octets = b""
    while part := _read(above):
        octets += part
    os.close(above)
    process.wait(START_S)
    return octets.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the last one who wrote to it has gone
        return b""


@pytest.mark.parametrize(
    "words", [("zone", "status", "--sort", "-bad"), ("zone", "status", "a-bad-one.example"), ("status",)]
)
@pytest.mark.parametrize("columns", [80, 100])
def test_a_terminal_gets_what_fits(server: Served, words: tuple[str, ...], columns: int) -> None:
    shown = on_terminal(words, server, columns)
    assert "\x1b[31m" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", shown)
    assert max(map(len, plain.splitlines())) <= columns
    assert "neither" in plain
    assert "\x1b[3" not in on_terminal(words, server, columns, NO_COLOR="1")
    assert "\x1b[3" not in on_terminal(words, server, columns, TERM="dumb")


def test_no_terminal_gets_no_colour(server: Served) -> None:
    for words in (("zone", "status", "--bad"), ("status",), ("zone", "status", "a-bad-one.example")):
        done = server.command(*words)
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("zone", "status"), ("status",), ("zone", "journal", "a.")])
def test_ctrl_c(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The server is one that hears a request and never answers."""
    (tmp_path / "a.toml").write_text('[server]\nread_socket = "s"\n')
    with socket.socket(socket.AF_UNIX) as listener:
        with contextlib.chdir(tmp_path):  # a socket's path is short
            listener.bind("s")
        listener.listen()
        listener.settimeout(START_S)
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance", *words, "--config", str(tmp_path / "a.toml")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        line, _ = listener.accept()
        with line:
            assert line.recv(65536).endswith(b"\n")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=START_S)
    assert (process.returncode, out, err.strip()) == (130, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "--timeout", "nan"), "is no number"),
        (("health", "--timeout", "nan"), "is no number"),
        (("import", "--compare", "127.0.0.1", "--rate", "nan"), "is no number"),
        (("reload", "--allow-removal", "\x1b[2J"), "\\x1b[2J"),
        (("backup", "a" * 5000), "File name too long"),
        (("restore", "a" * 5000), "File name too long"),
        (("status", "--config", "/dev/zero"), "it has more than 64 Mi characters"),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_odd_arguments(server: Served, words: tuple[str, ...], said: str) -> None:
    config = [] if words[0] in ("restore", "import") or "--config" in words else ["--config", str(server.config)]
    command = [sys.executable, "-m", "appliance", *words, *config]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    for wrong in ("Traceback", "internal error", "\x1b"):
        assert wrong not in done.stdout + done.stderr


def test_a_name_moves_no_cursor(server: Served, tmp_path: Path) -> None:
    done = server.command("backup", str(tmp_path / "\x1b[2J"))
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
