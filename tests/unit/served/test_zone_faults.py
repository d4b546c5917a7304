# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone harms itself alone: broken files, odd names and lists with mistakes, one after the other, on a real server."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.served.signatures import moment
from appliance.state import versions
from appliance.state.database import Database
from tests.harness.served import ROOT, Served, configuration, decoded, serving, until, zone_text

pytestmark = pytest.mark.unit

BROKEN = zone_text() + "www A nonsense\n"
PATTERNS = """
[[pattern]]
zones = "zones.list"
file = "listed/{zone}.zone"
[[pattern]]
file = "folder/{zone}.zone"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three zones of a folder, two of a list, one of its own."""
    (tmp_path / "appliance.toml").write_text(configuration("example.") + PATTERNS)
    (tmp_path / "example.zone").write_text(zone_text())
    for place, zones in (("folder", ("a", "b", "c")), ("listed", ("d", "e"))):
        (tmp_path / place).mkdir()
        for zone in zones:
            (tmp_path / place / f"{zone}.zone").write_text(zone_text())
    (tmp_path / "zones.list").write_text("d\ne\n")
    return tmp_path


def outcome(server: Served, *arguments: str) -> tuple[int, str]:
    """Return exit status and words of a reload by the command."""
    done = server.command("reload", *arguments)
    assert "internal error" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def reloaded(server: Served) -> tuple[bool, str]:
    """Return whether all of a reload worked, and its words; faster than the command."""
    told = server.ask("reload")["zones"]
    return all(one["ok"] for one in told), "\n".join(f"{one['zone']}: {one['outcome']}" for one in told)


def problems(server: Served) -> list[str]:
    """Return what the verb status calls problems."""
    status = server.ask("status")
    found: list[str] = status["problems"]
    assert status["healthy"] == (not found)
    return found


def serves(server: Served, *zones: str) -> bool:
    return all(server.address(f"www.{zone}.") == "192.0.2.2" for zone in zones)


def until_kept(folder: Path, count: int) -> None:
    """Wait until a version of so many zones is kept."""

    def kept() -> bool:
        with Database(folder / "state").transaction() as db:
            return len(versions.sources(db)) == count

    until(kept)


def test_a_broken_file_comes_and_goes(folder: Path) -> None:
    with serving(folder) as server:
        (folder / "folder" / "new.zone").write_text(BROKEN)
        for _ in range(2):  # what is still broken is told again
            status, words = outcome(server)
            assert status == 1
            assert f"{folder}/folder/new.zone:10: error: an address is missing" in words
            assert server.address("www.new.") == "SERVFAIL"
        done = server.command("status", "--json")
        assert (done.returncode, len(decoded(done)["problems"])) == (2, 1)
        (folder / "folder" / "new.zone").unlink()
        assert outcome(server) == (0, "new.: removed\n")
        assert server.address("www.new.") == "REFUSED"
        assert outcome(server) == (0, "no zone file has changed\n")
        assert problems(server) == []
        assert serves(server, "example", "a", "b", "c", "d", "e")


def test_a_zone_that_breaks_is_told_each_time(folder: Path) -> None:
    with serving(folder) as server:
        (folder / "folder" / "a.zone").write_text(BROKEN)
        for arguments in ((), (), ("a.",), ("a.",)):
            status, words = outcome(server, *arguments)
            assert status == 1
            assert "serial 1 is still served" in words
        (folder / "folder" / "a.zone").write_text(zone_text())
        assert outcome(server)[0] == 0
        assert problems(server) == []


def test_a_broken_zone_says_what_is_served_and_since_when(folder: Path) -> None:
    """The time is that of the first failure, and the serial is told in the table too."""
    path = folder / "folder" / "a.zone"
    told = rf"{re.escape(str(path))}:10: error: .*"
    with serving(folder) as server:
        until_kept(folder, 6)
        path.write_text(BROKEN)
        assert not reloaded(server)[0]
        (problem,) = problems(server)
        found = re.fullmatch(rf"zone a\.: serial 1 is still served; since (.*) its file cannot be: {told}", problem)
        assert found
        assert not reloaded(server)[0]
        assert problems(server) == [problem]
        shown = server.command("status", "--zones").stdout
        assert f"! {problem}" in shown
        assert shown.count("serial 1 is still served") == 2
        since = next(one for one in server.ask("status")["zones"] if one["name"] == "a.")["error_since"]
        assert moment(int(since)) == found[1]
    with serving(folder) as server:
        (problem,) = problems(server)
        assert re.fullmatch(
            rf"zone a\.: serial 1 is served as it was kept; since .* UTC its file cannot be: {told}", problem
        )
        path.write_text(zone_text())
        assert reloaded(server)[0]
        assert problems(server) == []
        (folder / "folder" / "new.zone").write_text(BROKEN)
        status, words = outcome(server)
        assert status == 1
        assert words.startswith(f"new.: {folder}/folder/new.zone:10: error: ")
        assert words.endswith("; nothing is served of it (SERVFAIL)\n")


