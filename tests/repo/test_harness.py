# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness itself: a run that skips where everything must be there fails, and so does one that leaves something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import leaks
from tests.harness.leaks import RUN_VARIABLE
from tests.repo.sources import ROOT


def run_pytest(folder: Path, test: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with this project's conftest on one test of its own, apart from the run that is under way."""
    file = folder / "test_case.py"
    file.write_text(test)
    env = {name: value for name, value in os.environ.items() if name not in {RUN_VARIABLE, "CI", "APPLIANCE_CI"}}
    env.update(environment, PYTHONPATH=str(ROOT))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(file)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)


SKIPPING = "import pytest\n\ndef test_one():\n    pytest.skip('not here')\n"
LEAKING = """
import subprocess
started = []

def test_one():
    started.append(subprocess.Popen(["sleep", "2.5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
"""


@pytest.mark.unit
def test_skip_is_allowed_at_home(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, SKIPPING)
    assert result.returncode == 0, result.stdout
    assert "1 skipped" in result.stdout


@pytest.mark.unit
@pytest.mark.parametrize("variable", ["CI", "APPLIANCE_CI"])
def test_skip_is_a_failure_in_ci(tmp_path: Path, variable: str) -> None:
    result = run_pytest(tmp_path, SKIPPING, **{variable: "1"})
    assert result.returncode == 1, result.stdout
    assert "1 skipped: here a skipped test counts as a failure" in result.stdout


@pytest.mark.unit
def test_a_process_left_behind_is_a_failure(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, LEAKING)
    assert result.returncode == 1, result.stdout
    assert "left behind: process" in result.stdout
    assert "sleep 2.5" in result.stdout


@pytest.mark.unit
def test_a_file_where_a_server_of_the_machine_keeps_its_own_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers of two tests had one state there, and that of an earlier version of the program."""
    assert [str(folder) for folder in leaks._FOLDERS] == ["/run/appliance", "/var/lib/appliance", "/run/appliance-nic"]
    monkeypatch.setattr(leaks, "_FOLDERS", (tmp_path,))
    before = leaks.objects()
    left = tmp_path / "listings" / "one"
    left.parent.mkdir()
    left.touch()
    assert str(left) in leaks.left_behind(before, "no such run", whole_machine=True)


@pytest.mark.netns
def test_a_namespace_left_behind_is_a_failure(tmp_path: Path) -> None:
    name = f"left{os.getpid():x}"
    command = f"['ip', 'netns', 'add', '{name}' + os.environ['{RUN_VARIABLE}']]"
    test = f"import os, subprocess\n\ndef test_one():\n    subprocess.run({command}, check=True)\n"
    try:
        result = run_pytest(tmp_path, test)
        assert result.returncode == 1, result.stdout
        assert f"left behind: /run/netns/{name}" in result.stdout
    finally:
        for path in Path("/run/netns").glob(f"{name}*"):
            subprocess.run(["ip", "netns", "del", path.name], check=True)
