# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks for what stands in the log, and what cannot be asked is refused there and to the client."""

import asyncio
import json
import os
import pwd
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.client import ask
from appliance.control import peers
from appliance.control.channel import Channel
from appliance.control.peers import REFUSED, Asked, in_words
from appliance.errors import ApplianceError, StateError

pytestmark = pytest.mark.unit


async def look(request: dict[str, Any]) -> Any:
    return request


async def change(request: dict[str, Any]) -> Any:
    if request.get("zone") == "bad.":
        raise StateError("zone bad. is not in the configuration")
    return request


def serve(path: Path, client: Callable[[], Any]) -> Any:
    async def both() -> Any:
        verbs = {"look": look, "change": change} if path.name == "control.sock" else {"look": look}
        channel = Channel(path, verbs, operating=frozenset({"change"}))
        await channel.open()
        try:
            return await asyncio.to_thread(client)
        finally:
            await channel.close()

    return asyncio.run(both())


def me() -> str:
    uid = os.geteuid()
    command = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    return f"user {pwd.getpwuid(uid).pw_name} (uid {uid}), process {os.getpid()}, {command}"


def test_who_asks_for_a_change_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "control.sock"
    serve(path, lambda: (ask(path, "look"), ask(path, "change", zone="a.", force=False, empty="")))
    assert [record.getMessage() for record in caplog.records if "asked" in record.getMessage()] == [
        f'change zone="a.": asked for by {me()}'
    ]


def test_what_was_not_done_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "control.sock"
    with pytest.raises(ApplianceError, match="bad"):
        serve(path, lambda: ask(path, "change", zone="bad."))
    assert f'change zone="bad.": not done for {me()}: zone bad. is not in the configuration' in caplog.text


def test_a_change_asked_on_the_wrong_socket_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "read.sock"
    with pytest.raises(
        ApplianceError, match=r"verb change changes the server: ask for it on the control.*not on read.sock"
    ):
        serve(path, lambda: ask(path, "change"))
    assert f"read.sock: a request of {me()} was refused: verb change changes the server" in caplog.text


def test_refused_requests_fill_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "control.sock"

    def client() -> None:
        with socket.socket(socket.AF_UNIX) as line, line.makefile("rb") as stream:
            line.connect(str(path))
            for _ in range(5 * REFUSED):
                line.sendall(b'{"verb": "nonsense\\u0000\\n<3>forged", "secret": "MARKER"}\n')
                assert json.loads(stream.readline())["ok"] is False

    serve(path, client)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == REFUSED
    assert not any("MARKER" in one or "forged" in one or "\n" in one for one in told)


def test_the_rest_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked()
    assert sum(asked.may_tell(0.0) for _ in range(REFUSED + 7)) == REFUSED
    assert asked.may_tell(100.0)
    assert "7 more requests were refused" in caplog.text


@pytest.mark.parametrize("value", ["a\nb", "\x1b[2J", "x" * 10_000, {"a": ["b"] * 1000}])
def test_arguments_are_told_in_one_short_line(value: Any) -> None:
    text = in_words("change", {"zone": value, "other\n": 1})
    assert text.isprintable()
    assert len(text) <= 201


@pytest.mark.parametrize("version", [0, 2, "1", None, True, [1], 1.5, "x" * 1000])
def test_another_version_is_refused_with_the_mend(tmp_path: Path, version: Any) -> None:
    path = tmp_path / "control.sock"
    with pytest.raises(ApplianceError, match=r"of the protocol is not known: this server speaks version 1; ask with"):
        serve(path, lambda: ask(path, "look", version=version))


@pytest.mark.parametrize("version", [b"", b',"version":1'])
def test_answers_carry_the_version(tmp_path: Path, version: bytes) -> None:
    path = tmp_path / "control.sock"

    def client() -> list[dict[str, Any]]:
        with socket.socket(socket.AF_UNIX) as line, line.makefile("rb") as stream:
            line.connect(str(path))
            line.sendall(b'{"verb":"look"%s}\n{"verb":"none"%s}\nnonsense\n' % (version, version))
            return [json.loads(stream.readline()) for _ in range(3)]

    assert [(one["version"], one["ok"]) for one in serve(path, client)] == [(1, True), (1, False), (1, False)]


def test_a_directory_of_users_that_hangs_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with LDAP that is down: the server must be stopped all the same."""
    caplog.set_level("INFO")
    hang = threading.Event()
    monkeypatch.setattr(peers, "_ASKED_NAMES", {})
    monkeypatch.setattr(peers, "NAME_S", 0.1)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: hang.wait(60))
    path = tmp_path / "control.sock"
    try:
        serve(path, lambda: [ask(path, "change", n=n, limit_s=60) for n in range(3)])
    finally:
        hang.set()
    told = [one for one in caplog.messages if "asked for" in one]
    assert len(told) == 3
    assert all(f"asked for by user uid {os.geteuid()}, process {os.getpid()}, " in one for one in told)
