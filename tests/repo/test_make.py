# SPDX-License-Identifier: GPL-3.0-or-later
"""The make targets explain themselves, and wrong input to the set-up gives one clear line."""

import os
import re
import subprocess
import tomllib

import pytest

from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_help_lists_every_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = run("make").stdout
    assert targets == set(re.findall(r"^  make ([a-z-]+) ", shown, re.MULTILINE))
    assert run("make", "help").stdout == shown


@pytest.mark.parametrize("script", sorted(ROOT.glob("provisioning/*.sh")) + sorted(ROOT.glob("tests/*/*.sh")))
def test_scripts_parse(script: os.PathLike[str]) -> None:
    assert run("bash", "-n", str(script)).returncode == 0


def test_unknown_level() -> None:
    result = run("provisioning/bootstrap.sh", "everything")
    assert result.returncode == 1
    assert result.stderr == "bootstrap: error: unknown level 'everything': use run, check, test, kernels or lab\n"


def pins() -> list[str]:
    return [
        line
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / "provisioning" / name).read_text().splitlines()
        if not line.startswith("#")
    ]


def test_what_builds_is_pinned() -> None:
    """A virtual environment brings no builder of its own since Python 3.12."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {re.split(r"[<>=]", line)[0].lower() for line in project["build-system"]["requires"]}
    assert needed <= {line.partition("==")[0].lower() for line in pins()}


def test_pins_are_exact() -> None:
    lines = pins()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9.]+", line) for line in lines)
    names = [line.partition("==")[0].lower() for line in lines]
    assert len(names) == len(set(names))


def test_ci_runs_the_readme_command() -> None:
    assert "exec make test" in (ROOT / ".ci/run").read_text()
    assert re.search(r"^make test$", (ROOT / "README.md").read_text(), re.MULTILINE)