LINES: dict[str, bytes] = {
    "empty label": b"not..a.name",
    "long label": b"x" * 64,
    "long name": b"x." * 300,
    "not ASCII": "bücher.example".encode(),
    "not UTF-8": b"b\xfccher.example",
    "NUL": b"a\0b..",
    "the root's word": b"root",
}


@pytest.mark.parametrize("kind", LINES)
def test_a_line_that_is_no_name(folder: Path, kind: str) -> None:
    """It is told with its number; the other lines count, and none of the list's zones goes."""
    (folder / "zones.list").write_bytes(b"d\n" + LINES[kind] + b"\nf\n")
    (folder / "listed" / "f.zone").write_text(zone_text())
    for again in (False, True):
        with serving(folder) as server:
            assert serves(server, "example", "a", "b", "c", "d", "f")
            (problem,) = problems(server)
            assert f"{folder}/zones.list:2: " in problem
            assert not reloaded(server)[0]
            assert "Traceback" not in server.log()
            if again:
                (folder / "zones.list").write_text("d\nf\n")
                assert reloaded(server) == (True, "")
                assert problems(server) == []


def test_a_list_that_gets_a_mistake_loses_no_zone(folder: Path) -> None:
    with serving(folder) as server:
        (folder / "zones.list").write_text("d\ne..\n")
        assert "zones.list:2: name 'e..'" in outcome(server)[1]
        assert serves(server, "d", "e")
        (folder / "zones.list").write_text("d\n")
        assert outcome(server) == (0, "e.: removed\n")


FILES: dict[str, Callable[[Path], object]] = {
    # What comes into the folder of a pattern; the zones that were there are served all the same.
    "loop": lambda folder: (folder / "loop.zone").symlink_to("loop.zone"),
    "dangling": lambda folder: (folder / "gone.zone").symlink_to("nowhere"),
    "empty label": lambda folder: (folder / "a..b.zone").touch(),
    "not ASCII": lambda folder: (folder / "bücher.zone").touch(),
    "not UTF-8": lambda folder: Path(os.fsdecode(os.fsencode(folder) + b"/b\xfccher.zone")).touch(),
    "long label": lambda folder: (folder / f"{'x' * 64}.zone").touch(),
    "two spellings": lambda folder: (folder / "A.zone").write_text(zone_text(1, 9)),
    "folder": lambda folder: (folder / "d.e.zone").mkdir(),
    "pipe": lambda folder: os.mkfifo(folder / "pipe.zone"),
    "device": lambda folder: (folder / "zero.zone").symlink_to("/dev/zero"),
    "includes itself": lambda folder: (folder / "i.zone").write_text("$INCLUDE i.zone\n"),
    "a neighbour's": lambda folder: (folder / "d.zone").write_text(zone_text(1, 9)),
    "root.": lambda folder: (folder / "root..zone").touch(),
    "binary": lambda folder: (folder / "binary.zone").write_bytes(bytes(range(256)) * 9),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_comes_into_a_folder(folder: Path, kind: str) -> None:
    """At a reload and at a start: it is told, alone, and the others are served and reloaded."""
    before = set((folder / "folder").iterdir())
    with serving(folder) as server:
        FILES[kind](folder / "folder")
        (folder / "example.zone").write_text(zone_text(2, 7))
        done, words = reloaded(server)
        assert not done
        assert "example.: serial 1 replaced by 2" in words
        assert server.address() == "192.0.2.7"
        assert len(problems(server)) == 1
        assert serves(server, "a", "b", "c", "d", "e")
    with serving(folder) as server:
        assert len(problems(server)) == 1
        assert serves(server, "a", "b", "c", "d", "e")
        for path in set((folder / "folder").iterdir()) - before:
            path.rmdir() if path.is_dir() else path.unlink()
        assert reloaded(server)[0]
        assert problems(server) == []
        assert "Traceback" not in server.log()


def test_the_root_zone_has_one_file_name(folder: Path) -> None:
    """`root` in a file's name is the root zone; a dot in a list is it too."""
    root = "$TTL 300\n. SOA ns.root. x. 1 2 3 4 5\n. NS ns.root.\nns.root. A 192.0.2.1\nmore. TXT here\n"
    (folder / "folder" / "root.zone").write_text(root)
    with serving(folder) as server:
        assert server.query("more.", "TXT").answer[0][0].to_text() == '"here"'
        assert serves(server, "a", "d")
    (folder / "folder" / "root.zone").rename(folder / "listed" / "root.zone")
    (folder / "zones.list").write_text(".\nd\ne\n")
    with serving(folder) as server:
        assert server.query("more.", "TXT").answer[0][0].to_text() == '"here"'
        assert problems(server) == []


def test_a_signal_shows_no_traceback_and_is_told(folder: Path) -> None:
    with serving(folder) as server:
        (folder / "zones.list").unlink()
        (folder / "folder" / "a..b.zone").touch()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the list of zones cannot be read: No such file or directory" in server.log())
        assert len(problems(server)) == 2
        assert serves(server, "example", "a", "b", "c", "d", "e")
        (folder / "zones.list").write_text("d\ne\n")
        (folder / "folder" / "a..b.zone").unlink()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: problems(server) == [])
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("what", ["folder", "zones.list"])
@pytest.mark.parametrize("how", ["gone", "loop", "other kind"])
def test_what_cannot_be_read_removes_nothing(folder: Path, what: str, how: str) -> None:
    """Nobody knows what should be there: also at a start, where the zones are those that were there before."""

    def hide() -> None:
        (folder / what).rename(folder / "away")
        if how == "loop":
            (folder / what).symlink_to(what)
        elif how == "other kind":
            (folder / what).mkdir() if what == "zones.list" else (folder / what).touch()

    with serving(folder) as server:
        until_kept(folder, 6)
        hide()
        assert not reloaded(server)[0]
        assert serves(server, "example", "a", "b", "c", "d", "e")
    with serving(folder) as server:
        assert serves(server, "example", "a", "b", "c", "d", "e")
        assert any("cannot be read" in one for one in problems(server))
        path = folder / what
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        (folder / "away").rename(path)
        assert reloaded(server)[0]
        assert problems(server) == []
        assert serves(server, "example", "a", "b", "c", "d", "e")


