# SPDX-License-Identifier: GPL-3.0-or-later
"""Bulk verbs: lines go in, results come out as they are made, whoever stops, dies, dawdles or sends nonsense."""

import asyncio
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.client import NotRunningError, ask
from appliance.cli.feed import LINE_OCTETS, WINDOW, feed
from appliance.control import channel as channels
from appliance.control.bulk import BATCH, Bulk, Streaming
from appliance.control.channel import CLIENTS, Channel
from appliance.errors import ApplianceError

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
Held = Callable[[int], None]


def taking(batches: list[int] | None = None, held: Held = lambda number: None) -> Streaming:
    """Return a verb that refuses lines with "bad" in them and does all others; `held` is called for each batch."""

    async def take(request: dict[str, Any], bulk: Bulk) -> Any:
        async for batch in bulk.batches():
            if batches is not None:
                batches.append(len(batch))
            await asyncio.to_thread(held, batch[0][0])
            await bulk.tell([{"zone": text, "line": number, "ok": "bad" not in text} for number, text in batch])
        return bulk.report()

    return Streaming(take)


def wait_for(event: threading.Event) -> None:
    assert event.wait(60)


async def echo(request: dict[str, Any]) -> Any:
    return request


def serve(path: Path, client: Callable[[], Any], verb: Streaming | None = None) -> Any:
    """Run a client in a thread beside an open channel and return its result."""

    async def both() -> Any:
        channel = Channel(path, {"take": verb or taking(), "echo": echo})
        await channel.open()
        try:
            return await asyncio.to_thread(client)
        finally:
            await channel.close()

    return asyncio.run(both())


@contextmanager
def piped(octets: bytes, *, end: bool = True) -> Iterator[int]:
    """Yield a descriptor that yields some octets, and the end of them unless it is to be left open."""
    read, write = os.pipe()
    with ExitStack() as cleanup:
        cleanup.callback(os.close, read)

        def fill() -> None:
            with ExitStack() as closing:
                if end:
                    closing.callback(os.close, write)
                else:
                    cleanup.callback(os.close, write)
                view = memoryview(octets)
                while view:
                    view = view[os.write(write, view[:65536]) :]

        filling = threading.Thread(target=fill)
        filling.start()
        cleanup.callback(filling.join)
        yield read


