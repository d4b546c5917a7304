# SPDX-License-Identifier: GPL-3.0-or-later
"""A box moves: what a backup has, and what a server says that is started on it somewhere else."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.config.files import read_parts
from appliance.control.backup_places import Places
from appliance.control.manifest import FILE
from appliance.state.database import Database
from appliance.state.files import DamagedError, snapshot
from tests.harness.served import ROOT, Served, configuration, decoded, serving, until, zone_text

pytestmark = pytest.mark.unit

KEY = '[[key]]\nname = "k."\nsecret_file = "secret.key"\n'
MARKER = "c2VjcmV0bWFya2Vy"
INCLUDED = "host.inc A 192.0.2.77\n"


def command(*words: str, **options: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", *words], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )


def box(folder: Path) -> None:
    """Write a configuration with included files, a list, a pattern, an included zone file, a key."""
    (folder / "conf.d").mkdir(parents=True)
    (folder / "zones").mkdir()
    (folder / "appliance.toml").write_text(
        'include = ["conf.d/*.toml"]\n' + configuration("example.", "inc.", "edited.", more=KEY)
    )
    (folder / "conf.d" / "p.toml").write_text('[[pattern]]\nname = "p"\nzones = "../list"\nfile = "../zones/{zone}"\n')
    (folder / "list").write_text("".join(f"z{number}.\n" for number in range(20)))
    (folder / "secret.key").write_text(MARKER)
    (folder / "secret.key").chmod(0o640)
    for number in range(20):
        (folder / "zones" / f"z{number}").write_text(zone_text(number + 1, number + 1))
    (folder / "example.zone").write_text(zone_text(3, 3))
    (folder / "edited.zone").write_text(zone_text(4, 4))
    (folder / "inc.zone").write_text(zone_text(5, 5) + "$include zones/more\n")
    (folder / "zones" / "more").write_text(INCLUDED)


def answers(server: Served) -> dict[str, str]:
    names = ["www.example.", "www.edited.", "www.inc.", "host.inc.inc.", *(f"www.z{number}." for number in range(20))]
    found = {}
    for name in names:
        reply = server.query(name)
        reply.id = 0
        found[name] = reply.to_text()
    for zone in ("example.", "edited.", "inc.", "z7."):
        found[zone] = server.query(zone, "SOA").to_text().partition("\n")[2]
    return found


def kept(server: Served) -> bool:
    """Return whether the state has a version of the zone `edited.`."""
    if not (server.folder / "state" / "state.db").exists():
        return False
    with Database(server.folder / "state").reading() as db:
        return bool(db.execute("SELECT 1 FROM zones WHERE origin = ?", (b"\6edited\0",)).fetchone())


@pytest.mark.parametrize("how", ["online", "offline"])
def test_a_box_moves(tmp_path: Path, how: str) -> None:
    old, new, folder = tmp_path / "old", tmp_path / "new", tmp_path / "backup"
    box(old)
    with serving(old) as server:
        until(lambda: kept(server))
        before = answers(server)
        if how == "online":
            (old / "edited.zone").write_text(zone_text(9, 9))  # nobody has reloaded it
            done = server.command("backup", str(folder), "--json")
            assert answers(server) == before
    if how == "offline":
        done = command("backup", str(folder), "--config", str(old / "appliance.toml"), "--json")
    assert done.returncode == 0, done.stderr
    told = decoded(done)
    assert (told["zones"], told["secrets"], told["secrets_left_out"]) == (23, 0, 1)
    assert len(told["warnings"]) == (how == "online")
    assert MARKER not in "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(old)
    done = command("restore", str(folder), "--config-dir", str(new), "--json")
    assert done.returncode == 0, done.stderr
    assert ["secret.key is not there" in one for one in decoded(done)["warnings"]] == [True]
    with serving(new) as server:
        after = answers(server)
        assert after == before
        assert server.command("zone", "journal", "z7.").returncode == 0
    assert list(tmp_path.glob(".*")) == []


def test_a_broken_file_does_not_replace_what_is_served(tmp_path: Path) -> None:
    old, folder = tmp_path / "old", tmp_path / "backup"
    box(old)
    with serving(old) as server:
        until(lambda: kept(server))
        (old / "edited.zone").write_text("broken\n")
        server.command("reload")
        told = decoded(server.command("backup", str(folder), "--json"))
        assert "edited/config/edited.zone, and its place has what is served" in told["warnings"][0]
    assert (folder / "config" / "edited.zone").read_text() == zone_text(4, 4)
    assert (folder / "edited" / "config" / "edited.zone").read_text() == "broken\n"


def test_secrets_only_by_option(tmp_path: Path) -> None:
    old, folder = tmp_path / "old", tmp_path / "backup"
    box(old)
    done = command("backup", str(folder), "--keys", "--config", str(old / "appliance.toml"))
    assert done.returncode == 0, done.stderr
    secret = folder / "secret-config" / "secret.key"
    assert secret.read_text() == MARKER
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o007 for path in folder.rglob("*")} == {0}
    assert MARKER not in done.stdout + done.stderr + (folder / FILE).read_text()
    assert command("restore", str(folder), "--config-dir", str(tmp_path / "new")).returncode == 0
    assert (tmp_path / "new" / "secret.key").read_text() == MARKER
    assert (tmp_path / "new" / "secret.key").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda place: place.mkdir() or (place / "x").touch(), "is not empty: name a folder that is not there yet"),
        (lambda place: place.touch(), "' is a file"),
        (lambda place: place.symlink_to(place.parent / "nowhere" / "x"), "cannot be replaced as a whole"),
        (lambda place: shutil.rmtree(place.parent / "old" / "zones"), ""),
    ],
)
def test_where_no_backup_can_be(tmp_path: Path, make: object, said: str) -> None:
    box(tmp_path / "old")
    make(tmp_path / "backup")  # type: ignore[operator]
    done = command("backup", str(tmp_path / "backup"), "--config", str(tmp_path / "old" / "appliance.toml"))
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    if said:
        assert done.returncode == 1
        assert said in done.stderr
    else:  # missing zone files are told, and keep nobody from having the rest
        assert done.returncode == 0
        assert "is missing; what is kept of the zone" in done.stderr
    assert list(tmp_path.glob(".backup*")) == []


def test_a_missing_right_leaves_no_half_backup(tmp_path: Path) -> None:
    box(tmp_path / "old")
    (tmp_path / "old" / "secret.key").unlink()
    done = command("backup", str(tmp_path / "b"), "--keys", "--config", str(tmp_path / "old" / "appliance.toml"))
    assert done.returncode == 1
    assert "no backup was made: " in done.stderr
    assert "secret.key: No such file or directory" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]


def test_a_limit_on_files_leaves_no_half_backup(tmp_path: Path) -> None:
    """As a full disk does: what was written so far goes, and nothing looks like a backup."""
    box(tmp_path / "old")
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "backup", str(tmp_path / "b"), "--config", tmp_path / "old/appliance.toml"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    assert done.returncode == 1
    assert "no backup was made: " in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]


def test_damaged_state_is_told_and_left_out(tmp_path: Path) -> None:
    box(tmp_path / "old")
    (tmp_path / "old" / "state").mkdir()
    (tmp_path / "old" / "state" / "state.db").write_bytes(b"x" * 5000)
    with pytest.raises(DamagedError):
        snapshot(tmp_path / "old" / "state" / "state.db", tmp_path / "copy")
    folder = tmp_path / "b"
    done = command("backup", str(folder), "--config", str(tmp_path / "old" / "appliance.toml"), "--json")
    assert done.returncode == 0
    assert "is damaged" in decoded(done)["warnings"][0]
    assert not (folder / "state" / "state.db").exists()
    assert (folder / FILE).exists()


def test_what_moves_and_what_stays(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "a.toml").write_text(
        f'[server]\nstate_dir = "/var/lib/x"\n[[zone]]\nname = "a."\nfile = "a.zone"\n'
        f'[[zone]]\nname = "b."\nfile = "{folder}/b.zone"\n[[pattern]]\nfile = "{folder}/fixed/{{zone}}"\nzones = "l"\n'
    )
    places = Places(read_parts(folder / "a.toml"))
    assert places.of(str(folder / "a.toml")) == "config/a.toml"
    assert places.of(f"{folder}/sub/../a.zone") == "config/a.zone"
    assert places.of(f"{folder}/b.zone") == f"root{folder}/b.zone"
    assert places.of(f"{folder}/fixed/x.example") == f"root{folder}/fixed/x.example"
    assert places.of("/var/lib/x") == "root/var/lib/x"
    assert places.of(f"{folder}/../other") == f"root{tmp_path}/other"
    assert os.path.normpath(f"/{places.of('/srv/z')}") == "/root/srv/z"


def test_json_tells_the_same(tmp_path: Path) -> None:
    box(tmp_path / "old")
    done = command("backup", str(tmp_path / "old"), "--config", str(tmp_path / "old" / "appliance.toml"), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"ok": False, "error": done.stderr.removeprefix("appliance: ").strip()}
