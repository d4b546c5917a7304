# SPDX-License-Identifier: GPL-3.0-or-later
"""A drained server: health fails and status says why, over restarts, whatever state its files are in."""

import json
import os
import signal
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from appliance.control.drain import FILE, REASON_OCTETS, Drain, drained_in
from appliance.errors import StateError
from tests.harness.served import decoded, serving
from tests.unit.control.test_health import PATIENCE, write

pytestmark = pytest.mark.unit


def folders(tmp_path: Path) -> tuple[Path, Path]:
    state, run = tmp_path / "state", tmp_path / "run"
    state.mkdir()
    run.mkdir()
    return state, run


def test_it_is_kept_and_shown(tmp_path: Path) -> None:
    state, run = folders(tmp_path)
    drain = Drain(state, run)
    assert drain.now is None
    drain.begin("user a", "upgrade")
    assert list(drain.warnings()) == [f"the server is {drain.now}"]
    assert str(drain.now).startswith("drained since 2")
    assert str(drain.now).endswith("by user a: upgrade; `appliance undrain` ends it")
    again = Drain(state, run)
    assert again.now == drain.now == drained_in(run)
    assert stat.S_IMODE((run / FILE).stat().st_mode) == 0o644
    assert stat.S_IMODE((state / FILE).stat().st_mode) == 0o600
    again.end()
    assert Drain(state, run).now is None is drained_in(run)
    assert sorted(tmp_path.rglob("*.*")) == []


def test_who_drained_it_first_stays(tmp_path: Path) -> None:
    drain = Drain(*folders(tmp_path))
    drain.begin("user a", "upgrade")
    first = drain.now
    drain.begin("user b", "")
    assert drain.now == first
    drain.begin("user b", "a longer\nupgrade")
    assert drain.now is not None
    assert first is not None
    assert (drain.now.by, drain.now.since, drain.now.reason) == ("user a", first.since, "a longer\\nupgrade")


@pytest.mark.parametrize("left", ["state", "run"])
def test_either_file_counts(tmp_path: Path, left: str) -> None:
    """The run folder is empty after a restart of the machine; the state folder may have been full or read-only."""
    state, run = folders(tmp_path)
    Drain(state, run).begin("user a", "")
    (tmp_path / ("run" if left == "state" else "state") / FILE).unlink()
    assert Drain(state, run).now is not None
    assert (state / FILE).exists()
    assert (run / FILE).exists()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\0",
        b"[]",
        b"null",
        b"[" * 20_000,
        b'{"since": 1e300}',
        b'{"since": "x", "by": 1, "reason": 2}',
        b'{"since": 1e300, "by": "a", "reason": ""}',
        b'{"since": NaN, "by": "a", "reason": ""}',
    ],
)
def test_a_damaged_file_counts_as_drained(tmp_path: Path, text: bytes) -> None:
    state, run = folders(tmp_path)
    (state / FILE).write_bytes(text)
    drain = Drain(state, run)
    assert f"{state / FILE} is damaged, and does not say by whom or why" in str(drain.now)
    drain.end()
    assert Drain(state, run).now is None


def test_text_in_the_file_moves_no_cursor(tmp_path: Path) -> None:
    state, run = folders(tmp_path)
    (state / FILE).write_text(json.dumps({"since": 1, "by": "a\x1b[2J", "reason": "b\nc"}))
    assert str(Drain(state, run).now).isprintable()


def test_a_reason_has_a_bound(tmp_path: Path) -> None:
    drain = Drain(*folders(tmp_path))
    with pytest.raises(StateError, match=f"a reason has at most {REASON_OCTETS} octets"):
        drain.begin("user a", "é" * REASON_OCTETS)
    drain.begin("user a", "\\" * REASON_OCTETS)
    assert drained_in(tmp_path / "run") == drain.now


class Broken:
    """Folders that take no file: a file lies where the folder should be."""

    def __init__(self, tmp_path: Path, *names: str) -> None:
        for name in ("state", "run"):
            (tmp_path / name).write_text("") if name in names else (tmp_path / name).mkdir()
        self.drain = Drain(tmp_path / "state", tmp_path / "run")


def test_what_cannot_be_kept_is_told_and_drained_all_the_same(tmp_path: Path) -> None:
    drain = Broken(tmp_path, "state").drain
    drain.begin("user a", "")
    assert drained_in(tmp_path / "run") is not None
    assert any("a restart of the machine forgets that the server is drained:" in one for one in drain.warnings())


def test_what_health_cannot_see_is_an_error(tmp_path: Path) -> None:
    drain = Broken(tmp_path, "run").drain
    with pytest.raises(StateError, match=r"`appliance health` does not see that the server is drained: .*/run/drained"):
        drain.begin("user a", "")
    assert drained_in(tmp_path / "state") is not None


def test_nothing_that_can_be_written_leaves_it_undrained(tmp_path: Path) -> None:
    drain = Broken(tmp_path, "state", "run").drain
    with pytest.raises(StateError, match="not drained: "):
        drain.begin("user a", "")
    assert drain.now is None


def test_a_full_disk_is_told_and_nothing_half_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, run = folders(tmp_path)
    real = os.write

    def full(file: int, octets: Any) -> int:
        if str(state) in os.readlink(f"/proc/self/fd/{file}"):  # noqa: PTH115
            return real(file, octets[:5])
        return real(file, octets)

    drain = Drain(state, run)
    monkeypatch.setattr(os, "write", full)
    drain.begin("user a", "")
    assert "No space left on device" in drain.unkept
    assert list(state.iterdir()) == []
    monkeypatch.undo()
    assert Drain(state, run).now is not None


def test_what_cannot_be_removed_is_still_drained(tmp_path: Path) -> None:
    state, run = folders(tmp_path)
    drain = Drain(state, run)
    drain.begin("user a", "")
    (state / FILE).unlink()
    (state / FILE).mkdir()
    with pytest.raises(StateError, match=r"still drained: .*/drained\.json cannot be removed"):
        drain.end()
    assert drain.now is not None


def test_two_at_a_time(tmp_path: Path) -> None:
    state, run = folders(tmp_path)
    drain = Drain(state, run)
    threads = [threading.Thread(target=drain.begin, args=(f"user {number}", str(number))) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert drain.now == drained_in(state) == drained_in(run)


def test_a_server_is_drained_over_a_kill_and_a_restart(tmp_path: Path) -> None:
    write(tmp_path)
    with serving(tmp_path) as server:
        assert decoded(server.command("health", "--json", *PATIENCE))["drained"] is None
        done = server.command("drain", "--reason", "kernel upgrade")
        assert done.returncode == 0, done.stderr
        assert "kernel upgrade; `appliance undrain` ends it" in done.stdout
        assert server.address("www.one.") == "192.0.2.2"
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    with serving(tmp_path) as server:
        health = server.command("health", "--json", *PATIENCE)
        assert health.returncode == 1
        told = decoded(health)
        assert (told["healthy"], told["drained"]["reason"]) == (False, "kernel upgrade")
        assert told["drained"]["by"].startswith("user ")
        assert any("kernel upgrade" in one for one in told["problems"])
        status = server.ask("status")
        assert status["drained"]["since"] == told["drained"]["since"]
        assert any("the server is drained since" in one for one in status["warnings"])
        assert "? the server is drained since" in server.command("status").stdout
        assert "the server is drained since" in server.log()
        done = server.command("undrain")
        assert (done.returncode, done.stdout) == (0, "the server is not drained\n")
        assert server.command("health", *PATIENCE).returncode == 0
        assert server.ask("status")["drained"] is None
