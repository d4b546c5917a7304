# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call to a server ends, and says what was waited for, how long, and what mends it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli.client import LateError, ask, stop
from appliance.errors import ApplianceError

pytestmark = pytest.mark.unit

LISTEN = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Yield the socket of a process that never answers, and the process."""
    path = tmp_path / "c.sock"
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield path, process.pid
        process.kill()


@pytest.mark.parametrize("verb", ["status", "stats", "journal", "reload", "stop"])
def test_a_server_that_does_not_answer_is_told(listener: tuple[Path, int], verb: str) -> None:
    path, pid = listener
    with pytest.raises(LateError) as told:
        ask(path, verb, limit_s=0.2)
    assert str(told.value).startswith(f"the server on {path} (process {pid}) has not answered `{verb}` within 0.2 s: ")
    assert "--timeout" in str(told.value)


def test_a_stopped_server_is_told_apart(listener: tuple[Path, int]) -> None:
    """As after kill -STOP: the kernel takes the connection, and nothing ever comes."""
    path, pid = listener
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    with pytest.raises(LateError, match=re.escape(f"it was stopped (SIGSTOP): `kill -CONT {pid}` lets it go on")):
        ask(path, "status", limit_s=0.2)
    with pytest.raises(LateError, match="SIGSTOP"):
        stop(path, limit_s=0.2)


def test_a_full_queue_is_waited_for_as_long_as_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(0)
        held = []
        while True:
            line = socket.socket(socket.AF_UNIX)
            line.setblocking(False)
            try:
                line.connect(str(path))
            except BlockingIOError:
                line.close()
                break
            held.append(line)
        notes: list[str] = []
        with pytest.raises(LateError, match="it has not taken the connection"):
            ask(path, "status", limit_s=0.2, say=notes.append)
        assert notes == ["many others are waiting for the server too"]
        for line in held:
            line.close()


def test_a_path_of_looped_links_is_an_ordinary_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ApplianceError, match=r"cannot reach the server on .*: its links lead in a circle"):
        ask(tmp_path / "loop", "status")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\xff\n",
        b"[]\n",
        b"{}\n",
        b'{"ok": true}\n',
        b'{"ok": false}\n',
        b"[" * 99999 + b"\n",
    ],
)
def test_another_program_that_listens_there_is_told(tmp_path: Path, answer: bytes) -> None:
    """Before, an internal error."""
    path = tmp_path / "c.sock"

    def serve() -> None:
        line, _ = listening.accept()
        with line:
            line.recv(1000)
            line.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        serving = threading.Thread(target=serve)
        serving.start()
        with pytest.raises(ApplianceError, match=rf"process {os.getpid()}, which listens on .*, is no server of this"):
            ask(path, "status", limit_s=30)
        serving.join()


def test_a_line_without_an_end_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"

    def serve() -> None:
        line, _ = listening.accept()
        with line, contextlib.suppress(BrokenPipeError):
            while True:
                line.sendall(b"x" * (1 << 20))

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        serving = threading.Thread(target=serve)
        serving.start()
        with pytest.raises(ApplianceError, match="is no server of this program"):
            ask(path, "status", limit_s=60)
        serving.join()
