# SPDX-License-Identifier: GPL-3.0-or-later
"""What $INCLUDE may name: only regular files below allowed folders, whatever leads there; their lines stay in them."""

import os
import threading
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import TextIO

import pytest

from appliance.errors import ZoneError
from appliance.zone import names
from appliance.zone.check import check_zone
from appliance.zone.load import load_zone
from appliance.zone.master.files import Batch
from appliance.zone.master.opening import KEY, Opener
from appliance.zone.master.scanner import scan_file
from appliance.zone.master.source import Source

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("example.")
APEX = "@ 3600 SOA ns.other. host.other. 7 7200 900 90000 300\n@ 3600 NS ns.other.\n"
SECRET = "root:$y$j9T$secret:19000:0:99999:7:::"


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    """Return the folder of a zone file beside which there is another folder, with a secret and a part of a zone."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "shadow").write_text(SECRET + "\n")
    (tmp_path / "outside" / "part").write_text("www 60 A 192.0.2.1\n")
    folder = tmp_path / "zones"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "part").write_text("www 60 A 192.0.2.1\n")
    return folder


def reasons(folder: Path, named: str, below: tuple[str, ...] = ()) -> list[str]:
    """Return what is said about a zone that includes a file; load, check and scan say the same."""
    path = folder / "zone"
    path.write_text(f'{APEX}$INCLUDE "{named}"\n')
    found = [finding for finding in scan_file(path, ORIGIN, below=below).findings if finding.severity == "error"]
    assert [one for one in check_zone(path, ORIGIN, below=below) if one.severity == "error"] == found
    if found:
        with pytest.raises(ZoneError) as caught:
            load_zone(path, ORIGIN, below=below)
        assert [one for one in caught.value.findings if one.severity == "error"] == found
    else:
        assert load_zone(path, ORIGIN, below=below).nodes[names.from_text("www", ORIGIN)]
    assert SECRET[:12] not in str(found)
    assert all((one.file, one.line) == (str(path), 3) for one in found)
    return [one.reason for one in found]


def link(folder: Path) -> str:
    (folder / "link").symlink_to("../outside/shadow")
    return "link"


def linked_folder(folder: Path) -> str:
    (folder / "elsewhere").symlink_to(folder.parent / "outside", target_is_directory=True)
    return "elsewhere/shadow"


def link_of_link(folder: Path) -> str:
    (folder / "first").symlink_to("second")
    return link_to(folder, "second")


def link_to(folder: Path, name: str) -> str:
    (folder / name).symlink_to(folder.parent / "outside" / "shadow")
    return "first"


def open_descriptor(folder: Path) -> str:
    held.append((folder.parent / "outside" / "shadow").open())
    return f"/proc/self/fd/{held[-1].fileno()}"


def beside(folder: Path) -> str:
    other = folder.with_name(folder.name + "2")
    other.mkdir()
    (other / "shadow").write_text(SECRET)
    return f"../{other.name}/shadow"


held: list[TextIO] = []

WAYS_OUT: dict[str, Callable[[Path], str]] = {
    "absolute": lambda folder: str(folder.parent / "outside" / "shadow"),
    "up": lambda folder: "../outside/shadow",
    "down and up": lambda folder: "deep/../../outside/shadow",
    "link": link,
    "linked folder": linked_folder,
    "link of a link": link_of_link,
    "an open file": open_descriptor,
    "the root of the process": lambda folder: f"/proc/self/root{folder.parent}/outside/shadow",
    "a folder whose name begins the same": beside,
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way_leads_out(zones: Path, way: str) -> None:
    [reason] = reasons(zones, WAYS_OUT[way](zones))
    assert f"is not below {zones}: $INCLUDE reads from there only; {KEY} allows other folders" in reason


@pytest.mark.parametrize("named", ["deep/part", "./deep/../deep/part", "deep/link", "linked/part", "ABSOLUTE"])
def test_links_within_the_folder_are_followed(zones: Path, named: str) -> None:
    (zones / "deep" / "link").symlink_to(zones / "deep" / "part")
    (zones / "linked").symlink_to("deep")
    assert not reasons(zones, str(zones / "deep" / "part") if named == "ABSOLUTE" else named)


def test_the_folder_itself_may_be_a_link(zones: Path) -> None:
    (zones.parent / "current").symlink_to("zones")
    assert not reasons(zones.parent / "current", "deep/part")


def test_other_folders_are_allowed_by_name(zones: Path) -> None:
    outside = zones.parent / "outside"
    assert not reasons(zones, "../outside/part", (str(outside),))
    assert not reasons(zones, "deep/part", (str(outside), str(zones)))
    (zones.parent / "named").symlink_to("outside")
    assert not reasons(zones, "../outside/part", (str(zones.parent / "named"),))
    [reason] = reasons(zones, "deep/part", (str(outside),))
    assert f"is not below {outside}:" in reason
    [reason] = reasons(zones, "deep/part", (str(zones.parent / "none"),))
    assert "is not below any folder that there is" in reason


def test_a_link_that_changes_meanwhile_leads_nowhere_else(zones: Path) -> None:
    """The file that is read is the one that was asked about, not what its path leads to a moment later."""
    path = zones / "swapped"
    path.symlink_to("deep/part")
    opener = Opener()
    with opener.zone_file(zones / "deep" / "part"), opener.included(zones / "deep" / "part") as file:
        (zones / "deep" / "part").unlink()
        (zones / "deep" / "part").symlink_to("../../outside/shadow")
        assert file.read() == b"www 60 A 192.0.2.1\n"
    opener.close()
    again = Opener()
    (zones / "a").write_text("")
    with again.zone_file(zones / "a"):
        zones.rename(zones.with_name("moved"))
        zones.symlink_to("outside")  # the folder of the zone file is what it was when that was opened
        with pytest.raises(ZoneError, match="is not below"), again.included(zones / "shadow"):
            pass
    again.close()


def test_lines_of_included_files_are_not_quoted(zones: Path) -> None:
    for number, line in enumerate(
        (SECRET, "$ORIGIN se..cret", "$secret stuff", "$INCLUDE deep/x se..cret", "( secret")
    ):
        (zones / "odd").write_text(f"{line}\n")
        (zones / "zone").write_text(f"{APEX}$INCLUDE odd\n")
        found = scan_file(zones / "zone", ORIGIN).findings
        assert [(one.file, one.line) for one in found] == [(str(zones / "odd"), 1)], number
        assert "cret" not in found[0].reason, number


def test_lines_of_the_zone_file_itself_are_quoted(zones: Path) -> None:
    (zones / "zone").write_text("what is this\n")
    assert "what is this" in scan_file(zones / "zone", ORIGIN).findings[0].reason


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "odd")


def nowhere(folder: Path) -> None:
    (folder / "odd").symlink_to("odd")


def large(folder: Path) -> None:
    with (folder / "odd").open("wb") as file:
        file.truncate(1 << 40)


ODD = {
    "pipe": (fifo, "not a regular file"),
    "folder": (lambda folder: (folder / "odd").mkdir(), "not a regular file"),
    "loop of links": (nowhere, "its links lead in a circle"),
    "nothing": (lambda folder: None, "No such file or directory"),
    "long name": (lambda folder: None, "File name too long"),
    "terabyte of zeros": (large, "no record ends within"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("way", ["zone file", "included", "batch"])
def test_odd_files_are_told_and_nothing_waits(zones: Path, kind: str, way: str) -> None:
    make, expected = ODD[kind]
    make(zones)
    name = "odd" * 100 if kind == "long name" else "odd"
    if way == "included":
        (zones / "zone").write_text(f"{APEX}$INCLUDE {name}\n")
    if way == "batch":
        batch = Batch(100, 1)
        batch.add(os.fsencode(zones / name), b"", b"")
        batch.run()
        assert batch.take(0) is None
        return
    path = zones / (name if way == "zone file" else "zone")
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(map(str, scan_file(path, ORIGIN).findings)), daemon=True)
    thread.start()
    thread.join(120)
    assert not thread.is_alive()
    assert any(expected in one for one in found), found


def test_devices_and_names_with_a_nul(zones: Path) -> None:
    for path in (Path("/dev/zero"), Path("/dev/stdin"), zones / "a\0b"):
        [finding] = scan_file(path, ORIGIN).findings
        assert finding.line == 0
    (zones / "zone").write_text(f"{APEX}$INCLUDE /dev/zero\n$INCLUDE /dev/tty\n")
    assert [one.line for one in scan_file(zones / "zone", ORIGIN, below=("/",)).findings] == [3, 4]


def test_a_file_that_has_its_reader_wait_is_refused() -> None:
    """Such as /proc/kmsg, which is a regular file by its type."""
    with FileIO(os.eventfd(0, os.EFD_NONBLOCK)) as file, pytest.raises(BlockingIOError):
        Source(file).read()


def test_no_descriptor_is_left(zones: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for named in ("deep/part", "../outside/shadow", "zone", "none"):
        (zones / "zone").write_text(f"$INCLUDE {named}\n" * 30)
        scan_file(zones / "zone", ORIGIN)
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208


def test_a_loop_after_an_unreadable_file_is_still_seen(zones: Path) -> None:
    """What keeps one file from being read does not count as a level of $INCLUDE."""
    (zones / "zone").write_text(APEX + "$INCLUDE none\n" * 20 + "$INCLUDE deep/part\n$INCLUDE zone\n")
    found = [one.reason for one in scan_file(zones / "zone", ORIGIN).findings]
    assert len(found) == 21
    assert found[-1] == f"{zones / 'zone'}: includes itself"


def test_lines_behind_a_link_are_not_quoted(tmp_path: Path) -> None:
    """Whoever may make a link in a folder of zones would read what it leads to in messages."""
    secret, zones = tmp_path / "secret", tmp_path / "zones"
    secret.write_text("root:$6$SECRET:19000::::\n")
    zones.mkdir()
    for name, lead in (("evil.zone", secret), ("home.zone", zones / "real.zone")):
        (zones / name).symlink_to(lead)
    (zones / "real.zone").write_text("root:$6$MINE:19000::::\n")
    for name, quoted in (("evil.zone", False), ("home.zone", True)):
        said = "".join(str(one) for one in scan_file(zones / name, ORIGIN).findings)
        assert said
        assert ("$6$" in said) is quoted