def test_an_empty_list_is_asked_about(folder: Path) -> None:
    with serving(folder) as server:
        (folder / "zones.list").write_text("")
        (folder / "folder" / "new.zone").write_text(zone_text())
        status, words = outcome(server)
        assert status == 1
        assert f"2 of 6 zones would be removed (d., e.), because {folder}/zones.list is empty" in words
        assert serves(server, "d", "e", "new")  # additions go on
        held = server.ask("status")["removal_held"]
        assert (held["zones"], held["of"], held["first"]) == (2, 6, ["d.", "e."])
        status, words = outcome(server, "--allow-removal", "2-00000000")
        assert status == 1
        assert "it is another set now, nothing was removed. 2 of 7 zones" in words
        assert serves(server, "d", "e")
        assert outcome(server, "--allow-removal", held["number"]) == (0, "d.: removed\ne.: removed\n")
        assert server.address("www.d.") == "REFUSED"
        assert problems(server) == []
        status, words = outcome(server, "--allow-removal", held["number"])
        assert (status, "no zone is to be removed" in words) == (1, True)
        assert outcome(server, "a.", "--allow-removal", held["number"])[0] == 1


def test_an_empty_list_is_asked_about_at_a_start_too(folder: Path) -> None:
    with serving(folder) as server:
        assert serves(server, "d", "e")
        until_kept(folder, 6)
    (folder / "zones.list").write_text("")
    shutil.rmtree(folder / "listed")
    with serving(folder) as server:
        assert serves(server, "a", "d", "e")
        number = server.ask("status")["removal_held"]["number"]
        assert outcome(server, "--allow-removal", number)[0] == 0
        assert server.address("www.d.") == "REFUSED"
        assert problems(server) == []


def test_many_at_a_time_in_a_folder_by_a_signal(folder: Path) -> None:
    for number in range(20):
        (folder / "folder" / f"z{number}.zone").write_text(zone_text())
    with serving(folder) as server:
        for number in range(14):
            (folder / "folder" / f"z{number}.zone").unlink()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "14 of 26 zones would be removed" in server.log())
        assert serves(server, "z0", "z13", "z14")
        assert [one for one in problems(server) if "14 of 26" in one]
        (folder / "folder" / "z0.zone").write_text(zone_text())
        assert reloaded(server)[0]  # 13 of 26 are as many as may go
        assert [server.address(f"www.{zone}.") for zone in ("z0", "z1")] == ["192.0.2.2", "REFUSED"]


def test_a_zone_that_was_taken_out_never_comes_back(folder: Path) -> None:
    """Not even with the image of before: its name without a file is SERVFAIL."""
    with serving(folder):
        until_kept(folder, 6)
    image = (folder / "state" / "store.image").read_bytes()
    (folder / "zones.list").write_text("d\n")
    with serving(folder) as server:
        assert server.address("www.e.") == "REFUSED"
        server.end(signal.SIGKILL)
    (folder / "state" / "store.image").write_bytes(image)
    (folder / "zones.list").write_text("d\ne\n")
    (folder / "listed" / "e.zone").unlink()
    with serving(folder) as server:
        assert server.address("www.e.") == "SERVFAIL"
        assert serves(server, "d")


