# SPDX-License-Identifier: GPL-3.0-or-later
"""The control process dies inside a flip, which takes microseconds: nothing wrong is said, and a restart repairs it."""

import contextlib
import signal
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from demo.network import Pair
from tests.chaos import versions
from tests.chaos.client import Client, Exchange
from tests.chaos.serving import START_S, Server

pytestmark = [pytest.mark.chaos, pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

# Runs in each Python of the server: kills it at the store of a zone's version, once the file is there.
_DEATH = """
import linecache, os, pathlib, signal, sys, threading

STORE = "zones[number * _ROW + ZONE_VERSION_WORD] = version"
stored = False

def entered(frame, event, argument):
    if frame.f_code.co_name != "show" or not frame.f_code.co_filename.endswith("compiler/show.py"):
        return None
    trigger = pathlib.Path({trigger!r})
    return line if trigger.exists() else None

def line(frame, event, argument):
    global stored
    if event != "line":
        return line
    at_store = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() == STORE
    if stored or (at_store and pathlib.Path({trigger!r}).read_text() == "before"):
        os.kill(os.getpid(), signal.SIGKILL)
    stored = at_store
    return line

threading.settrace(entered)
"""


_SERVFAIL = 2


def is_answered(exchange: Exchange) -> bool:
    """Return whether there was an answer; a worker that has not noticed yet that it is alone says SERVFAIL."""
    return exchange.reply is not None and exchange.reply[3] & 15 != _SERVFAIL


def versions_in(exchanges: list[Exchange]) -> set[int]:
    """Return the versions of the answers; none may be a blend."""
    found = set()
    for exchange in filter(is_answered, exchanges):
        stamps = versions.stamps(exchange.reply or b"")
        assert len(stamps) == 1, f"a blend of versions {stamps}"
        found |= stamps
    return found


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_a_flip(when: str, veth_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before or after the version is stored: everything is passed up, so unanswered, until a server is there again."""
    trigger = tmp_path / "die"
    (tmp_path / "sitecustomize.py").write_text(_DEATH.format(trigger=str(trigger)))
    server = Server(veth_pair.server, tmp_path, versions.ORIGIN)
    server.write(versions.text(1))
    with monkeypatch.context() as environment:
        environment.setenv("PYTHONPATH", str(tmp_path))
        server.start()
    client = Client(veth_pair.client.name, veth_pair.server.address4, versions.QUESTIONS)
    with client as asking:
        asking.wait_for(100)
        server.write(versions.text(2))
        trigger.write_text(when)
        with contextlib.suppress(ApplianceError):
            server.reload()
        assert server.processes[-1].wait(START_S) == -signal.SIGKILL
        trigger.unlink()
        answered = len(asking.exchanges)
        asking.wait_for(50)
        while_dead = list(asking.exchanges)[answered:]
        assert server.attached()
        server.start()
        asking.wait_for(20)  # what was asked before the server was ready
        again = len(asking.exchanges)
        asking.wait_for(300)
        afterwards = list(asking.exchanges)[again:]
        verdicts = server.ask("stats")["verdicts"]
    server.stop()
    assert versions_in(list(asking.exchanges)) == {1, 2}
    assert sum(not is_answered(exchange) for exchange in while_dead) > 30
    assert versions_in(while_dead) <= {1}
    assert versions_in(afterwards) == {2}
    assert all(map(is_answered, afterwards))
    assert verdicts["pass_flip"] == 0
    assert sum(count for name, count in verdicts.items() if name.startswith("answer_")) >= 300