def fed(path: Path, octets: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the results and the report of a bulk verb that gets some octets."""
    results: list[dict[str, Any]] = []

    def told(some: list[dict[str, Any]]) -> bool:
        results.extend(some)
        return True

    with piped(octets) as source:
        report = feed(path, "take", source, told, limit_s=60)
    return results, report


def converse(path: Path, octets: bytes, *, end: bool = False) -> list[dict[str, Any]]:
    """Send octets as they are; return all that comes until the server ends the conversation."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(str(path))
        line.sendall(octets)
        if end:
            line.shutdown(socket.SHUT_WR)
        with line.makefile("rb") as stream:
            return [json.loads(one) for one in stream]


@pytest.mark.parametrize("count", [0, 1, 3, BATCH, 20_000])
def test_every_line_is_answered_in_order(tmp_path: Path, count: int) -> None:
    path = tmp_path / "c.sock"
    batches: list[int] = []
    octets = b"".join(b"zone%d. pattern\n" % number for number in range(count))
    results, report = serve(path, lambda: fed(path, octets), taking(batches))
    assert [one["zone"] for one in results] == [f"zone{number}. pattern" for number in range(count)]
    assert [one["line"] for one in results] == list(range(1, count + 1))
    assert report == {"ok": True, "lines": count, "done": count, "failed": 0, "ended": "whole"}
    assert len(batches) <= 1 + count // 500  # many lines in each
    assert max(batches, default=0) < 2 * BATCH


def test_failures_are_counted_and_the_rest_is_done(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    results, report = serve(path, lambda: fed(path, b"a.\nbad.\r\nb\xff.\n\n\0\n\nlast bad"))
    assert [(one["zone"], one["ok"]) for one in results] == [
        ("a.", True), ("bad.", False), ("b\ufffd.", True), ("", True), ("\0", True), ("", True), ("last bad", False)
    ]  # fmt: skip
    assert report == {"ok": False, "lines": 7, "done": 5, "failed": 2, "ended": "whole"}


def test_lines_that_come_alone_share_a_batch(tmp_path: Path) -> None:
    """As from a program that sends a message for each: no transaction for each of them."""
    path = tmp_path / "c.sock"
    batches: list[int] = []
    octets = b'{"verb":"take"}\n' + b'{"lines":["a."]}\n' * 1000 + b'{"end":true}\n'
    answers = serve(path, lambda: converse(path, octets, end=True), taking(batches))
    assert answers[-1]["result"] == {"ok": True, "lines": 1000, "done": 1000, "failed": 0, "ended": "whole"}
    assert sum(batches) == 1000
    assert len(batches) < 100


def test_another_request_may_follow(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    for last, ended in ((b'{"end":true}', "whole"), (b'{"stop":true}', "stopped")):
        octets = b'{"verb":"take"}\n{"lines":["a."]}\n' + last + b'\n{"verb":"echo","n":1}\n'
        *_, report, echoed = serve(path, partial(converse, path, octets, end=True))
        assert report["result"]["ended"] == ended
        assert echoed["result"] == {"n": 1}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the client ended its data without"),
        (b'{"lines":["b."]', "no JSON"),
        (b'{"lines":"b."}\n', "a message is neither"),
        (b'{"lines":[1]}\n', "a message is neither"),
        (b'{"lines":["b."],"end":true}\n', "a message is neither"),
        (b"[" * 60_000 + b"\n", "no JSON"),
        (b"\0\xff\n", "no JSON"),
        (b'{"verb":"echo"}\n', "a message is neither"),
        (b"x" * 10_000_000, "a message is too long"),
    ],
)
def test_nonsense_ends_the_data_and_not_the_report(tmp_path: Path, data: bytes, why: str) -> None:
    """What came before it is done and told; what comes behind it is never taken for a request."""
    path = tmp_path / "c.sock"
    octets = b'{"verb":"take"}\n{"lines":["a."]}\n' + data

    def client() -> tuple[list[dict[str, Any]], Any]:
        said: list[dict[str, Any]] = []
        with socket.socket(socket.AF_UNIX) as line, line.makefile("rb") as stream:
            line.settimeout(60)
            line.connect(str(path))

            def send() -> None:
                with suppress(OSError):  # it takes no more
                    line.sendall(octets + b'{"verb":"echo"}\n' * (data.endswith(b"\n")))
                    line.shutdown(socket.SHUT_WR)

            sending = threading.Thread(target=send)
            sending.start()
            with suppress(ConnectionResetError):  # after the last answer, since something was not read
                said.extend(json.loads(one) for one in stream)
            sending.join()
        return said, ask(path, "echo")

    said, after = serve(path, client)
    assert said[-1]["result"] | {"ended": ""} == {"ok": False, "lines": 1, "done": 1, "failed": 0, "ended": ""}
    assert why in said[-1]["result"]["ended"]
    assert after == {}


def test_stopping_leaves_out_what_was_not_taken(tmp_path: Path) -> None:
    """As with Ctrl-C: the batch under way is done, and the report says how far it came."""
    path = tmp_path / "c.sock"

    def client() -> tuple[int, dict[str, Any]]:
        told: list[dict[str, Any]] = []

        def first(some: list[dict[str, Any]]) -> bool:
            told.extend(some)
            return False

        with piped(b"a.\n" * 30_000) as source:
            report = feed(path, "take", source, first, limit_s=60)
            while os.read(source, 65536):
                pass
        return len(told), report

    told, report = serve(path, client)
    assert report["ended"] == "stopped"
    assert report["lines"] == report["done"] == told <= 2 * WINDOW


def test_a_client_that_goes_ends_it_after_its_batch(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    batches: list[int] = []
    gone, ended = threading.Event(), threading.Event()
    inner = taking(batches, lambda number: wait_for(gone))

    async def take(request: dict[str, Any], bulk: Bulk) -> Any:
        try:
            return await inner.work(request, bulk)
        finally:
            ended.set()

    def client() -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            line.sendall(b'{"verb":"take"}\n{"lines":["a."]}\n')
            while not batches:
                threading.Event().wait(0.01)
        gone.set()
        assert ended.wait(60)

    serve(path, client, Streaming(take))
    assert batches == [1]


def send_all_it_takes(line: socket.socket, message: bytes) -> int:
    """Send a message again and again until nobody takes it; return the octets that were taken."""
    sent = 0
    try:
        while True:
            sent += line.send(message)
    except TimeoutError:
        return sent


def test_a_slow_reader_holds_up_nobody_and_no_memory(tmp_path: Path) -> None:
    """Who sends without reading is not read from any more: its lines wait in its own process."""
    path = tmp_path / "c.sock"
    batches: list[int] = []

    def client() -> Any:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        message = b'{"lines":[' + b",".join([b'"%s"' % (b"x" * 30)] * 1500) + b"]}\n"
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            line.sendall(b'{"verb":"take"}\n')
            line.settimeout(1)
            sent = send_all_it_takes(line, message)
            after = ask(path, "echo", n=1)
        assert sent < 50 << 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
        return after

    assert serve(path, client, taking(batches)) == {"n": 1}


def test_a_silent_client_is_told_and_has_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "IDLE_S", 2.0)
    path = tmp_path / "c.sock"
    said = serve(path, lambda: converse(path, b'{"verb":"take"}\n{"lines":["a."]}\n'))
    assert said[-1]["result"]["ended"] == "nothing came for 2 s"
    assert said[-1]["result"]["done"] == 1


def test_those_who_wait_for_input_keep_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"

    def client() -> Any:
        with ExitStack() as staying:
            for _ in range(CLIENTS + 10):
                line = staying.enter_context(socket.socket(socket.AF_UNIX))
                line.connect(str(path))
                line.sendall(b'{"verb":"take","notes":true}\n{"lines":["a."]}\n')
            return [ask(path, "echo", n=n, limit_s=60) for n in range(3)]

    assert serve(path, client) == [{"n": n} for n in range(3)]


def test_a_server_that_ends_says_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"

    def die() -> None:
        line, _ = dying.accept()
        with line, line.makefile("rb") as stream:
            stream.readline()
            assert json.loads(stream.readline()) == {"lines": ["a.", "b."]}
            line.sendall(b'{"results": [{"zone": "a.", "ok": true}], "taken": 1}\n')

    with socket.socket(socket.AF_UNIX) as dying, piped(b"a.\nb.\n", end=False) as source:
        dying.bind(str(path))
        dying.listen()
        ending = threading.Thread(target=die)
        ending.start()
        said = r"ended before all was done: 1 line of `take` was done; 1 more line was sent and may be done"
        with pytest.raises(NotRunningError, match=said):
            feed(path, "take", source, lambda some: True, limit_s=60)
        ending.join()


def test_a_line_too_long_is_named_and_the_lines_before_it_are_done(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    for octets in (b"a.\n" * 5 + b"x" * (LINE_OCTETS + 1) + b"\na.\n", b"a.\n" * 5 + b"x" * 10_000_000):
        with pytest.raises(ApplianceError, match=rf"line 6 of the data has more than {LINE_OCTETS} octets; 5 lines"):
            serve(path, partial(fed_in_full, path, octets))


def fed_in_full(path: Path, octets: bytes) -> None:
    """Feed some octets and take up what is left of them, so that their writer ends."""
    with piped(octets) as source:
        try:
            feed(path, "take", source, lambda some: True, limit_s=60)
        finally:
            while os.read(source, 65536):
                pass


def test_a_verb_that_breaks_down_is_told_and_ends_the_data(tmp_path: Path) -> None:
    async def take(request: dict[str, Any], bulk: Bulk) -> Any:
        async for batch in bulk.batches():
            await bulk.tell([{"ok": batch[1]}])  # there is only one

    path = tmp_path / "c.sock"
    with pytest.raises(ApplianceError, match="internal error while answering the verb take: IndexError"):
        serve(path, lambda: fed(path, b"a.\n"), Streaming(take))


@pytest.mark.parametrize("closed", [True, False])
def test_data_that_cannot_be_read(tmp_path: Path, closed: bool) -> None:
    """As with `<&-` and `< /tmp`."""
    path = tmp_path / "c.sock"
    source = 9999 if closed else os.open(tmp_path, os.O_RDONLY)
    said = "Bad file descriptor" if closed else "Is a directory"
    with pytest.raises(ApplianceError, match=f"the data cannot be read: {said}; 0 lines of `take` were done"):
        serve(path, lambda: feed(path, "take", source, lambda some: True, limit_s=60))
    if not closed:
        os.close(source)


COMMAND = """
import sys
from pathlib import Path
from appliance.cli import boundary, bulk
from appliance.control.verb_table import Row
import click

@click.command()
@click.option("--json", "as_json", is_flag=True)
def command(as_json):
    bulk.feed(Row("take", "", "operate", "show_bulk", bulk=True), Path(sys.argv[0]), 60.0, {}, as_json=as_json)

sys.argv[0] = sys.argv.pop(1)
boundary.run(command)
"""


@contextmanager
def commanded(tmp_path: Path, *options: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Yield a command that sends its standard input as the data of a verb."""
    config = tmp_path / "a.toml"
    config.write_text('[server]\nrun_dir = "."\ncontrol_socket = "c.sock"\n')
    words = [sys.executable, "-c", COMMAND, str(config), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=stdout, stderr=pipe, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command(tmp_path: Path) -> None:
    def client() -> tuple[str, str, int]:
        with commanded(tmp_path) as process:
            return *process.communicate("a.\nbad.\n", timeout=60), process.wait()

    async def take(request: dict[str, Any], bulk: Bulk) -> Any:
        async for batch in bulk.batches():
            await bulk.tell([{"zone": one, "ok": one != "bad.", "outcome": f"zone {one}: is"} for _, one in batch])
        return bulk.report()

    out, err, status = serve(tmp_path / "c.sock", client, Streaming(take))
    assert (out, err, status) == ("a.: is\n2 lines: 1 done, 1 failed\n", "bad.: is\n", 1)


def test_the_command_for_programs(tmp_path: Path) -> None:
    def client() -> tuple[str, str, int]:
        with commanded(tmp_path, "--json") as process:
            return *process.communicate("a.\nb.\n", timeout=60), process.wait()

    out, err, status = serve(tmp_path / "c.sock", client)
    assert [json.loads(one) for one in out.splitlines()] == [
        {"zone": "a.", "line": 1, "ok": True},
        {"zone": "b.", "line": 2, "ok": True},
        {"ok": True, "lines": 2, "done": 2, "failed": 0, "ended": "whole"},
    ]
    assert (err, status) == ("", 0)


def test_control_c_gives_a_report(tmp_path: Path) -> None:
    """While lines may still come, and once more while the server is at work on some."""

    def client() -> tuple[str, str, int]:
        with commanded(tmp_path, "--json") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("a.\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"zone": "a.", "line": 1, "ok": True}
            process.send_signal(signal.SIGINT)
            return process.stdout.read(), str(process.stderr and process.stderr.read()), process.wait()

    out, err, status = serve(tmp_path / "c.sock", client)
    assert json.loads(out) == {"ok": False, "lines": 1, "done": 1, "failed": 0, "ended": "stopped"}
    assert (err, status) == ("", 130)


def test_a_second_control_c_ends_the_command(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        begun.set()
        wait_for(go_on)

    def client() -> tuple[str, int]:
        with commanded(tmp_path) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write("a.\n")
            process.stdin.flush()
            wait_for(begun)
            process.send_signal(signal.SIGINT)
            while not select.select([process.stderr], [], [], 2.0)[0]:  # two that come together may be one
                process.send_signal(signal.SIGINT)
            go_on.set()
            return process.stderr.read(), process.wait()

    err, status = serve(tmp_path / "c.sock", client, taking(held=hold))
    assert status == 130
    assert "given up: 0 lines of `take` were done; 1 more line was sent and may be done" in err


@pytest.mark.parametrize("full", [True, False])
def test_output_that_goes_nowhere_ends_the_sending(tmp_path: Path, full: bool) -> None:
    """As with `| head -1` and on a full disk."""

    def client() -> tuple[str, int]:
        read, write = (-1, os.open("/dev/full", os.O_WRONLY)) if full else os.pipe()
        if not full:
            os.close(read)
        with commanded(tmp_path, "--json", stdout=write) as process:
            os.close(write)
            return process.communicate("a.\n" * 20_000, timeout=60)[1], process.wait()

    err, status = serve(tmp_path / "c.sock", client)
    why = "No space left on device" if full else "Broken pipe"
    assert re.search(rf"standard output cannot be written: {why}.*; \d+ lines: \d+ done; stopped", err), err
    assert "Traceback" not in err
    assert status == 1
