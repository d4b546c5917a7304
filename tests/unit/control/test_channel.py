# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: verbs, and whatever else a client may send."""

import asyncio
import json
import os
import select
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.control.channel import LINE_OCTETS, Channel
from appliance.control.client import NotRunningError, ask
from appliance.errors import ApplianceError, StateError

pytestmark = pytest.mark.unit


async def echo(request: dict[str, Any]) -> Any:
    return request


async def refuse(request: dict[str, Any]) -> Any:
    raise StateError("zone x. is not in the configuration")


async def break_down(request: dict[str, Any]) -> Any:
    return request["missing"]


VERBS = {"echo": echo, "refuse": refuse, "break": break_down}


def serve(path: Path, client: Callable[[], Any], group: str = "") -> Any:
    """Run a client in a thread beside an open channel and return its result."""

    async def both() -> Any:
        channel = Channel(path, VERBS, group)
        await channel.open()
        try:
            return await asyncio.to_thread(client)
        finally:
            await channel.close()

    return asyncio.run(both())


def converse(path: Path, octets: bytes, answers: int) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(path))
        line.sendall(octets)
        with line.makefile("rb") as stream:
            return [json.loads(stream.readline()) for _ in range(answers)]


def test_a_verb_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    assert serve(path, lambda: ask(path, "echo", zone="example.")) == {"zone": "example."}
    assert not path.exists()


def test_several_lines_on_one_connection(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    lines = b"".join(b'{"verb":"echo","n":%d}\n' % n for n in range(50))
    assert [a["result"]["n"] for a in serve(path, lambda: converse(path, lines, 50))] == list(range(50))


def test_errors_reach_the_client_in_words(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with pytest.raises(ApplianceError, match=r"zone x\. is not in the configuration"):
        serve(path, lambda: ask(path, "refuse"))
    with pytest.raises(ApplianceError, match="unknown verb; known are break, echo, refuse"):
        serve(path, lambda: ask(path, "halt"))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"{\n",
        b"\xff\xfe\x00\n",
        b"[1]\n",
        b'{"verb": 3}\n',
        b"null\n",
        b'{"verb": "echo", "a": ' + b"[" * 30000 + b"\n",
    ],
)
def test_garbage_is_answered_and_borne(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "c.sock"
    answers = serve(path, lambda: converse(path, garbage + b'{"verb":"echo"}\n', 2))
    assert [a["ok"] for a in answers] == [False, True]


def test_an_endless_line_ends_its_own_connection_only(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"

    def client() -> tuple[dict[str, Any], Any]:
        refused = converse(path, b"x" * (LINE_OCTETS + 1), 1)[0]
        return refused, ask(path, "echo")

    refused, after = serve(path, client)
    assert refused == {"ok": False, "error": f"a line has at most {LINE_OCTETS} octets"}
    assert after == {}


def test_a_defect_in_a_verb_does_not_end_the_service(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"

    def client() -> Any:
        with pytest.raises(ApplianceError, match="internal error while answering the verb break: KeyError"):
            ask(path, "break")
        return ask(path, "echo")

    assert serve(path, client) == {}


@pytest.mark.parametrize("group", ["", "no-such-group"])
def test_without_a_group_the_socket_is_for_its_owner(tmp_path: Path, group: str) -> None:
    path = tmp_path / "c.sock"
    before = os.umask(0)
    try:
        mode = serve(path, lambda: stat.S_IMODE(path.stat().st_mode), group)
    finally:
        os.umask(before)
    assert mode == 0o600


def test_the_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NotRunningError):
        ask(path, "echo")
    assert serve(path, lambda: ask(path, "echo")) == {}


def test_a_server_that_ends_before_it_answers_is_not_running(tmp_path: Path) -> None:
    """As when a child of a killed server had the socket a moment longer than the server."""
    path = tmp_path / "c.sock"

    def end_unread() -> None:
        line, _ = dying.accept()
        select.select([line], [], [], 10)
        line.close()

    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(path))
        dying.listen()
        ending = threading.Thread(target=end_unread)
        ending.start()
        with pytest.raises(NotRunningError, match="ended before it answered"):
            ask(path, "echo")
        ending.join()


def test_clients_that_stay_do_not_keep_the_server(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    staying = socket.socket(socket.AF_UNIX)
    try:
        staying.settimeout(10)

        def stay() -> None:
            staying.connect(str(path))
            staying.sendall(b'{"verb":"echo"}\n')
            assert staying.recv(100)

        serve(path, stay)
        assert staying.recv(1) == b""
    finally:
        staying.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "c.sock"
    with pytest.raises(StateError, match="cannot make the control socket"):
        serve(path, lambda: None)
