# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server whose sockets get what nobody should send: it answers the others, in words, and serves on."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.client import ask
from appliance.control.verb_table import VERBS
from appliance.errors import ApplianceError
from tests.harness.served import ROOT, Served, configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

SOCKETS = ("control.sock", "read.sock")
CONNECTIONS = 1000
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, 2**70, [], [[]], {}, {"a": {}}, "", "\0", "\n", "..", "\x1b[2J", "é.", "\ud800",
    "a" * 60_000,
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "appliance.toml").write_text(configuration("example."))
    (folder / "example.zone").write_text(zone_text())
    with serving(folder) as served:
        yield served
        assert served.address() == "192.0.2.2"
        assert "internal error" not in served.log()
        assert "Traceback" not in served.log()


def descriptors(server: Served) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


@pytest.mark.parametrize("name", SOCKETS)
@pytest.mark.parametrize("octets", [b"", b'{"verb":"status"', b'{"verb":"stats"}\n' * 3])
def test_a_thousand_connections(server: Served, name: str, octets: bytes) -> None:
    """They say nothing, half a request, or ask and do not read: operators and watchers are answered beside them."""
    before = descriptors(server)
    path = server.folder / "run" / name
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            line = stack.enter_context(socket.socket(socket.AF_UNIX))
            line.settimeout(60)
            line.connect(str(path))
            with suppress(OSError):  # its place went to somebody else
                line.sendall(octets)
        for one in SOCKETS:
            assert ask(server.folder / "run" / one, "status", limit_s=60)["healthy"]
        assert descriptors(server) < before + CONNECTIONS
    until(lambda: descriptors(server) <= before + 5)


@pytest.mark.parametrize("name", SOCKETS)
@pytest.mark.parametrize(
    "octets",
    [
        b"x" * 10_000_000,
        b'{"verb":"status","zone":"' + b"a" * 10_000_000 + b'"}\n',
        b"[" * 10_000_000,
        b'{"a":' * 10_000 + b"\n",
        b"[" * 60_000 + b"\n",
        b"\0" * 60_000 + b"\n",
        b'{"verb":"sta\0tus"}\n',
        b'{"verb":"status"',
        b'{"verb":"status","zones":\n',
        b"\xef\xbb\xbf{}\n",
        b"\xff\xfe{\0}\0\n\0",
        b'"\\ud800"\n',
        b'{"verb":"\\ud800"}\n',
        b"1" * 60_000 + b"\n",
        b'{"verb":' + b"9" * 10_000 + b"}\n",
        b"NaN\n",
        b"\n" * 10_000,
        b'{"verb":"status","verb":"stop"}x\n',
        b'{"verb":{"verb":"stop"}}\n',
        b'{"verb":"status","version":' + b"9" * 5000 + b"}\n",
        b"GET /stop HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda octets: repr(octets[:20]),
)
def test_lines_that_are_none(server: Served, name: str, octets: bytes) -> None:
    path = server.folder / "run" / name
    with socket.socket(socket.AF_UNIX) as line, line.makefile("rb") as stream:
        line.settimeout(60)
        line.connect(str(path))
        with suppress(OSError):  # it is not heard to its end
            line.sendall(octets)
            line.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            for answer in stream:
                said = json.loads(answer)
                assert said["ok"] is False
                assert said["error"]
                assert "internal error" not in said["error"]
    assert ask(path, "status", limit_s=60)["healthy"]


def refused(server: Served, verb: str, given: dict[str, Any]) -> str:
    """Return why a verb is not done, "" where it is."""
    try:
        ask(server.socket, verb, limit_s=60, **given)
    except ApplianceError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("row", VERBS, ids=lambda row: row.name)
def test_every_argument_with_every_odd_value(server: Served, row: Any) -> None:
    for argument in row.arguments:
        for odd in ODD:
            given = {argument.name: odd}
            if row.bulk:
                continue
            said = refused(server, row.name, given)
            assert "internal error" not in said, (row.name, given)
            assert said.isprintable(), (row.name, given)
    with pytest.raises(ApplianceError, match="unknown argument"):
        ask(server.socket, row.name, limit_s=60, nonsense=1)
    ask(server.socket, "undrain")
    ask(server.socket, "verbosity", level="info")
    assert server.process.poll() is None


@pytest.mark.parametrize("key", ["control_socket", "read_socket"])
@pytest.mark.parametrize("kind", ["file", "folder", "pipe", "device"])
def test_a_socket_path_that_is_taken(tmp_path: Path, key: str, kind: str) -> None:
    """What lies there is nobody's to remove: the start says so, and changes nothing."""
    taken = tmp_path / "taken"
    if kind == "file":
        taken.write_text("precious")
    elif kind == "folder":
        taken.mkdir()
    elif kind == "pipe":
        os.mkfifo(taken)
    else:
        taken.symlink_to("/dev/null")
    text = configuration("example.").replace("[server]", f'[server]\n{key} = "taken"')
    (tmp_path / "appliance.toml").write_text(text)
    (tmp_path / "example.zone").write_text(zone_text())
    command = [sys.executable, "-m", "appliance", "serve", "--no-xdp", "--config", str(tmp_path / "appliance.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert f"cannot make the control socket {taken}: it is there already and is no socket: move it away" in done.stderr
    assert taken.exists()
    assert kind != "file" or taken.read_text() == "precious"
