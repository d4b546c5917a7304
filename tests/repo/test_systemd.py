# SPDX-License-Identifier: GPL-3.0-or-later
"""The service unit is valid and confines the server."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repo.sources import ROOT

pytestmark = pytest.mark.interop  # systemd judges: its tools are part of the full run only

UNIT = ROOT / "provisioning/systemd/appliance.service"
EXPOSURE_TENTHS = 30
"""Highest `systemd-analyze security` exposure; lower is better, nsd's unit has 50 and named's 96."""


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_exposure() -> None:
    result = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_TENTHS}", str(UNIT))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Overall exposure level" in result.stdout


def test_syntax(tmp_path: Path) -> None:
    # The installed command need not exist here: only the unit's own lines are judged.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/appliance", shutil.which("true") or "/bin/true"))
    result = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    assert result.returncode == 0, result.stderr
    assert UNIT.name not in result.stderr, result.stderr
