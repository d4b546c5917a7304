# SPDX-License-Identifier: GPL-3.0-or-later
"""What an import writes: whole or not at all, never over a file that is there, secrets for owner and group alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.config.load import load_config
from appliance.errors import ApplianceError
from appliance.migration.old import Endpoint, Old, Place
from appliance.migration.run import carry
from appliance.migration.settle import settle
from appliance.migration.writer import write
from tests.unit.migration.carrying import SECRET

pytestmark = pytest.mark.unit

TEXT = f"""server:
 identity: "é \\"
key:
 name: "A/x.k.example."
 secret: "{SECRET}"
key:
 name: "b"
 secret: "{SECRET}"
zone:
 name: example.com
 zonefile: /z/f
 provide-xfr: 192.0.2.1 b
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = tmp_path / "nsd.conf"
    file.write_text(TEXT)
    return file


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_written(old: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    before = os.umask(0o077)
    try:
        result = carry(old, output=folder / "appliance.toml")
    finally:
        os.umask(before)
    assert listing(folder) == {"appliance.toml", "keys/a-x.k.example.secret", "keys/b.secret"}
    assert set(result["secret_files"]) == {str(folder / one) for one in listing(folder) if one.startswith("keys")}
    for path in (folder / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o640
        assert path.read_text().strip() == SECRET
    assert (folder / "keys").stat().st_mode & 0o777 == 0o750 & ~0o077
    assert (folder / "appliance.toml").stat().st_mode & 0o777 == 0o644
    assert load_config(folder / "appliance.toml").server.identity == "é \\"
    assert SECRET not in (folder / "appliance.toml").read_text() + json.dumps(result)


@pytest.mark.parametrize("taken", ["appliance.toml", "keys/b.secret"])
def test_no_file_is_overwritten_without_force(taken: str, old: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "keys").mkdir(parents=True)
    (folder / taken).write_text("mine")
    with pytest.raises(ApplianceError, match="is there already: give another --output, or --force"):
        carry(old, output=folder / "appliance.toml")
    assert listing(folder) == {taken}
    assert (folder / taken).read_text() == "mine"
    carry(old, output=folder / "appliance.toml", force=True)
    assert len(listing(folder)) == 3
    assert (folder / taken).read_text() != "mine"


def test_a_secret_that_is_there_already_is_left_alone(old: Path, tmp_path: Path) -> None:
    carry(old, output=tmp_path / "one.toml")
    before = (tmp_path / "keys" / "b.secret").stat().st_ino
    carry(old, output=tmp_path / "two.toml")
    assert (tmp_path / "keys" / "b.secret").stat().st_ino == before


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_only_regular_files_are_replaced(kind: str, old: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    if kind == "folder":
        output.mkdir()
    elif kind == "pipe":
        os.mkfifo(output)
    else:
        output.symlink_to(old)
    with pytest.raises(ApplianceError, match="not a regular file"):
        carry(old, output=output, force=True)
    assert old.read_text() == TEXT


def test_a_missing_folder_is_told(old: Path, tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match=r"cannot be written: there is no folder .*: `mkdir -p "):
        carry(old, output=tmp_path / "missing" / "appliance.toml")


def test_nothing_stays_where_the_last_step_fails(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    real = Path.hardlink_to

    def fails(self: Path, target: Path) -> None:
        if self.name == "appliance.toml":
            raise OSError(28, "No space left on device")
        real(self, target)

    monkeypatch.setattr(Path, "hardlink_to", fails)
    with pytest.raises(ApplianceError, match="No space left on device"):
        carry(old, output=folder / "appliance.toml")
    assert listing(folder) == set()


def test_what_the_loader_refuses_is_not_written(tmp_path: Path) -> None:
    """The reader would have to be wrong for that: the loader looks all the same."""
    from appliance.migration import files

    old = Old("nsd", "x", listen=[Endpoint("224.0.0.1", 0, Place("x", 1))])
    with pytest.raises(ApplianceError, match=r"refused, so nothing is written:\n.*not a unicast address"):
        files.keep(write(settle(old, ())), tmp_path / "made.toml", force=False)
    assert listing(tmp_path) == set()


def test_the_command(old: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appliance", "import", str(old)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    (tmp_path / "printed.toml").write_text(done.stdout)
    assert load_config(tmp_path / "printed.toml").zone[0].file == "/z/f"
    assert "secrets are in no file yet" in done.stderr
    assert f"{old}:12: provide-xfr 192.0.2.1 b: " in done.stderr
    result = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert result["configuration"] == done.stdout
    for words, said in (
        (["--public", "exmple.com"], "has no such zone; did you mean 'example.com'?"),
        (["--compare", "127.0.0.1"], "give one of both"),
    ):
        done = subprocess.run([*command, *words, "--json"], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert said in json.loads(done.stdout)["error"]


def test_a_zone_left_out_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "nsd.conf"
    file.write_text("zone:\n name: a.example\n zonefile: f\n allow-query: 10.0.0.0/8 NOKEY\n")
    command = [sys.executable, "-m", "appliance", "import", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"{file}:1: zone a.example is left out: allow-query in {file}:4 lets only some" in done.stderr
    assert subprocess.run([*command, "--public", "A.example."], capture_output=True, check=False).returncode == 0
