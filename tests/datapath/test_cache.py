# SPDX-License-Identifier: GPL-3.0-or-later
"""The kept program is used only as root alone has written it; whatever else lies there is compiled anew."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import msgspec
import pytest

from appliance.datapath import cache, headers, obtain, source
from appliance.datapath.cache import Entry
from appliance.datapath.program import Code, Program
from appliance.errors import DatapathError

pytestmark = pytest.mark.datapath

NOBODY: Final = 65534
KEY: Final = cache.key("sources")
KEPT: Final = Program("GPL", 1, {}, {"dns": Code(bytes(range(64)), [], [])})
Damage = Callable[[Path], object]


def entry(key: str = KEY, **changes: str | int) -> Entry:
    return msgspec.structs.replace(
        Entry(cache.FORMAT, key, os.uname().machine, source.compiler_version(), os.uname().release, KEPT), **changes
    )


@pytest.fixture
def folder(unique_name: Callable[[], str]) -> Iterator[Path]:
    """Yield a folder that is root's up to the top."""
    made = Path("/run") / unique_name()
    made.mkdir(mode=0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def keep(folder: Path, kept: Entry) -> Path:
    with cache.opened(folder, make=True) as opened:
        cache.write(opened, kept)
    return folder / f"{kept.source}.program"


def read(folder: Path, key: str = KEY) -> Entry:
    with cache.opened(folder, make=False) as opened:
        return cache.read(opened, key)


def flip(path: Path, at: int) -> None:
    octets = bytearray(path.read_bytes())
    octets[at] ^= 1 << at % 8
    path.write_bytes(octets)


def become_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def become(path: Path, make: Callable[[Path], object]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


def hold(path: Path, **changes: str | int) -> None:
    path.write_bytes(cache.encoded(msgspec.structs.replace(entry(), **changes)))


DAMAGES: Final[dict[str, tuple[Damage, str]]] = {
    "gone": (Path.unlink, "no program is kept"),
    "foreign": (lambda path: os.chown(path, NOBODY, NOBODY), "belongs to user 65534, not to root"),
    "group writes": (lambda path: path.chmod(0o664), r"can be written by others than root \(mode 0664\)"),
    "all write": (lambda path: path.chmod(0o602), r"can be written by others"),
    "link": (become_link, "Too many levels of symbolic links"),
    "folder": (lambda path: become(path, Path.mkdir), "is no file"),
    "pipe": (lambda path: become(path, os.mkfifo), "is no file"),
    "empty": (lambda path: path.write_bytes(b""), "is damaged"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "is damaged"),
    "no program": (lambda path: path.write_bytes(cache.MAGIC), "is damaged"),
    "other format": (lambda path: hold(path, format=cache.FORMAT + 1), "of other sources"),
    "other sources": (lambda path: hold(path, source=cache.key("others")), "of other sources"),
    "other machine": (lambda path: hold(path, machine="riscv64"), "of other sources"),
}
PARENTS: Final[dict[str, tuple[Damage, str]]] = {
    "foreign": (lambda path: os.chown(path, NOBODY, -1), "belongs to user 65534, not to root"),
    "group writes": (lambda path: path.chmod(0o775), r"can be written by others than root \(mode 0775\)"),
    "all write": (lambda path: path.chmod(0o757), "can be written by others"),
    "sticky": (lambda path: path.chmod(0o1777), r"can be written by others than root \(mode 1777\)"),
    "link": (become_link, "Not a directory|Too many levels"),
    "file": (lambda path: become(path, Path.touch), "Not a directory"),
}


def test_what_was_kept_is_read_again(folder: Path) -> None:
    """The same, readable by all, written by root."""
    kept = entry()
    path = keep(folder / "made" / "on the way", kept)
    assert read(folder / "made" / "on the way") == kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert {stat.S_IMODE(above.stat().st_mode) for above in (path.parent, path.parent.parent)} == {0o755}
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_not_as_it_was_written_is_not_used(folder: Path, damage: str) -> None:
    change, reason = DAMAGES[damage]
    path = keep(folder, entry())
    change(path)
    with pytest.raises(DatapathError, match=reason):
        read(folder)


def test_no_octet_of_a_file_may_differ(folder: Path) -> None:
    """Each one in turn, and each length."""
    path = keep(folder, entry())
    whole = path.read_bytes()
    for at in range(len(whole)):
        flip(path, at)
        with pytest.raises(DatapathError, match="is damaged"):
            read(folder)
        path.write_bytes(whole[:at])
        with pytest.raises(DatapathError, match="is damaged"):
            read(folder)
        path.write_bytes(whole)
    assert read(folder) == entry()


@pytest.mark.parametrize("damage", PARENTS)
@pytest.mark.parametrize("above", [0, 1, 2])
def test_every_folder_on_the_way_is_roots_alone(folder: Path, above: int, damage: str) -> None:
    change, reason = PARENTS[damage]
    place = folder / "a" / "b"
    keep(place, entry())
    wrong = [place, place.parent, folder][above]
    change(wrong)
    try:
        for make in (False, True):
            with pytest.raises(DatapathError, match=reason), cache.opened(place, make=make):
                pass
    finally:
        if wrong == folder:
            if folder.is_symlink() or folder.is_file():
                folder.unlink()
                shutil.rmtree(folder.with_name("elsewhere"), ignore_errors=True)
                folder.mkdir()
            os.chown(folder, 0, 0)


@pytest.mark.parametrize("place", ["/tmp/programs", "programs", "/run/../tmp/programs", "/run/x/.."])
def test_places_that_are_never_taken(place: str) -> None:
    """A folder that everyone may write to, sticky or not, and what depends on where the process is."""
    with pytest.raises(DatapathError), cache.opened(Path(place), make=True):
        pass


@pytest.mark.parametrize(
    ("change", "doubt"),
    [({"kernel": "6.1.0-0-old"}, "of Linux 6.1.0-0-old, not"), ({"compiler": "0.1"}, "of bcc 0.1, not")],
    ids=["kernel", "compiler"],
)
def test_another_kernel_or_compiler_is_a_doubt(
    folder: Path, change: dict[str, str], doubt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compiled anew where it can be. Where nothing is known of a compiler, what one made is all there is."""
    keep(folder, msgspec.structs.replace(entry(), **change))
    with cache.opened(folder, make=False) as opened:
        kept, told = obtain._kept(opened, KEY, os.uname().release)
        assert kept is not None
        assert doubt in told
        mine = entry()
        keep(folder, mine)
        assert obtain._kept(opened, KEY, os.uname().release) == (mine, "")
        monkeypatch.setattr("sys.path", [])
        assert obtain._kept(opened, KEY, os.uname().release) == (mine, "")


def test_versions_lie_side_by_side(folder: Path) -> None:
    """An upgrade and the way back: both find their own; the oldest of many goes, and what a killed writer left."""
    keys = [cache.key(str(number)) for number in range(cache.KEPT + 2)]
    for age, key in enumerate(keys):
        os.utime(keep(folder, entry(key)), (age, age))
    (folder / ".new-0123").write_bytes(b"half")
    assert {read(folder, key).source for key in keys} == set(keys)
    with cache.opened(folder, make=False) as opened, cache.locked(opened):
        cache.tidy(opened)
    assert {path.stem for path in folder.iterdir()} == {*keys[2:], "lock"}
    assert read(folder, keys[-1]) == entry(keys[-1])


def test_each_source_decides_over_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change to any header of the program makes another one of it."""
    copy = tmp_path / "ebpf"
    shutil.copytree(source.folder(), copy)
    monkeypatch.setattr(source, "folder", lambda: copy)
    keys = {cache.key(source.whole())}
    flattened = source.flatten()
    used = [path for path in copy.iterdir() if path.read_text().strip().splitlines()[-1] in flattened]
    used = [path for path in used if path.name != "generator.c"]
    assert len(used) >= 15
    for number, path in enumerate(used):
        path.write_text(f"{path.read_text()}/* {number} */\n")
        keys.add(cache.key(source.whole()))
    assert len(keys) == len(used) + 1


def test_only_one_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one waits, not for ever; nobody but root can hold it up."""
    monkeypatch.setattr(cache, "LOCK_S", 0.2)
    with cache.opened(folder, make=False) as opened:
        with cache.locked(opened):
            with pytest.raises(DatapathError, match="another loader has held the lock"), cache.locked(opened):
                pass
            assert stat.S_IMODE((folder / "lock").stat().st_mode) == 0o600
        with cache.locked(opened):
            pass


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_takes_nothing(folder: Path, how: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A warning says that each start compiles; nothing half is left."""
    options = "size=4k,mode=755" + (",ro" if how == "read-only" else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
    try:
        with cache.opened(folder, make=True) as opened:
            for _ in range(2):
                obtain._keep(opened, KEY, "", msgspec.structs.replace(KEPT, licence="x" * 10_000))
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", folder], check=True)
    said = capfd.readouterr().err
    cause = "No space left on device" if how == "full" else "Read-only file system"
    assert said.count("appliance loader: warning: the compiled program is not kept in ") == 2
    assert said.count(cause) == 2


def test_headers_for_the_compiler_are_roots_too(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is compiled with them is trusted: nobody else may lay them out."""
    for part in ("common", "amd64/include", "amd64/arch"):
        (tmp_path / f"linux-headers-6.1.0-1-{part}").mkdir(parents=True)
    monkeypatch.setattr(headers, "SOURCES", tmp_path)
    monkeypatch.setattr(cache, "DEFAULT", folder / "programs")
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release="none"))
    for variable in ("XDG_CACHE_HOME", "BCC_KERNEL_SOURCE"):
        monkeypatch.delenv(variable, raising=False)
    tree = headers.kernel_source()
    assert tree == folder / "programs" / "kernel-headers" / "linux-headers-6.1.0-1-amd64"
    os.chown(folder / "programs", NOBODY, NOBODY)
    with pytest.raises(
        DatapathError, match=r"root alone may write, but .*/programs belongs to user 65534, not to root"
    ):
        headers.kernel_source()


def test_another_user_reads_and_does_not_write(folder: Path) -> None:
    """A loader with few rights uses what root has kept."""
    keep(folder, entry())
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            with cache.opened(folder, make=True) as opened:
                assert cache.read(opened, KEY) == entry()
                with pytest.raises(DatapathError, match="Permission denied"):
                    cache.write(opened, entry())
                with pytest.raises(DatapathError, match="Permission denied"), cache.locked(opened):
                    pass
            with pytest.raises(DatapathError, match="Permission denied"), cache.opened(folder / "below", make=True):
                pass
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.program"]
