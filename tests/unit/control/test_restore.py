# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that is damaged, altered or made to do harm restores nothing; a good one is put back whole or not at all."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.control.backup import backup
from appliance.control.manifest import FILE
from appliance.control.restore import ASIDE, Target, restore
from appliance.errors import StateError
from appliance.state.database import Database
from tests.harness.served import ROOT, configuration, decoded, serving, zone_text

pytestmark = pytest.mark.unit


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Return a backup of a box in `tmp_path/old`."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "appliance.toml").write_text(configuration("example.", "b."))
    for name in ("example", "b"):
        (old / f"{name}.zone").write_text(zone_text())
    with Database(old / "state").transaction():
        pass
    backup(old / "appliance.toml", tmp_path / "backup", keys=False, ask=lambda: None)
    return tmp_path / "backup"


def put_back(folder: Path, to: Path, *, dry_run: bool = False, allowed: tuple[Path, ...] = ()) -> dict[str, Any]:
    return restore(folder, Target(to, allowed), told_where=True, dry_run=dry_run)


def altered(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the manifest of a backup."""
    manifest = json.loads((folder / FILE).read_text())
    change(manifest)
    (folder / FILE).write_text(json.dumps(manifest))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def renamed(entry: dict[str, Any], path: str) -> None:
    entry["path"] = path


def deepened(folder: Path) -> None:
    (folder / FILE).write_text("[" * 100_000)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (lambda f: os.truncate(f / "config/b.zone", 100), "config/b.zone has 100 octets, not "),
    "altered": (lambda f: (f / "config/b.zone").write_text(zone_text(2)), "has another content (SHA-256)"),
    "missing": (lambda f: (f / "config/b.zone").unlink(), "config/b.zone is missing"),
    "no manifest": (lambda f: (f / FILE).unlink(), "it is no backup, or one that was not finished"),
    "half a manifest": (lambda f: os.truncate(f / FILE, 200), "is damaged"),
    "no JSON": (lambda f: (f / FILE).write_bytes(bytes(300)), "is damaged"),
    "deep": (deepened, "is damaged"),
    "no UTF-8": (lambda f: (f / FILE).write_bytes(b'{"format": 1, "appliance": "\xff"}'), "is damaged"),
    "unknown keys": (lambda f: altered(f, lambda m: m.update(more=1)), "is damaged"),
    "format": (lambda f: altered(f, lambda m: m.update(format=2)), "format 2, and this version of appliance reads 1"),
    "up": (lambda f: altered(f, lambda m: renamed(m["files"][1], "config/../../x")), "leads to nowhere else"),
    "absolute": (lambda f: altered(f, lambda m: renamed(m["files"][1], "/etc/passwd")), "leads to nowhere else"),
    "nowhere": (lambda f: altered(f, lambda m: renamed(m["files"][1], "other/x")), "leads to nowhere else"),
    "empty step": (lambda f: altered(f, lambda m: renamed(m["files"][1], "root//etc/x")), "leads to nowhere else"),
    "NUL": (lambda f: altered(f, lambda m: renamed(m["files"][1], "config/a\0b")), "leads to nowhere else"),
    "line": (lambda f: altered(f, lambda m: renamed(m["files"][1], "config/a\nb")), "leads to nowhere else"),
    "twice": (lambda f: altered(f, lambda m: m["files"].append(m["files"][1])), "twice"),
    "state up": (lambda f: altered(f, lambda m: m.update(state_dir="config/../..")), "leads to nowhere else"),
    "state apart": (lambda f: altered(f, lambda m: m.update(state_dir="edited/x")), "is nowhere"),
    "config up": (lambda f: altered(f, lambda m: m.update(config="../x")), "names no configuration file"),
    "huge": (lambda f: altered(f, lambda m: m["files"][1].update(size=1 << 61)), "octets, not 2305843009213693952"),
    "too huge": (lambda f: altered(f, lambda m: m["files"][1].update(size=1 << 63)), "is damaged"),
    "sparse": (lambda f: os.truncate(f / "config/b.zone", 1 << 40), "has 1099511627776 octets, not"),
    "huge manifest": (lambda f: os.truncate(f / FILE, 1 << 40), "it is none of this program"),
    "link": (lambda f: linked(f / "config/b.zone"), "cannot be read"),
    "linked folder": (lambda f: linked(f / "config"), "is behind a link"),
    "linked manifest": (lambda f: linked(f / FILE), "cannot be read"),
    "pipe": (lambda f: piped(f / "config/b.zone"), "not a regular file"),
    "socket": (lambda f: bound(f / "config/b.zone"), "cannot be read"),
    "state format": (
        lambda f: altered(f, lambda m: m["state_formats"].update({"state.db": 9})),
        "state.db has format 9, and this version of appliance has 3: restore the backup with the version that made it",
    ),
    "unknown state": (
        lambda f: altered(f, lambda m: m["state_formats"].update({"../x": 3})),
        "and this version of appliance has no such file",
    ),
}


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def bound(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_restores_nothing(made: Path, tmp_path: Path, damage: str) -> None:
    harm, said = DAMAGE[damage]
    harm(made)
    before = contents(tmp_path / "old")
    for to in ("new", "old"):
        with pytest.raises(StateError) as error:
            put_back(made, tmp_path / to)
        assert said in str(error.value)
    assert contents(tmp_path / "old") == before
    assert not (tmp_path / "new").exists()
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "restore", str(made), "--config-dir", str(tmp_path / "new"), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert decoded(done)["ok"] is False
    assert "internal error" not in done.stderr


def test_what_was_there_is_kept_aside(made: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "b.zone").write_text("edited since\n")
    (old / "state" / "store.image").write_bytes(b"image")
    with Database(old / "state").transaction() as db:
        db.execute("INSERT INTO texts (digest, content) VALUES (?, ?)", (b"x", b"y"))
    told = put_back(made, old, dry_run=True)
    assert told["healthy"] is False
    assert set(told["files"]) == {str(old / "b.zone"), str(old / "state" / "state.db")}
    assert str(old / "state" / "store.image") in told["would_aside"]
    assert (old / "b.zone").read_text() == "edited since\n"
    told = put_back(made, old)
    asides = [Path(one) for one in told["aside"]]
    assert {one.parent for one in asides} == {old, old / "state"}
    assert all(one.name.startswith(ASIDE) for one in asides)
    kept = {name: text for one in asides for name, text in contents(one).items()}
    assert kept["b.zone"] == b"edited since\n"
    assert kept["store.image"] == b"image"
    assert "state.db" in kept
    assert (old / "b.zone").read_text() == zone_text()
    assert not (old / "state" / "store.image").exists()
    assert put_back(made, old, dry_run=True)["healthy"] is True
    assert put_back(made, old)["files"] == []


def test_no_restore_under_a_running_server(made: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    with serving(old) as server:
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "restore", str(made), "--config-dir", str(old)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=ROOT,
        )
        assert done.returncode == 1
        assert f"a server (process {server.process.pid}) already uses {old}/state; stop it" in done.stderr
        assert server.address() == "192.0.2.2"


def test_nothing_goes_where_nobody_said_that_it_may(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "b.zone"
    inside = f"root{place}"
    (made / inside).parent.mkdir(parents=True)
    (made / "config/b.zone").rename(made / inside)
    altered(made, lambda m: [one.update(path=inside) for one in m["files"] if one["path"] == "config/b.zone"])
    with pytest.raises(StateError, match=f"where that is right, give --allow {place.parent}"):
        put_back(made, tmp_path / "new")
    assert not place.exists()
    put_back(made, tmp_path / "new", allowed=(place.parent,))
    assert place.read_text() == zone_text()


def test_modes_give_nobody_more(made: Path, tmp_path: Path) -> None:
    altered(made, lambda m: [one.update(mode=0o7777, owner="nobody-here") for one in m["files"]])
    put_back(made, tmp_path / "new")
    modes = {path.stat().st_mode & 0o7777 for path in (tmp_path / "new").rglob("*.zone")}
    assert modes == {0o644}


@pytest.mark.parametrize("place", ["b.zone", "appliance.toml", "state/state.db"])
def test_a_folder_in_the_way_undoes_all(made: Path, tmp_path: Path, place: str) -> None:
    new = tmp_path / "new"
    (new / place).mkdir(parents=True)
    with pytest.raises(StateError, match="is a folder, and a file in the backup"):
        put_back(made, new)
    assert contents(new).keys() <= {"state/serve.lock"}


def test_no_room_undoes_all(made: Path, tmp_path: Path) -> None:
    """A limit on the size of files fails in the middle, as a full disk does."""
    new = tmp_path / "new"
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "restore", str(made), "--config-dir", str(new)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    assert done.returncode == 1
    assert "nothing was restored: " in done.stderr
    assert "File too large" in done.stderr
    assert contents(new).keys() <= {"state/serve.lock"}


def test_another_folder_must_be_chosen(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=f"give --config-dir {tmp_path}/old to put it there again"):
        restore(made, Target(tmp_path / "new"), told_where=False, dry_run=True)


def test_commands_speak_to_people(made: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appliance", "restore", str(made), "--config-dir", str(tmp_path / "new")]
    dry = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert dry.returncode == 2
    assert "4 files would be written, 0 are there already" in dry.stdout
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 0
    assert f"now: `appliance check-config {tmp_path}/new/appliance.toml`, then start the server" in done.stdout
    assert str(time.gmtime().tm_year) in done.stdout
    shutil.rmtree(tmp_path / "new")