def test_a_neighbour_with_a_broken_file_holds_nobody_up(folder: Path) -> None:
    """A chain leads into it: what is served of it, as it was kept, is what the chain ends in."""
    (folder / "folder" / "a.zone").write_text(zone_text() + "alias CNAME www.b.\n")
    with serving(folder) as server:
        until_kept(folder, 6)
        assert server.query("alias.a.").answer[-1][0].to_text() == "192.0.2.2"
        (folder / "folder" / "b.zone").write_text(BROKEN)
        (folder / "folder" / "a.zone").write_text(zone_text(2, 7) + "alias CNAME www.b.\n")
        assert "a.: serial 1 replaced by 2" in outcome(server)[1]
        assert server.query("alias.a.").answer[-1][0].to_text() == "192.0.2.2"


def test_check_config_looks_at_zones(folder: Path) -> None:
    """All of it is told with its place, and none of it keeps the server from starting."""
    (folder / "example.zone").unlink()
    (folder / "zones.list").write_text("d\nnot..a.name\nd.\nf\n")
    (folder / "folder" / "a..b.zone").touch()
    (folder / "folder" / "d.zone").write_text(zone_text())
    (folder / "folder" / "a.zone").chmod(0)
    command = [sys.executable, "-m", "appliance", "check-config", str(folder / "appliance.toml")]
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    done = subprocess.run([*unprivileged, *command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        f"{folder}/appliance.toml:11: warning: zone example.: {folder}/example.zone: No such file or directory",
        f"{folder}/zones.list:2: warning: name 'not..a.name'",
        f"{folder}/zones.list:3: warning: zone d. is there twice",
        f"{folder}/listed/f.zone: warning: zone f.: {folder}/listed/f.zone: No such file or directory",
        f"{folder}/folder/a..b.zone: warning: the name of the file is not that of a zone",
        f"{folder}/folder/d.zone: warning: zone d. is in two [[pattern]]s",
        f"{folder}/folder/a.zone: warning: zone a.: {folder}/folder/a.zone: may not be read by this user",
    ):
        assert words in done.stdout, done.stdout
    (folder / "zones.list").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0
    assert f"{folder}/zones.list: warning: the list of zones cannot be read" in done.stdout


EDITS: dict[str, tuple[Callable[[str], str], str]] = {
    # What becomes of the configuration, and what is said of it.
    "new zone": (lambda text: text + '[[zone]]\nname = "f."\nfile = "listed/f.zone"\n', "zone f. new;"),
    "zone gone": (lambda text: text.replace(configuration("example."), configuration()), "zone example. gone;"),
    "moved": (lambda text: text.replace('"example.zone"', '"listed/d.zone"'), "zone example. with another file;"),
    "pattern": (lambda text: text.replace("folder/", "listed/"), "[[pattern]];"),
    "key": (lambda text: text.replace("port = 0", "port = 0\ntcp_workers = 1"), "[listen];"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edited_configuration_is_told(folder: Path, kind: str) -> None:
    """A reload does not read it, and says so each time; a comment is no change, and what was taken back is none."""
    file = folder / "appliance.toml"
    before = file.read_text()
    edit, words = EDITS[kind]
    with serving(folder) as server:
        file.write_text(before + "# a comment\n")
        assert reloaded(server) == (True, "")
        file.write_text(edit(before))
        told = f"{file} has changed since it was applied: {words} a reload does not read it: "
        for _ in range(2):
            done, said = reloaded(server)
            assert not done
            assert said.startswith(f"configuration: {told}")
        status = server.ask("status")
        assert status["healthy"]
        assert status["warnings"][-1].startswith(told)
        file.write_text(before)
        assert reloaded(server) == (True, "")
        assert server.ask("status")["warnings"] == []


def test_a_configuration_that_would_not_start_is_a_problem(folder: Path) -> None:
    file = folder / "appliance.toml"
    before = file.read_text()
    with serving(folder) as server:
        for text, why in (("prot = 1", "line 1: unknown key 'prot'"), ("(", "line 1: Invalid statement")):
            file.write_text(f"{text}\n{before}")
            (problem,) = problems(server)
            assert problem.startswith(f"{file} has changed, and the next start would fail: {why}")
            assert not reloaded(server)[0]
        file.write_text(before + '[[zone]]\nname = "f."\nfile = "f.zone"\n')
        done = server.command("reload", "f.")
        assert done.returncode == 1
        assert "zone f. is not in the configuration; " in done.stderr
        assert "zone f. new; a reload does not read it" in done.stderr
        assert problems(server) == []
