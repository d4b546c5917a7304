# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: verbs, and whatever else a client may send."""

import asyncio
import grp
import json
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.client import LateError, NotRunningError, ask, leave
from appliance.control.channel import CLIENTS, LINE_OCTETS, Begin, Channel, Listing, Waiting
from appliance.control.turns import Turns
from appliance.errors import ApplianceError, StateError

pytestmark = pytest.mark.unit


async def echo(request: dict[str, Any]) -> Any:
    return request


async def refuse(request: dict[str, Any]) -> Any:
    raise StateError("zone x. is not in the configuration")


async def break_down(request: dict[str, Any]) -> Any:
    return request["missing"]


async def big(request: dict[str, Any]) -> Any:
    return "x" * (1 << 20)


async def listed(request: dict[str, Any]) -> Any:
    return Listing({"a": 1}, "zones", ([number] * 3 for number in range(1000)))


VERBS = {"echo": echo, "refuse": refuse, "break": break_down, "big": big, "list": listed}


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
    with pytest.raises(ApplianceError, match="unknown verb; known are big, break, echo, list, refuse"):
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
    assert refused == {"version": 1, "ok": False, "error": f"a line has at most {LINE_OCTETS} octets"}
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


def connections(path: Path, count: int, octets: bytes = b"") -> list[socket.socket]:
    """Return that many connections, each of which has sent some octets; the kernel's queue may hold some of them."""
    lines = []
    for _ in range(count):
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(path))
        line.sendall(octets)
        lines.append(line)
    return lines


def test_more_clients_than_places_all_get_their_answer(tmp_path: Path) -> None:
    """As when 33 reloads were asked for at a time: the last ones were told that the server had ended."""
    path = tmp_path / "c.sock"
    release = threading.Event()
    heard = []

    async def wait(request: dict[str, Any]) -> Any:
        heard.append(request["n"])
        await asyncio.get_running_loop().run_in_executor(pool, release.wait)
        return request["n"]

    def client() -> list[int]:
        lines = []
        for number in range(CLIENTS + 40):
            lines += connections(path, 1, b'{"verb":"wait","n":%d}\n' % number)
        while len(heard) < CLIENTS:
            time.sleep(0.01)
        assert len(heard) == CLIENTS  # the others wait, and are not refused
        release.set()
        answers = []
        for line in lines:
            line.settimeout(60)
            with line, line.makefile("rb") as stream:
                answers.append(json.loads(stream.readline())["result"])
        return answers

    async def both() -> list[int]:
        channel = Channel(path, {"wait": wait})
        await channel.open()
        try:
            return await asyncio.to_thread(client)
        finally:
            await channel.close()

    with ThreadPoolExecutor(CLIENTS + 40) as pool:
        assert asyncio.run(both()) == list(range(CLIENTS + 40))


@pytest.mark.parametrize(
    "octets", [b"", b'{"verb":', b'{"verb":"echo"}\n', b'{"verb":"big"}\n' * 3, b'{"verb":"echo"}\n' * 2000]
)
def test_silent_clients_keep_nobody_out(tmp_path: Path, octets: bytes) -> None:
    """Silent ones, slow ones, ones that stay after their answer, do not read it, or ask on: all places are theirs."""
    path = tmp_path / "c.sock"

    def client() -> Any:
        staying = connections(path, CLIENTS + 10, octets)
        try:
            return [ask(path, "echo", n=n, limit_s=60) for n in range(3)]
        finally:
            for line in staying:
                line.close()

    assert serve(path, client) == [{"n": n} for n in range(3)]


