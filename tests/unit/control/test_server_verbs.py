# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs about the server by itself, under their names of nsd-control."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.client import ask
from appliance.control.stats_difference import StatsDifference
from appliance.control.verbosity import level, set_level
from appliance.errors import ApplianceError
from tests.harness.served import Served, configuration, decoded, serving, zone_text

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "appliance.toml").write_text(configuration("example."))
    (folder / "example.zone").write_text(zone_text())
    with serving(folder) as served:
        yield served


def test_pid(server: Served) -> None:
    done = server.command("serverpid")
    assert (done.returncode, done.stdout) == (0, f"{server.process.pid}\n")
    assert ask(server.folder / "run/read.sock", "serverpid") == {"pid": server.process.pid}


def test_verbosity(server: Served) -> None:
    assert server.command("verbosity").stdout == "info\n"
    done = server.command("verbosity", "3")
    assert (done.returncode, done.stdout) == (0, "debug (it was info)\n")
    server.ask("stats")
    assert "stats: asked for by user " in server.log()
    assert decoded(server.command("verbosity", "ERROR", "--json")) == {"level": "error", "before": "debug"}
    before = server.log()
    server.command("reload")
    assert server.log() == before
    assert server.command("verbosity", "info").returncode == 0
    for odd in ("4", "-1", "loud", "1\n2", "\0", "x" * 1000):
        with pytest.raises(
            ApplianceError, match=r"there is no level .*; known are 0 or error, 1 or warning, 2 or info"
        ):
            server.ask("verbosity", level=odd)
    assert server.command("verbosity").stdout == "info\n"


@pytest.mark.parametrize("verb", ["notify", "transfer", "force_transfer"])
def test_there_are_no_transfers(server: Served, verb: str) -> None:
    for zone in ((), ("example.",)):
        done = server.command(verb, *zone)
        assert done.returncode == 1
        assert "no transfers are configured" in done.stderr
    assert "zone other. is not in the configuration" in server.command(verb, "other.").stderr


def test_differences_of_stats(server: Served) -> None:
    first = server.ask("stats", diff=True)
    assert first["since"] < first["since"] + first["seconds"]
    for _ in range(3):
        server.query("www.example.")
    assert server.ask("stats", diff=True)["userspace"]["udp_queries"] == 3
    total = server.ask("stats")["userspace"]["udp_queries"]
    assert total == first["userspace"]["udp_queries"] + 3
    assert decoded(server.command("stats_noreset", "--json"))["userspace"]["udp_queries"] == total
    shown = server.command("stats", "--diff")
    assert shown.stdout.startswith("counters: what they have grown by in ")
    assert "no query has come\n" in shown.stdout


def test_counters_that_begin_anew_count_whole() -> None:
    difference = StatsDifference(0.0)

    def of(**verdicts: int) -> Any:
        others: dict[str, Any] = {"workers": {}, "put_back": {}, "misses": {}, "userspace": {"udp_queries": 10}}
        return difference.of({"verdicts": verdicts, "nic_path_share": 1.0, **others})

    assert of(answer_positive=30)["nic_path_share"] == 0.75
    grown = of(answer_positive=35, pass_new=2)
    assert (grown["verdicts"], grown["userspace"]) == ({"answer_positive": 5, "pass_new": 2}, {"udp_queries": 0})
    assert of(answer_positive=4)["verdicts"] == {"answer_positive": 4}


def test_a_log_that_was_renamed_is_opened_again(server: Served) -> None:
    """As logrotate does, and without a line lost."""
    log = server.folder / "log"
    log.rename(server.folder / "log.1")
    done = server.command("log_reopen")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"the log goes to {log}, opened again")
    server.command("reload")
    assert "reload: asked for by user" in log.read_text()
    assert "log_reopen: asked for by user" in (server.folder / "log.1").read_text()


REOPEN = """
import logging, sys
from appliance.control import log
log.start_logging()
logging.info("one")
if len(sys.argv) > 1:
    import os; os.rename(sys.argv[1], sys.argv[1] + ".1"); os.mkdir(sys.argv[1])
try:
    said = log.reopen()["said"]
except Exception as error:
    said = str(error)
logging.info("two")
print(said)
"""


def test_a_log_that_is_no_file_needs_no_opening(tmp_path: Path) -> None:
    command = [sys.executable, "-c", REOPEN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    assert done.stdout.startswith(
        "the log goes to a pipe or a device that whoever started the server has opened: there"
    )
    assert done.stderr.count("info:") == 2


def test_a_log_that_cannot_be_opened_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", REOPEN, str(path)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            timeout=60,
            cwd=ROOT,
        )
    assert done.stdout.startswith(f"the log cannot be opened again at {path}: Is a directory")
    assert (tmp_path / "log.1").read_text().count("info:") == 2


def test_levels(caplog: pytest.LogCaptureFixture) -> None:
    loggers = logging.getLogger("appliance"), logging.getLogger()
    before = [one.level for one in loggers]
    try:
        for name in ("error", "warning", "info", "debug"):
            set_level(name)
            assert level() == name
        assert not logging.getLogger("asyncio").isEnabledFor(logging.DEBUG)
    finally:
        for one, was in zip(loggers, before, strict=True):
            one.setLevel(was)
