# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of the registry are believed only where root wrote them, whole, for this boot and this network namespace."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.datapath import owners, registry
from appliance.datapath.owners import Lock, Owner
from appliance.datapath.registry import Entry
from appliance.errors import DatapathError

pytestmark = pytest.mark.unit

_HOLDER = """
import sys
from pathlib import Path
from appliance.datapath import owners
owner = owners.this_process("/run/other")
lock = owners.Lock(Path(sys.argv[1]), owner)
print(owner.pid, owner.started, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "registry"
    monkeypatch.setenv("APPLIANCE_NIC_REGISTRY", str(made))
    return made


@pytest.fixture
def other(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield another server: a process that holds its lock until its input ends."""
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-c", _HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def owner_of(process: "subprocess.Popen[str]") -> Owner:
    assert process.stdout is not None
    pid, started = process.stdout.readline().split()
    return Owner(int(pid), int(started))


def made(program: int = 7, ifindex: int = 3, owner: Owner | None = None) -> Entry:
    owner = owner or owners.this_process("/run/a")
    return registry.entry(ifindex, "eth0", program, 1234, owner, Path("/sys/fs/bpf/none/g1-1"))


def test_written_and_read(folder: Path) -> None:
    registry.write(made())
    assert folder.stat().st_mode & 0o7777 == 0o700
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o7777 == 0o600
    (entry,), doubts = registry.read()
    assert (entry.program, entry.loaded_ns, entry.owner.run_dir, doubts) == (7, 1234, "/run/a", [])
    assert owners.is_this_process(entry.owner)


def test_an_entry_of_another_boot_is_stale(folder: Path) -> None:
    other_ = msgspec.structs.replace(made(), boot="3b0a9b3c-0000-0000-0000-000000000000")
    registry.write(other_)
    assert registry.read() == ([], [])


def test_entries_of_all_namespaces_are_read(folder: Path) -> None:
    """An interface takes its program along into another one."""
    entry = made()
    for device, inode in ((0, 1), (1, 0)):
        other_ = msgspec.structs.replace(entry, namespace=(entry.namespace[0] + device, entry.namespace[1] + inode))
        registry.write(other_)
        assert registry.read() == ([other_], [])
        assert not other_.is_of_this_namespace
        registry.forget(other_)


NO_MORE, UNKNOWN, LOADED = 0, None, 1234


@pytest.mark.parametrize(
    ("loaded", "idle", "stays"),
    [
        (NO_MORE, set(), False),
        (NO_MORE, {(3, "eth0")}, False),
        (LOADED + 1, set(), False),  # another program has the id now
        (LOADED, set(), True),
        (LOADED, {(3, "eth0")}, True),  # an interface with the same name and index, made when ours had moved
        (UNKNOWN, set(), True),
        (UNKNOWN, {(3, "eth1")}, True),
        (UNKNOWN, {(3, "eth0")}, False),
    ],
)
def test_a_program_may_run_on_in_another_namespace(
    folder: Path, loaded: int | None, idle: set[tuple[int, str]], stays: bool
) -> None:
    """Its entry stays while it lives, or may live where that cannot be asked; of a living server it stays anyway."""
    registry.write(made())
    registry.tidy(set(), idle, lambda program: loaded)
    assert bool(registry.read()[0]) is stays
    if stays:
        registry.tidy({7}, {(3, "eth0")}, lambda program: NO_MORE)
        assert registry.read()[0]


def test_one_entry_is_enough_to_know_a_program_by(folder: Path) -> None:
    """An interface that is made anew all day leaves no heap of entries."""
    for ifindex in range(3, 9):
        registry.write(made(ifindex=ifindex))
        registry.merge(7, {1, ifindex})
    assert [one.ifindex for one in registry.read()[0]] == [8]
    for ifindex in range(3, 8):
        registry.write(made(ifindex=ifindex))
    registry.tidy(set(), set(), lambda program: UNKNOWN)
    assert len(registry.read()[0]) == 1
    registry.tidy(set(), set(), lambda program: NO_MORE)
    assert not folder.exists()


@pytest.mark.parametrize(
    "damage", ["empty", "cut", "no json", "other keys", "other name", "huge", "link", "fifo", "folder"]
)
def test_a_damaged_entry_is_not_believed_and_told(folder: Path, damage: str, tmp_path: Path) -> None:
    registry.write(made())
    (file,) = folder.iterdir()
    text = file.read_bytes()
    if damage == "link":
        (tmp_path / "elsewhere").write_bytes(text)
        file.unlink()
        file.symlink_to(tmp_path / "elsewhere")
    elif damage in ("fifo", "folder"):
        file.unlink()
        os.mkfifo(file) if damage == "fifo" else file.mkdir()
    elif damage == "other name":
        file.rename(folder / "4-1-3-8.json")
    else:
        broken = {
            "empty": b"",
            "cut": text[:-9],
            "no json": b"\xff\0",
            "other keys": text[:-1] + b',"more":1}',
            "huge": text + b" " * 100_000,
        }
        file.write_bytes(broken[damage])
    entries, doubts = registry.read()
    assert entries == []
    assert len(doubts) == 1


def test_what_others_can_have_written_is_not_believed(folder: Path) -> None:
    registry.write(made())
    (file,) = folder.iterdir()
    file.chmod(0o622)
    assert "others than root can have written it" in registry.read()[1][0]
    file.chmod(0o600)
    folder.chmod(0o777)
    assert registry.read()[0] == []
    with pytest.raises(DatapathError, match="can be written by others than root"):
        registry.write(made(8))
    folder.chmod(0o755)  # as systemd makes it
    registry.write(made(8))
    assert folder.stat().st_mode & 0o7777 == 0o700


def test_an_owner_lives_until_its_end(folder: Path, other: "subprocess.Popen[str]") -> None:
    owner = owner_of(other)
    assert owners.lives(owner, folder)
    reused = Owner(os.getpid(), owner.started + 1)
    assert not owners.lives(reused, folder)  # the number is somebody else's now
    entry = made(owner=owner)
    registry.write(entry)
    registry.tidy(set(), set(), lambda program: 0)
    assert registry.read()[0] == [entry]
    other.kill()
    other.wait()
    assert not owners.lives(owner, folder)
    registry.tidy({7}, set(), lambda program: 0)  # it still runs
    assert registry.read()[0] == [entry]
    registry.tidy(set(), set(), lambda program: 0)
    assert not folder.exists()


def test_a_lock_that_a_neighbour_removed_is_made_anew(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    owner = owners.this_process()
    first = Lock(folder, owner)
    (folder / owner.lock).unlink()
    second = Lock(folder, owner)
    assert (folder / owner.lock).exists()
    second.close()
    assert not (folder / owner.lock).exists()
    first.close()
