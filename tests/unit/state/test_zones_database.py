# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of single zones outlasts damage: from the list beside the database, or from what is left in it."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.config.schema import Config, Pattern, Server
from appliance.errors import StateError
from appliance.served.dynamic import DynamicZones
from appliance.state import zones_database
from appliance.state.zone_rows import Frozen
from appliance.state.zones_database import ZonesDatabase
from appliance.zone import names
from tests.harness.served import ROOT

pytestmark = pytest.mark.unit

A, B, ODD = (names.from_text(text) for text in ("a.example.", "b.", r"odd\032na\010me\.x."))
PATTERN = Pattern(name="a pattern", file="/zones/{zone} file")
FROZEN = Frozen(1_700_000_000, 7, bytes(range(32)))


def loaded(folder: Path) -> DynamicZones:
    """Return what a start finds."""
    config = Config(server=Server(state_dir=str(folder)), pattern=(PATTERN,))
    dynamic = DynamicZones(config)
    dynamic.load(config)
    return dynamic


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a state folder with three zones that were added, one of them frozen, and another one that went."""
    dynamic = loaded(tmp_path)
    dynamic.put(dict.fromkeys((A, B, ODD), PATTERN.name), {PATTERN.name: PATTERN})
    dynamic.put({names.from_text("gone."): PATTERN.name}, {})
    dynamic.freeze({A: FROZEN, B: FROZEN})
    dynamic.thaw([B])
    dynamic.drop([names.from_text("gone.")])
    dynamic.close()
    return tmp_path


def check(dynamic: DynamicZones) -> None:
    """Fail unless all of it is there."""
    assert dict(dynamic.zones) == dict.fromkeys((A, B, ODD), PATTERN.name)
    assert dict(dynamic.frozen) == {A: FROZEN}
    assert dict(dynamic.files) == {PATTERN.name: PATTERN.file}


def test_it_comes_back(folder: Path) -> None:
    dynamic = loaded(folder)
    check(dynamic)
    assert dynamic.problems() == []
    assert sorted(path.name for path in folder.iterdir()) == ["zones.db", "zones.list"]


def head(path: Path) -> None:
    path.write_bytes(b"no database" + path.read_bytes()[11:])


def middle(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[4096:] = os.urandom(len(octets) - 4096)
    path.write_bytes(octets)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [head, middle, half])
def test_a_damaged_one_is_put_aside_and_made_again_from_the_list(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder / "zones.db")
    dynamic = loaded(folder)
    check(dynamic)
    (said,) = dynamic.problems()
    assert "is damaged" in said
    assert "taken from zones.list: 3 added zones, 1 frozen" in said
    assert (folder / "zones.db.damaged").exists()
    dynamic.close()
    again = loaded(folder)
    check(again)
    assert again.problems() == []


def test_without_a_list_what_is_left_in_it_is_taken(folder: Path) -> None:
    (folder / "zones.list").unlink()
    octets = bytearray((folder / "zones.db").read_bytes())
    with sqlite3.connect(folder / "zones.db") as db:
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'frozen'").fetchone()[0]
    db.close()
    octets[(root - 1) * 4096 : root * 4096] = bytes(4096)
    (folder / "zones.db").write_bytes(octets)
    dynamic = loaded(folder)
    assert dict(dynamic.zones) == dict.fromkeys((A, B, ODD), PATTERN.name)
    assert "taken from what is left in it: 3 added zones, 0 frozen" in dynamic.problems()[0]


def test_what_is_lost_for_good_is_told(folder: Path) -> None:
    (folder / "zones.list").unlink()
    head(folder / "zones.db")
    dynamic = loaded(folder)
    assert dict(dynamic.zones) == {}
    assert "there is no zones.list: zones that were added are lost" in dynamic.problems()[0]


def test_a_missing_one_is_made_again_from_the_list(folder: Path) -> None:
    (folder / "zones.db").unlink()
    check(loaded(folder))
    check(loaded(folder))


def test_a_list_cut_off_in_a_line_or_with_odd_lines(folder: Path) -> None:
    (folder / "zones.db").unlink()
    path = folder / "zones.list"
    odd = b"# frozen x\nadd \xff\xfe y\nadd a..b y\n# pattern zz y\ndel\n\nadd half.exam"
    path.write_bytes(path.read_bytes() + odd)
    check(loaded(folder))


def test_a_list_that_is_not_what_the_database_is_gets_written_anew(folder: Path) -> None:
    path = folder / "zones.list"
    whole = path.read_text()
    path.write_text("add z. y\n")
    dynamic = loaded(folder)
    check(dynamic)
    dynamic.write_list()
    (folder / "zones.db").unlink()
    check(loaded(folder))
    assert "del " in whole
    assert "del " not in path.read_text()


def test_the_list_does_not_grow_without_end(tmp_path: Path) -> None:
    dynamic = loaded(tmp_path)
    for _ in range(700):
        dynamic.put({A: PATTERN.name}, {PATTERN.name: PATTERN})
        dynamic.drop([A])
    assert (tmp_path / "zones.list").read_text().count("\n") < 1100


def test_a_list_that_cannot_be_read_keeps_no_server_from_starting(folder: Path) -> None:
    (folder / "zones.db").unlink()
    (folder / "zones.list").unlink()
    (folder / "zones.list").mkdir()
    dynamic = loaded(folder)
    assert dict(dynamic.zones) == {}
    assert "Is a directory" in dynamic.problems()[0]


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    dynamic = loaded(tmp_path / "state")
    assert (dict(dynamic.zones), dynamic.problems()) == ({}, [])
    with pytest.raises(StateError):
        dynamic.put({A: PATTERN.name}, {PATTERN.name: PATTERN})


def test_an_older_format_is_brought_up(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "zones.db", isolation_level=None)
    for statement in zones_database._STEPS[0].split(";"):
        db.execute(statement)
    db.execute("INSERT INTO zones VALUES (?, ?)", (A, PATTERN.name))
    db.execute("PRAGMA user_version = 1")
    db.close()
    dynamic = loaded(tmp_path)
    assert dict(dynamic.zones) == {A: PATTERN.name}
    dynamic.freeze({A: FROZEN})
    dynamic.close()
    assert dict(loaded(tmp_path).frozen) == {A: FROZEN}


def test_a_newer_format_is_left_alone(folder: Path) -> None:
    """Zones are served as the list has them; nothing is changed, which is told with what mends it."""
    db = sqlite3.connect(folder / "zones.db", isolation_level=None)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = (folder / "zones.list").read_bytes()
    dynamic = loaded(folder)
    check(dynamic)
    with pytest.raises(StateError, match="has format 99, this version of the program knows 2: start the newer version"):
        dynamic.drop([A])
    dynamic.write_list()
    assert (folder / "zones.list").read_bytes() == before
    (folder / "zones.db").unlink()
    check(loaded(folder))


def test_a_failed_change_changes_nothing(folder: Path) -> None:
    database = ZonesDatabase(folder)
    before = database.read()

    def fail() -> None:
        with database.change() as db:
            zones_database.drop(db, "zones", [A])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert database.read() == before


_CHILD = """
import os, sys
from pathlib import Path
from appliance.state import zones_database
database = zones_database.ZonesDatabase(Path(sys.argv[1]))
def held():
    return [one for one in Path("/proc/self/fd").iterdir() if one.exists() and "zones.db" in str(one.resolve())]
with database.change() as db:
    zones_database.drop(db, "zones", [bytes.fromhex(sys.argv[2])])
assert held()
pid = os.fork()
if not pid:
    os._exit(len(held()))
assert os.waitpid(pid, 0)[1] == 0
with database.change() as db:
    zones_database.drop(db, "zones", [bytes.fromhex(sys.argv[3])])
"""


def test_forked_processes_have_no_database(folder: Path) -> None:
    """What a child does, or its end, releases no lock of its parent's, and moves no log."""
    subprocess.run([sys.executable, "-c", _CHILD, str(folder), B.hex(), ODD.hex()], check=True, timeout=60, cwd=ROOT)
    assert list(loaded(folder).zones) == [A]
