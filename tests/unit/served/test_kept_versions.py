# SPDX-License-Identifier: GPL-3.0-or-later
"""The kept version is what was really read: whatever stamps say, no difference is applied to another base.

And it is what a zone is served from at a start when its file is missing or broken.
"""

import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dns.rdatatype
import dns.zone
import pytest

from appliance.errors import ZoneError
from appliance.served import stamps
from appliance.served.file_source import FileSource
from appliance.served.source import Rules
from appliance.state import versions
from appliance.state.database import Database
from appliance.zone import names
from tests.harness.served import Served, configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

HOSTS = 1500
PADDED = 4200
"""Hosts with which a file has more than a mebibyte."""
PAD = "x" * 250


def text(serial: int, changed: tuple[int, ...] = (), hosts: int = HOSTS, pad: str = "") -> str:
    """Return a version, as long as any other: some hosts have another address."""
    lines = [f"h{at} A 192.0.2.{8 if at in changed else 7}\n" for at in range(hosts)]
    return zone_text(serial, 2) + "".join(line + f"h{at} TXT {pad}\n" * bool(pad) for at, line in enumerate(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", "other."))
    (tmp_path / "other.zone").write_text(zone_text())
    return tmp_path


def kept_serial(folder: Path, zone: str = "example.") -> int | None:
    with Database(folder / "state").transaction() as db:
        found = versions.find(db, names.from_text(zone))
    return found.serial if found else None


def until_kept(folder: Path, serial: int) -> None:
    until(lambda: kept_serial(folder) == serial and kept_serial(folder, "other.") is not None)


def addresses(server: Served, hosts: int) -> str:
    """Return the last digits of the first hosts' addresses."""
    return "".join(server.address(f"h{at}.example.")[-1] for at in range(hosts))


def touched(path: Path, content: str) -> None:
    """Edit in place, and give the file its old time back."""
    before = path.stat()
    path.write_text(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def copied(path: Path, content: str) -> None:
    """Copy over the file, with times, as `cp -p` does."""
    other = path.with_name("other")
    other.write_text(content)
    shutil.copystat(path, other)
    shutil.copyfile(other, path)
    shutil.copystat(other, path)


def replaced(path: Path, content: str) -> None:
    """Rename another file over it, with its time, as `rsync -t` does."""
    other = path.with_name("other")
    other.write_text(content)
    shutil.copystat(path, other)
    other.replace(path)


def plainly(path: Path, content: str) -> None:
    """Write over what is there."""
    path.write_text(content)


EDITS: dict[str, Callable[[Path, str], None]] = {
    "touch -r": touched,
    "cp -p": copied,
    "rsync -t": replaced,
    "plain": plainly,
}


@pytest.mark.parametrize("how", EDITS)
@pytest.mark.parametrize("named", [True, False])
def test_an_edit_that_keeps_the_time(folder: Path, how: str, named: bool) -> None:
    """Each version is served whole; the second one changes hosts back that only the first one had changed."""
    path = folder / "example.zone"
    path.write_text(text(1))
    with serving(folder) as server:
        until_kept(folder, 1)
        for serial, changed in ((2, (0, 1, 2)), (3, (3,)), (4, (0, 3, 4))):
            EDITS[how](path, text(serial, changed))
            (told,) = server.ask("reload", **({"zone": "example."} if named else {}))["zones"]
            assert "the same records" not in told["outcome"]
            assert told["outcome"].startswith(f"serial {serial - 1} replaced by {serial}")
            assert addresses(server, 6) == "".join("8" if at in changed else "7" for at in range(6))
            assert kept_serial(folder) == serial


@pytest.mark.parametrize(("hosts", "pad"), [(HOSTS, ""), (PADDED, PAD)], ids=["text", "listing"])
def test_an_edit_that_no_stamp_tells(folder: Path, hosts: int, pad: str) -> None:
    """Even where a stamp never changes, a zone that is reloaded by name is what is in its file, from any base."""
    # The server runs with a module that takes every file's stamp for the same one.
    (folder / "sitecustomize.py").write_text(
        "import appliance.served.stamps as stamps\n"
        "stamps._of = lambda status: stamps._STAMP.pack(1, status.st_size, 1, 1)\n"
    )
    path = folder / "example.zone"
    path.write_text(text(1, (), hosts, pad))
    with serving(folder, PYTHONPATH=str(folder)) as server:
        until_kept(folder, 1)
        for serial, changed in ((2, (0, 1, 2)), (3, (3,)), (4, (0, 3, 4))):
            path.write_text(text(serial, changed, hosts, pad))
            (told,) = server.ask("reload", zone="example.")["zones"]
            assert told["outcome"].startswith(f"serial {serial - 1} replaced by {serial}:")
            assert addresses(server, 6) == "".join("8" if at in changed else "7" for at in range(6))
            assert kept_serial(folder) == serial
        assert server.ask("reload")["zones"] == []
        (told,) = server.ask("reload", zone="example.")["zones"]
        assert told["outcome"] == "serial 4 replaced by 4, the same records"


@pytest.mark.netns
def test_a_write_through_a_mapping(tmp_path: Path) -> None:
    """A page that was written to before moves no time: a reload of all does not see it, one by name reads it."""
    zones = tmp_path / "zones"
    zones.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(zones)], check=True)
    try:
        (tmp_path / "appliance.toml").write_text(configuration("example.").replace('"example.zone"', '"zones/a"'))
        (zones / "a").write_text(zone_text(1, 2))
        with serving(tmp_path) as server, (zones / "a").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            mapped[:] = zone_text(1, 2).encode()
            time.sleep(0.1)  # the age from which on a stamp is believed, which nothing tells
            assert server.ask("reload")["zones"] == []
            mapped[:] = zone_text(2, 7).encode()
            assert server.ask("reload")["zones"] == []
            assert server.address() == "192.0.2.2"
            (told,) = server.ask("reload", zone="example.")["zones"]
            assert told["outcome"].startswith("serial 1 replaced by 2")
            assert server.address() == "192.0.2.7"
    finally:
        subprocess.run(["umount", str(zones)], check=True)


def test_a_difference_is_applied_to_its_base_only(folder: Path) -> None:
    """What is kept is another version than what is served, with the same serial: the change is compiled whole."""
    path = folder / "example.zone"
    path.write_text(text(1, (0,)))
    with serving(folder) as server:
        until_kept(folder, 1)
    before = (folder / "state" / "state.db").read_bytes()
    path.write_text(text(1, (1,)))
    with serving(folder) as server:
        until(lambda: (folder / "state" / "state.db").read_bytes() != before)
        server.command("stop")
    (folder / "state" / "state.db").write_bytes(before)  # as of a snapshot
    with serving(folder) as server:
        path.write_text(text(2, (2,)))
        server.ask("reload")
        assert addresses(server, 4) == "7787"


LOST: dict[str, Callable[[Path], Any]] = {
    "gone": Path.unlink,
    "broken": lambda path: path.write_text("@ SOA\n"),
    "empty": lambda path: path.write_text(""),
    "loop": lambda path: _instead(path, lambda: path.symlink_to(path.name)),
    "folder": lambda path: _instead(path, path.mkdir),
}


def _instead(path: Path, make: Callable[[], None]) -> None:
    path.unlink()
    make()


@pytest.mark.parametrize(
    ("how", "hosts", "image"),
    [*((how, 0, True) for how in LOST), ("gone", 0, False), ("gone", PADDED, True), ("broken", PADDED, False)],
)
def test_a_start_without_the_file(folder: Path, how: str, hosts: int, image: bool) -> None:
    pad = PAD if hosts else ""
    path = folder / "example.zone"
    good = text(2, (1,), hosts, pad)
    path.write_text(text(1, (), hosts, pad))
    with serving(folder) as server:
        until_kept(folder, 1)
        path.write_text(good)
        server.ask("reload")
    LOST[how](path)
    if not image:
        (folder / "state" / "store.image").unlink()
    for _ in range(2):
        with serving(folder) as server:
            assert server.address() == "192.0.2.2"
            assert server.query("example.", "SOA").answer[0][0].serial == 2
            if hosts:
                assert addresses(server, 3) == "787"
            (problem,) = server.ask("status")["problems"]
            assert problem.startswith("zone example.: ")
            assert "serial 2 is served as it was kept" in problem
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    path.write_text(good)
    with serving(folder) as server:
        assert server.ask("status")["healthy"]


def test_what_is_kept_is_all_of_the_zone(folder: Path) -> None:
    """A zone of many types and odd names comes back with the same records."""
    odd = (
        zone_text()
        + 'MiXed 77 TXT "a" "b"\n\\000\\255x A 192.0.2.3\n*.w MX 10 ns\nlong TXT '
        + f'"{"y" * 255}" ' * 20
        + "\nunknown TYPE65280 \\# 3 010203\nsub NS ns.sub\nns.sub AAAA 2001:db8::1\n"
    )
    (folder / "more").write_text("more A 192.0.2.9\n")
    (folder / "example.zone").write_text(odd + "$INCLUDE more\n")
    expected = dns.zone.from_text(odd + "more A 192.0.2.9\n", "example.", relativize=False)
    with serving(folder):
        until_kept(folder, 1)
    (folder / "more").unlink()
    with serving(folder) as server:
        for name, rdataset in expected.iterate_rdatasets():
            if "sub" in name.to_text() or "*" in name.to_text() or rdataset.rdtype == dns.rdatatype.DNAME:
                continue
            reply = server.query(name.to_text(), dns.rdatatype.to_text(rdataset.rdtype), tcp=True)
            assert reply.answer[0].to_rdataset() == rdataset
            assert reply.answer[0].ttl == rdataset.ttl


def test_a_zone_that_never_was_good_answers_servfail(folder: Path) -> None:
    (folder / "example.zone").write_text("@ SOA\n")
    with serving(folder) as server:
        assert server.address() == "SERVFAIL"
        assert server.address("www.other.") == "192.0.2.2"


def test_a_stamp_tells_every_write(tmp_path: Path) -> None:
    """Also those that leave time, size and inode as they were."""
    path = tmp_path / "zone"
    path.write_text("a")
    for edit in (touched, copied):
        before = stamps.of_file(str(path))
        until(partial(_is_settled, before))
        edit(path, "b")
        assert stamps.of_file(str(path)) != before


def _is_settled(stamp: bytes | None) -> bool:
    return stamps.is_settled(stamp, time.time_ns())


def test_what_is_stamped_for_many_zones_is_the_text_that_was_read(tmp_path: Path) -> None:
    """Also where the file is another one by the time that it is compiled, and its stamp does not tell."""
    path = tmp_path / "zone"
    path.write_text(zone_text(1))
    source = FileSource(names.from_text("example."), str(path), Rules())
    source.stamp = stamps.of_file(str(path))
    assert source.made_from(zone_text(1).encode(), source.origin).serial == 1
    path.write_text(zone_text(2))
    source.stamp = stamps.of_file(str(path))
    with pytest.raises(ZoneError, match="changed while it was read"):
        source.made_from(zone_text(1).encode(), source.origin)