def test_who_waits_is_told_why(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    notes: list[str] = []
    noted = threading.Event()

    def say(note: str) -> None:
        notes.append(note)
        noted.set()

    async def wait(request: dict[str, Any]) -> Any:
        await asyncio.to_thread(noted.wait)
        return "done"

    async def both() -> Any:
        channel = Channel(path, {"wait": wait}, doing=lambda: "reloading zone a. (1 of 2)")
        await channel.open()
        try:
            return await asyncio.to_thread(lambda: ask(path, "wait", say=say, limit_s=60))
        finally:
            await channel.close()

    assert asyncio.run(both()) == "done"
    assert set(notes) == {"reloading zone a. (1 of 2)"}


@pytest.mark.parametrize("notes", [b"true", b"false"])
def test_a_client_that_goes_stops_no_work(tmp_path: Path, notes: bytes) -> None:
    """What a reload has begun must be done to its end, whoever asked for it."""
    path = tmp_path / "c.sock"
    begun, gone, done = threading.Event(), threading.Event(), threading.Event()

    async def work(request: dict[str, Any]) -> Any:
        begun.set()
        await asyncio.to_thread(gone.wait)
        await asyncio.sleep(1.5)  # a note is due meanwhile, which nobody takes
        done.set()

    async def both() -> None:
        channel = Channel(path, {"work": work})
        await channel.open()
        (line,) = await asyncio.to_thread(connections, path, 1, b'{"verb":"work","notes":%s}\n' % notes)
        assert await asyncio.to_thread(begun.wait, 60)
        line.close()
        gone.set()
        assert await asyncio.to_thread(done.wait, 60)
        await channel.close()

    asyncio.run(both())


def test_a_long_list_comes_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    result = serve(path, lambda: ask(path, "list"))
    assert result == {"a": 1, "zones": [number for number in range(1000) for _ in range(3)]}


def test_members_of_the_group_may_connect(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    path = tmp_path / "c.sock"
    found = serve(path, path.stat, group)
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, os.getgid())


def test_a_group_that_the_server_is_not_in_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The unit may not change owners, so it can give its sockets to groups of its own only."""
    path = tmp_path / "c.sock"
    others = [one for one in grp.getgrall() if one.gr_gid not in {os.getgid(), *os.getgroups()}]

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with pytest.MonkeyPatch.context() as patch:
        if os.geteuid() == 0:  # root may; without CAP_CHOWN it is refused as everybody else is
            patch.setattr(os, "chown", refuse)
        mode = serve(path, lambda: stat.S_IMODE(path.stat().st_mode), others[0].gr_name)
    assert mode == 0o600
    assert f"cannot be given to group {others[0].gr_name}" in caplog.text


def test_what_has_not_begun_is_not_done_for_a_client_that_went(tmp_path: Path) -> None:
    """Before, a request that lay in a busy server's queue was carried out long after its client had given up."""
    path = tmp_path / "c.sock"
    done: list[Any] = []

    async def work(request: dict[str, Any]) -> Any:
        done.append(request["n"])
        return request["n"]

    def busy() -> None:
        for number, more in enumerate((b"", b',"begin":true', b',"notes":true', b',"begin":true,"notes":true')):
            connections(path, 1, b'{"verb":"work","n":%d%s}\n' % (number, more))[0].close()
        with pytest.raises(LateError, match="it has taken the request and has not answered; `work` had not begun, and"):
            ask(path, "work", n=4, limit_s=0.1)
        with pytest.raises(LateError, match="`work` had not begun, and will not be done"):
            ask(path, "work", n=5, limit_s=0.1, say=lambda note: None)
        leave(path, "work", n=8)  # to be done though nobody waits

    async def both() -> None:
        channel = Channel(path, {"work": work})
        await channel.open()
        thread = threading.Thread(target=busy)
        thread.start()
        thread.join()  # the loop is held up until all have gone
        assert await asyncio.to_thread(lambda: ask(path, "work", n=6)) == 6
        half_closed = await asyncio.to_thread(half_close)
        await channel.close()
        assert half_closed == b'{"version": 1, "ok": true, "result": 7}\n'

    def half_close() -> bytes:
        (line,) = connections(path, 1, b'{"verb":"work","n":7}\n')
        with line, line.makefile("rb") as stream:
            line.shutdown(socket.SHUT_WR)
            return stream.readline()

    asyncio.run(both())
    assert sorted(done) == [6, 7, 8]


def test_what_has_begun_goes_on_and_its_client_says_so(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    late = threading.Event()
    done = threading.Event()

    async def work(request: dict[str, Any], begin: Begin) -> Any:
        assert begin()
        await asyncio.to_thread(late.wait)
        done.set()

    def client() -> None:
        with pytest.raises(LateError, match="`work` has begun and goes on; `appliance status` says what comes of it"):
            ask(path, "work", limit_s=0.5)
        late.set()
        assert done.wait(60)

    async def both() -> None:
        channel = Channel(path, {"work": Waiting(work)})
        await channel.open()
        await asyncio.to_thread(client)
        await channel.close()

    asyncio.run(both())


def test_readers_that_ask_without_end_do_not_hold_the_operator_up(tmp_path: Path) -> None:
    """Each of them has a turn after the others, and half of the time is for those who need none."""
    reading, operating = tmp_path / "read.sock", tmp_path / "control.sock"
    answered: list[str] = []

    def work(who: str) -> Any:
        async def verb(request: dict[str, Any]) -> Any:
            answered.append(f"{who}{request.get('n', '')}")
            until = time.monotonic() + 0.005
            while time.monotonic() < until:  # as long as a large status takes, in the loop's thread
                pass

        return verb

    def client() -> list[str]:
        flood = [connections(reading, 1, b'{"verb":"work","n":%d}\n' % number * 1000)[0] for number in range(20)]
        while len(answered) < 60:
            time.sleep(0.001)
        before = len(answered)
        for _ in range(5):
            ask(operating, "work", limit_s=60)
        between = answered[before:]
        for line in flood:
            line.close()
        return between

    async def both() -> list[str]:
        channels = Channel(reading, {"work": work("r")}, turns=Turns()), Channel(operating, {"work": work("operator")})
        for one in channels:
            await one.open()
        try:
            return await asyncio.to_thread(client)
        finally:
            for one in channels:
                await one.close()

    between = asyncio.run(both())
    assert between.count("operator") == 5
    assert len(between) < 200  # 20,000 were asked for before
    shares = [between.count(f"r{number}") for number in range(20)]
    assert max(shares) - min(shares) <= 2
