# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever nobody expected becomes one sentence, and a report that tells places and no data."""

import errno
import os
import resource
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from appliance import crash

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
SECRET = "hunter2"


def break_down(secret: str) -> None:
    key = {"other": secret}
    try:
        key[secret]
    except KeyError as error:
        raise ValueError(f"the secret is {secret}") from error


def broken() -> ValueError:
    try:
        break_down(SECRET)
    except ValueError as error:
        return error
    raise AssertionError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(crash, "_folder", None)
    crash.keep_reports_in(tmp_path)
    return tmp_path / "crash"


def test_a_report_has_types_and_places_and_no_values(folder: Path) -> None:
    said = crash.sentence(broken(), "testing")
    (report,) = folder.iterdir()
    text = report.read_text()
    assert said.startswith("internal error while testing: ValueError at tests/unit/test_crash.py:")
    assert said.endswith(f" in break_down; this is a defect of this program, please report it with {report}")
    assert len(said.splitlines()) == 1
    assert "builtins.ValueError" in text
    assert "builtins.KeyError" in text
    assert text.count(" in break_down") == 2
    assert SECRET not in text + said
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_last_ten_are_kept(folder: Path) -> None:
    names = [crash.sentence(broken(), "testing").rpartition(" ")[2] for _ in range(13)]
    assert sorted(map(str, folder.iterdir())) == sorted(names[-10:])


def test_what_cannot_be_written_is_left_out(folder: Path) -> None:
    """No folder at all, one that is a file, one nobody may write to, no room, a few octets of room."""
    folder.write_text("a file")
    said = crash.sentence(broken(), "testing")
    assert said.endswith("; this is a defect of this program, please report it")
    folder.unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 10):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            said = crash.sentence(broken(), "testing")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert said.endswith("please report it")
        assert list(folder.iterdir()) == []


def test_a_link_in_the_way_is_not_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    (folder / f"{5:020d}-{os.getpid()}.txt").symlink_to(folder.parent / "victim")
    crash.sentence(broken(), "testing")
    assert not (folder.parent / "victim").exists()


def test_an_endless_recursion_is_told_in_a_hundred_lines(folder: Path) -> None:
    def again() -> None:
        again()

    try:
        again()
    except RecursionError as error:
        said = crash.sentence(error, "testing")
    assert "RecursionError" in said
    (report,) = folder.iterdir()
    assert len(report.read_text().splitlines()) < 120
    assert " more)" in report.read_text()


def test_errors_of_the_system_keep_their_number(folder: Path) -> None:
    try:
        raise OSError(errno.ENOSPC, "no space", SECRET)
    except OSError as error:
        crash.sentence(error, "testing")
    (report,) = folder.iterdir()
    assert f"(errno {errno.ENOSPC})" in report.read_text()
    assert SECRET not in report.read_text()


def test_a_thread_that_breaks_down_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = threading.excepthook
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", sys.unraisablehook)
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.setattr(threading, "excepthook", before)
        crash.catch_the_rest()
        thread = threading.Thread(target=break_down, args=(SECRET,))
        thread.start()
        thread.join()
    assert "internal error while running a thread: ValueError" in caplog.text
    assert SECRET not in caplog.text
    assert len(list(folder.iterdir())) == 1


BREAK = """
import sys
from appliance.cli import main, boundary
def broken(*_, **__):
    raise {error}
{patch}
sys.argv = ["appliance", *sys.argv[1:]]
main.main()
"""


@pytest.mark.parametrize("error", ["KeyError('hunter2')", "RecursionError()", "MemoryError()", "OSError(5, 'hunter2')"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_command_that_breaks_down_says_one_sentence(tmp_path: Path, error: str, as_json: bool) -> None:
    code = BREAK.format(error=error, patch="import appliance.config.load as l; l.examine = broken")
    more = ["--json"] if as_json else []
    done = subprocess.run(
        [sys.executable, "-c", code, "check-config", str(tmp_path / "a.toml"), *more],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("appliance: internal error while running `appliance check-config`: ")
    assert len(done.stderr.splitlines()) == 1
    assert SECRET not in done.stderr + done.stdout
    assert ('"ok": false' in done.stdout) is as_json
