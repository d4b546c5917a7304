# SPDX-License-Identifier: GPL-3.0-or-later
"""No room on the disk: what can be done without it is done, the rest is said with what mends it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.datapath import headers
from appliance.errors import DatapathError
from appliance.state import versions
from appliance.state.database import Database
from tests.harness.served import ROOT, configuration, serving, until, zone_text

pytestmark = [pytest.mark.chaos, pytest.mark.netns]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system of its own, which takes files but not one octet."""
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=100", "none", str(folder)], check=True)
    try:
        (folder / "fill").write_bytes(bytes(4096))
        with pytest.raises(OSError, match="No space left"):
            (folder / "more").write_bytes(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_serving_needs_no_room(full: Path, tmp_path: Path) -> None:
    """Start, answer, reload, die, start again: all with run_dir and state_dir on a full disk."""
    text = configuration("example.").replace('"run"', '"full/run"').replace('"state"', '"full/state"')
    (tmp_path / "appliance.toml").write_text(text)
    (tmp_path / "example.zone").write_text(zone_text(1))
    for serial in (1, 2):
        with serving(tmp_path, full / "run" / "control.sock") as server:
            assert server.address(tcp=True) == "192.0.2.2"
            (tmp_path / "example.zone").write_text(zone_text(serial + 1))
            assert server.command("reload").returncode == 0
            assert server.command("status").returncode == 0
            server.process.kill()


@pytest.mark.parametrize("why", ["full", "read-only"])
def test_what_is_kept_is_served_where_nothing_can_be_written(tmp_path: Path, why: str) -> None:
    """The zone file is broken and gone besides: what was served before is there to be read."""
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(state)], check=True)
    try:
        (tmp_path / "appliance.toml").write_text(configuration("example."))
        (tmp_path / "example.zone").write_text(zone_text(1))
        with serving(tmp_path) as server:
            assert server.address() == "192.0.2.2"
        (tmp_path / "example.zone").write_text("(")
        if why == "full":
            with contextlib.suppress(OSError):
                (state / "fill").write_bytes(bytes(16 << 20))
            assert os.statvfs(state).f_bavail == 0
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
        with serving(tmp_path) as server:
            assert server.address() == "192.0.2.2"
            assert "zone example." in server.command("status").stdout
    finally:
        subprocess.run(["umount", str(state)], check=True)


