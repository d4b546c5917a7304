# SPDX-License-Identifier: GPL-3.0-or-later
"""An installed copy is whole: compiled scanner, XDP sources, profiles, example zones, entry point."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.repo.sources import ROOT

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]  # builds with the C compiler: part of the full run only


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    commands = ["egg_info", "-e", folder, "build", "-b", folder / "build", "bdist_wheel", "-d", folder / "dist"]
    command = [sys.executable, "setup.py", "-q", *map(str, commands)]
    quick = {**os.environ, "CFLAGS": "-O0"}  # a third of the time; what is looked at here is the content
    subprocess.run(command, cwd=ROOT, env=quick, check=True, capture_output=True, timeout=300)
    (found,) = (folder / "dist").glob("*.whl")
    return found


def test_content(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("/entry_points.txt"))
        assert b"appliance = appliance.__main__:main" in archive.read(metadata)
    headers = {f"appliance/ebpf/{path.name}" for path in (ROOT / "ebpf").glob("*.[ch]")}
    profiles = {f"appliance/hw-profiles/{path.name}" for path in (ROOT / "hw-profiles").glob("*.toml")}
    examples = {f"appliance/examples/{path.name}" for path in (ROOT / "appliance/examples").glob("*.zone")}
    assert headers | profiles | examples <= names
    assert any(name.startswith("appliance/zone/master/scanner.") and name.endswith(".so") for name in names)
    assert not any(name.startswith(("tests/", "bench/", "demo/")) for name in names)


def test_installed_copy_finds_its_sources(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from appliance.datapath import source\n"
        "from appliance.zone.master import scanner\n"
        "print(source.folder()); print(scanner.__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    folder, scanner = done.stdout.splitlines()
    assert folder == str(tmp_path / "appliance/ebpf")
    assert scanner.startswith(str(tmp_path))
    assert scanner.endswith(".so")