def test_no_room_for_kernel_headers(full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's preparation ends with one line, and leaves no half a tree."""
    sources = tmp_path / "src"
    common, specific = sources / "linux-headers-6.1.0-1-common", sources / "linux-headers-6.1.0-1-amd64"
    for folder in (common, specific / "include", specific / "arch"):
        folder.mkdir(parents=True)
    for number in range(200):
        (common / f"{number}.h").touch()
    monkeypatch.setattr(headers, "SOURCES", sources)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release="none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(full))
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    with pytest.raises(DatapathError, match=r"cannot lay out kernel headers in .*: No space left on device; make room"):
        headers.kernel_source()
    assert not list((full / "appliance").rglob("*.h"))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """Yield the state folder of a server, on a small file system of its own."""
    folder = tmp_path / "state"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        while folder.is_mount():
            subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no page free."""
    with contextlib.suppress(OSError), (folder / "fill").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert os.statvfs(folder).f_bavail == 0


def listed(folder: Path, *zones: str) -> None:
    """Have a list name these zones, each with a file."""
    text = configuration("example.", more='[[pattern]]\nzones = "zones.list"\nfile = "{zone}.zone"\n')
    (folder / "appliance.toml").write_text(text)
    (folder / "zones.list").write_text("".join(f"{zone}\n" for zone in zones))
    for zone in ("example", *zones):
        (folder / f"{zone}.zone").write_text(zone_text())


def kept(folder: Path) -> int:
    """Return how many zones have a kept version."""
    with Database(folder / "state").reading() as db:
        return len(versions.sources(db))


@pytest.mark.parametrize("image", [True, False])
def test_what_is_removed_while_the_disk_is_full_stays_away(state: Path, tmp_path: Path, image: bool) -> None:
    """Two lists lose zones, one of them all that it has, which is confirmed; later the names are there once more."""
    listed(tmp_path, "a", "b")
    config = tmp_path / "appliance.toml"
    config.write_text(config.read_text() + f"[store]\nimage = {str(image).lower()}\n")
    with serving(tmp_path) as server:
        until(lambda: kept(tmp_path) == 3)
        until(lambda: not image or (state / "store.image").exists())
        fill(state)
        (tmp_path / "zones.list").write_text("b\n")
        assert server.command("reload").stdout == "a.: removed\n"
        (tmp_path / "zones.list").write_text("")
        assert server.command("reload").returncode == 1
        number = server.ask("status")["removal_held"]["number"]
        assert server.command("reload", "--allow-removal", number).stdout == "b.: removed\n"
        assert server.ask("status")["problems"] == []
        assert kept(tmp_path) == 1
        for zone in ("a", "b"):
            (tmp_path / f"{zone}.zone").write_text("(")
        (tmp_path / "zones.list").write_text("a\n")
        assert server.command("reload").returncode == 1
        assert server.address("www.a.") == "SERVFAIL"
        server.process.kill()
        server.process.wait()
    for names in ("", "a\nb\n"):
        (tmp_path / "zones.list").write_text(names)
        with serving(tmp_path) as server:
            assert server.address() == "192.0.2.2"
            assert {server.address(f"www.{zone}.") for zone in "ab"} == {"SERVFAIL" if names else "REFUSED"}


def test_a_removal_that_cannot_be_written_is_told_and_made_up_for(state: Path, tmp_path: Path) -> None:
    """Nothing at all can be written: what is kept counts no more, and goes as soon as that is possible."""
    listed(tmp_path, "a", "b")
    with serving(tmp_path) as server:
        until(lambda: kept(tmp_path) == 3)
        until((state / "store.image").exists)
        subprocess.run(["mount", "--bind", str(state), str(state)], check=True)  # with a lock, it is busy itself
        subprocess.run(["mount", "-o", "remount,bind,ro", str(state)], check=True)
        (tmp_path / "zones.list").write_text("b\n")
        assert server.command("reload").stdout == "a.: removed\n"
        (problem,) = server.ask("status")["problems"]
        assert "1 zone removed since (a.)" in problem
        assert "Read-only file system" in server.log()
        (tmp_path / "a.zone").write_text("(")
        (tmp_path / "zones.list").write_text("a\nb\n")
        assert server.command("reload").returncode == 1
        assert server.address("www.a.") == "SERVFAIL"
        (tmp_path / "zones.list").write_text("b\n")
        assert server.command("reload").stdout == "a.: removed\n"
        subprocess.run(["umount", str(state)], check=True)
        assert server.command("reload").returncode == 0
        assert server.ask("status")["problems"] == []
        assert kept(tmp_path) == 2


@pytest.mark.parametrize("sparse", [False, True])
def test_a_saved_store_on_a_full_disk_is_written_into(state: Path, tmp_path: Path, sparse: bool) -> None:
    """The room behind what is saved is memory of no file, and so are holes that a copy of the file has got."""
    listed(tmp_path, "a", "b")
    image = state / "store.image"
    with serving(tmp_path):
        until(lambda: kept(tmp_path) == 3)
    assert image.stat().st_blocks * 512 >= image.stat().st_size
    if sparse:
        subprocess.run(["cp", "--sparse=always", str(image), str(tmp_path / "sparse")], check=True)
        image.write_bytes(b"")
        subprocess.run(["cp", "--sparse=always", str(tmp_path / "sparse"), str(image)], check=True)
        assert image.stat().st_blocks * 512 < image.stat().st_size
    fill(state)
    hosts = "".join(f"h{number} A 192.0.2.9\nh{number} TXT {'x' * 200}\n" for number in range(5000))
    (tmp_path / "a.zone").write_text(zone_text(2) + hosts)
    with serving(tmp_path) as server:
        assert "zones as they were saved: 2, read: 1" in server.log()
        assert server.address("h4999.a.") == "192.0.2.9"
        for serial in (3, 4):
            (tmp_path / "b.zone").write_text(zone_text(serial, serial) + hosts)
            assert server.command("reload").returncode == 0
            assert server.address("www.b.") == f"192.0.2.{serial}"
        assert server.process.poll() is None


def dynamic(folder: Path) -> None:
    """Have a pattern that zones are added with, and files for two of them."""
    more = '[[pattern]]\nname = "plain"\nfile = "{zone}.zone"\n'
    (folder / "appliance.toml").write_text(configuration("example.", more=more))
    for zone in ("example", "a", "b"):
        (folder / f"{zone}.zone").write_text(zone_text())


@pytest.mark.parametrize("why", ["full", "read-only"])
def test_zones_that_were_added_are_served_where_nothing_can_be_written(state: Path, tmp_path: Path, why: str) -> None:
    """Neither the log of SQLite nor a line of the list has room: what cannot be written is not done, which is said."""
    dynamic(tmp_path)
    with serving(tmp_path) as server:
        assert server.command("addzone", "a", "plain").returncode == 0
        until(lambda: kept(tmp_path) == 2)
        if why == "full":
            fill(state)
        else:
            subprocess.run(["mount", "--bind", str(state), str(state)], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(state)], check=True)
            server.process.kill()  # an open database can be written still
            server.process.wait()
    reason = "No space left on device" if why == "full" else "Read-only file system"
    for _ in range(2):
        with serving(tmp_path) as server:
            assert server.address("www.a.") == "192.0.2.2"
            for arguments, said in (
                (("addzone", "b", "plain"), "b.: not added: "),
                (("delzone", "a"), "a.: not removed: "),
                (("changezone", "a", "plain"), ""),
                (("freeze", "a"), ""),
            ):
                done = server.command(*arguments)
                assert done.returncode == 1, arguments
                assert said in done.stderr
                assert f"zones.db: {reason}" in done.stderr
            assert [server.address(f"www.{zone}.") for zone in ("a", "b")] == ["192.0.2.2", "REFUSED"]
            assert [one["name"] for one in server.ask("export")["zones"]] == ["a."]
            server.process.kill()
            server.process.wait()
    if why == "full":
        (state / "fill").unlink()
    else:
        subprocess.run(["umount", str(state)], check=True)
    with serving(tmp_path) as server:
        assert server.command("addzone", "b", "plain").returncode == 0
        assert server.command("delzone", "a").returncode == 0
        assert [server.address(f"www.{zone}.") for zone in ("a", "b")] == ["REFUSED", "192.0.2.2"]


def test_a_disk_that_fills_while_zones_are_added(state: Path, tmp_path: Path) -> None:
    """A batch is added or not, as its results say; with room again all goes on."""
    dynamic(tmp_path)
    with serving(tmp_path) as server:
        fill(state)
        for _ in range(3):
            assert server.command("addzone", "a", "plain").returncode == 1
            assert server.address("www.a.") == "REFUSED"
        (state / "fill").unlink()
        assert server.command("addzone", "a", "plain").returncode == 0
        server.process.kill()
        server.process.wait()
    with serving(tmp_path) as server:
        assert server.address("www.a.") == "192.0.2.2"


def test_a_zone_file_is_whole_where_the_disk_is_full(state: Path, tmp_path: Path) -> None:
    """The folder of the zone file has no room for another one: the file stays as it was, and is written later."""
    zones = tmp_path / "zones"
    zones.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(zones)], check=True)
    try:
        config = tmp_path / "appliance.toml"
        config.write_text(configuration("example.").replace('"example.zone"', '"zones/example.zone"'))
        file = zones / "example.zone"
        file.write_text(zone_text())
        with serving(tmp_path) as server:
            until(lambda: kept(tmp_path) == 1)
            for serial in (2, 3):
                file.write_text(zone_text(serial, serial))
                assert server.command("reload").returncode == 0
            server.ask("rollback", zone="example.", serial="2")
            fill(zones)
            done = server.command("write", "example.")
            assert done.returncode == 1
            assert f"{file}: No space left on device; the file is left as it is" in done.stderr
            assert file.read_text() == zone_text(3, 3)
            assert sorted(path.name for path in zones.iterdir()) == ["example.zone", "fill"]
            (zones / "fill").unlink()
            assert server.command("write", "example.").returncode == 0
            assert "the same records" in server.command("thaw", "example.").stdout
            assert server.address() == "192.0.2.2"
    finally:
        subprocess.run(["umount", str(zones)], check=True)


def test_a_damaged_database_of_added_zones(tmp_path: Path) -> None:
    """They are served as the list beside it has them; status says what happened until the next start."""
    dynamic(tmp_path)
    with serving(tmp_path) as server:
        assert server.command("addzone", "a", "plain").returncode == 0
        assert server.command("freeze", "a").returncode == 0
    (tmp_path / "a.zone").write_text(zone_text(2, 7))
    database = tmp_path / "state" / "zones.db"
    database.write_bytes(b"x" * 8192)
    with serving(tmp_path) as server:
        assert server.address("www.a.") == "192.0.2.2"
        (problem,) = server.ask("status")["problems"]
        assert "zones.db is damaged" in problem
        assert "taken from zones.list: 1 added zones, 1 frozen" in problem
        assert server.command("thaw", "a").returncode == 0
        assert server.command("addzone", "b", "plain").returncode == 0
    with serving(tmp_path) as server:
        assert server.ask("status")["problems"] == []
        assert [server.address(f"www.{zone}.") for zone in ("a", "b")] == ["192.0.2.7", "192.0.2.2"]


def test_a_backup_on_a_full_disk_leaves_nothing(full: Path, tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    (tmp_path / "example.zone").write_text(zone_text(1))
    with serving(tmp_path) as server:
        done = server.command("backup", str(full / "backup"))
        assert done.returncode == 1
        assert "no backup was made: " in done.stderr
        assert "No space left on device" in done.stderr
        assert {path.name for path in full.iterdir()} == {"fill", "more"}
        assert server.command("backup", str(tmp_path / "backup")).returncode == 0
    restored = [sys.executable, "-m", "appliance", "restore", str(tmp_path / "backup"), "--config-dir"]
    done = subprocess.run([*restored, str(full / "new")], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert not list(full.rglob("*.zone"))


def test_a_server_is_drained_on_a_full_disk(state: Path, tmp_path: Path) -> None:
    """Health must fail all the same; that a restart of the machine forgets it is told."""
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    (tmp_path / "example.zone").write_text(zone_text())
    with serving(tmp_path) as server:
        until(lambda: kept(tmp_path) == 1)
        until((state / "store.image").exists)
        fill(state)
        done = server.command("drain", "--reason", "no room")
        assert done.returncode == 1
        assert "a restart of the machine forgets that the server is drained: " in done.stderr
        assert "No space left on device" in done.stderr
        assert not (state / "drained.json").exists()
        assert "no room; `appliance undrain` ends it" in " ".join(server.ask("status")["warnings"])
        server.process.kill()
    with serving(tmp_path) as server:
        assert server.ask("status")["drained"]["reason"] == "no room"
        (state / "fill").unlink()
        assert server.command("drain").returncode == 0
        assert (state / "drained.json").exists()
        assert server.command("undrain").returncode == 0


def test_a_server_that_cannot_be_drained_says_so(full: Path, tmp_path: Path) -> None:
    text = configuration("example.").replace('"run"', '"full/run"').replace('"state"', '"full/state"')
    (tmp_path / "appliance.toml").write_text(text)
    (tmp_path / "example.zone").write_text(zone_text())
    with serving(tmp_path, full / "run" / "control.sock") as server:
        done = server.command("drain")
        assert done.returncode == 1
        assert "not drained: " in done.stderr
        assert "No space left on device" in done.stderr
        assert server.ask("status")["drained"] is None
        assert not list(full.rglob("drained*"))
