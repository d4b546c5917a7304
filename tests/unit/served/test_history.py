# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server keeps of the versions it serves: after reloads, restarts, in many zones, and where it cannot."""

import os
import signal
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from appliance.state import journal, versions
from appliance.state.database import DAMAGED, FILE, Database
from appliance.state.versions import FOLDER
from appliance.zone import names
from tests.harness.served import Served, configuration, decoded, serving, until, zone_text

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("example.")
HOSTS = 1500
PADDED = 8000
"""Hosts with which a file has more than a mebibyte."""
WRITTEN = count()
"""How many files were written: no two of them have the same time."""
Steps = list[tuple[int, int, int, int]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", "other."))
    put(tmp_path, "other.", zone_text())
    return tmp_path


def put(folder: Path, zone: str, text: str) -> None:
    """Put a file in place that is old enough for its stamp to tell when it changes."""
    draft = folder / "draft"
    draft.write_text(text)
    long_ago = time.time() - 3600 + next(WRITTEN)
    os.utime(draft, (long_ago, long_ago))
    draft.replace(folder / f"{zone}zone")


def text(serial: int, hosts: int = 0, changed: int = 0, pad: str = "") -> str:
    """Return a version: so many hosts, of which the first ones have another address."""
    lines = [f"h{number} A 192.0.2.{7 if number >= changed else 8}\n" for number in range(hosts)]
    return zone_text(serial, 2) + "".join(line + f"h{at} TXT {pad}\n" * bool(pad) for at, line in enumerate(lines))


def stored(folder: Path) -> dict[bytes, int]:
    """Return the serials of the kept versions."""
    with Database(folder / "state").transaction() as db:
        return dict(db.execute("SELECT origin, serial FROM zones"))


def until_stored(folder: Path, serial: int) -> None:
    """Wait until that version is kept."""
    until(lambda: stored(folder)[ORIGIN] == serial)


def steps(server: Served, zone: str = "example.") -> Steps:
    found = server.ask("journal", zone=zone)["steps"]
    return [tuple(one[key] for key in ("before", "after", "removed_records", "added_records")) for one in found]


def reload(server: Served) -> list[dict[str, Any]]:
    zones: list[dict[str, Any]] = server.ask("reload")["zones"]
    assert all(one["ok"] for one in zones), zones
    return zones


@pytest.mark.parametrize(
    ("hosts", "pad"), [(0, ""), (HOSTS, ""), (PADDED, "x" * 150)], ids=["small", "text", "listing"]
)
def test_each_reload_is_a_step(folder: Path, hosts: int, pad: str) -> None:
    """Also the first one, also after restarts with and without the image."""
    put(folder, "example.", text(1, hosts, pad=pad))
    serial = 1
    for image in (True, True, False):
        with serving(folder) as server:
            until(lambda: len(stored(folder)) == 2)
            until_stored(folder, serial)
            for _ in range(2):
                serial += 1
                put(folder, "example.", text(serial, hosts, serial, pad))
                told = reload(server)[0]
                changed = 2 if hosts else 1
                if serial == 2:
                    changed = 1 + 2 * bool(hosts)
                assert (told["removed"], told["added"]) == (changed, changed)
                assert server.query("example.", "SOA").answer[0][0].serial == serial
                if hosts:
                    assert server.address(f"h{serial - 1}.example.") == "192.0.2.8"
                    assert server.address(f"h{serial}.example.") == "192.0.2.7"
            found = steps(server)
            assert [step[:2] for step in found] == [(one, one + 1) for one in range(1, serial)]
            if hosts >= HOSTS:
                assert server.ask("stats")["store"]["changed_octets"] > 0  # by difference, not whole
        if not image:
            (folder / "state" / "store.image").unlink()
    assert [path.name for path in (folder / "state").glob("*.db*")] == [FILE]


def test_the_steps_lead_from_version_to_version(folder: Path) -> None:
    put(folder, "example.", text(1, HOSTS))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        for serial in range(2, 5):
            put(folder, "example.", text(serial, HOSTS + serial, 3 * serial))
            reload(server)
    with Database(folder / "state").transaction() as db:
        found = list(journal.since(db, ORIGIN, 2))
        assert len(found) == 2
        assert found[1][1].count(b"\x02h9\x07example\x00") == found[1][0].count(b"\x02h9\x07example\x00") == 1
        assert b"\x05h1503\x07example\x00" in found[1][1]


@pytest.mark.parametrize(("hosts", "pad"), [(0, ""), (PADDED, "x" * 150)], ids=["small", "large"])
def test_what_changes_while_no_server_runs_is_a_step_too(folder: Path, hosts: int, pad: str) -> None:
    put(folder, "example.", text(1, hosts, pad=pad))
    with serving(folder):
        until(lambda: len(stored(folder)) == 2)
    for image in (True, False):
        serial = stored(folder)[ORIGIN] + 1
        put(folder, "example.", text(serial, hosts, 5 if image else 3, pad))
        if not image:
            (folder / "state" / "store.image").unlink()
        with serving(folder) as server:
            until_stored(folder, serial)
            assert [step[:2] for step in steps(server)] == [(one, one + 1) for one in range(1, serial)]
    if hosts:
        assert len(list((folder / "state" / FOLDER).iterdir())) == 1


def test_the_command_shows_the_journal(folder: Path) -> None:
    put(folder, "example.", text(1))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        assert server.command("zone", "journal", "example.").stdout == "no step between versions of example. is kept\n"
        put(folder, "example.", text(2))
        reload(server)
        shown = server.command("zone", "journal", "EXAMPLE").stdout.splitlines()
        assert shown[1].split()[:4] == ["1", "2", "1", "1"]
        (step,) = decoded(server.command("zone", "journal", "example.", "--json"))["steps"]
        assert step["octets"] > 0
        done = server.command("zone", "journal", "nowhere.")
        assert (done.returncode, done.stderr) == (1, "appliance: zone nowhere. is not in the configuration\n")


def test_a_serial_that_is_not_newer_is_told(folder: Path) -> None:
    put(folder, "example.", text(5))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        put(folder, "example.", text(6))
        reload(server)
        put(folder, "example.", text(4))
        assert "4 is not newer than 6 (RFC 1982)" in reload(server)[0]["outcome"]
        assert "serial 4 is not newer than 6" in server.log()
        assert steps(server) == []
        put(folder, "example.", text(7))
        reload(server)
        assert [step[:2] for step in steps(server)] == [(4, 7)]


def test_the_same_records_are_no_change(folder: Path) -> None:
    put(folder, "example.", text(1, HOSTS))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        before = server.ask("stats")["store"]
        lines = text(1, HOSTS).splitlines(keepends=True)
        put(folder, "example.", "".join(lines[:2] + lines[:1:-1]))
        assert reload(server)[0]["outcome"] == "serial 1 replaced by 1, the same records"
        assert server.ask("stats")["store"] == before
        assert steps(server) == []
        assert server.command("reload").stdout == "no zone file has changed\n"


def test_included_files_are_part_of_a_version(folder: Path) -> None:
    put(folder, "example.", text(1) + "$INCLUDE more.zone\n")
    put(folder, "more.", "added A 192.0.2.1\n")
    with serving(folder):
        until(lambda: len(stored(folder)) == 2)
    put(folder, "more.", "added A 192.0.2.2\n")
    put(folder, "example.", text(2) + "$INCLUDE more.zone\n")
    with serving(folder) as server:
        until(lambda: stored(folder)[ORIGIN] == 2)
        assert steps(server) == [(1, 2, 2, 2)]


def test_zones_of_one_text_are_kept_once(folder: Path) -> None:
    zones = [f"z{number}.test." for number in range(30)]
    (folder / "appliance.toml").write_text(configuration("example.", "other.", *zones))
    for zone in ("example.", *zones):
        put(folder, zone, zone_text())
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 32)
        with Database(folder / "state").transaction() as db:
            assert db.execute("SELECT count(*) FROM texts").fetchone() == (1,)
        put(folder, "z7.test.", zone_text(2, 9))
        reload(server)
        assert steps(server, "z7.test.") == [(1, 2, 2, 2)]
        assert steps(server, "z8.test.") == []
    (folder / "appliance.toml").write_text(configuration("example.", "z7.test."))
    with serving(folder):
        until(lambda: len(stored(folder)) == 2)
        with Database(folder / "state").transaction() as db:
            assert db.execute("SELECT count(*) FROM journal").fetchone() == (1,)


def test_nothing_is_kept_of_a_zone_that_goes(folder: Path) -> None:
    listed = folder / "zones.list"
    listed.write_text("a.test.\nb.test.\n")
    more = '[[pattern]]\nzones = "zones.list"\nfile = "{zone}.zone"\n'
    (folder / "appliance.toml").write_text(configuration("example.", more=more))
    put(folder, "example.", text(1))
    for zone in ("a.test.", "b.test."):
        put(folder, zone, zone_text())
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 3)
        put(folder, "a.test.", zone_text(2, 9))
        reload(server)
        listed.write_text("b.test.\n")
        reload(server)
        assert set(stored(folder)) == {ORIGIN, names.from_text("b.test.")}
        with Database(folder / "state").transaction() as db:
            assert db.execute("SELECT count(*) FROM journal").fetchone() == (0,)


def test_a_bad_file_leaves_what_is_kept(folder: Path) -> None:
    put(folder, "example.", text(1, HOSTS))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        put(folder, "example.", text(2, HOSTS) + "www A nonsense\n")
        assert not server.ask("reload")["zones"][0]["ok"]
        assert stored(folder)[ORIGIN] == 1
    with serving(folder) as server:
        put(folder, "example.", text(3, HOSTS, 1))
        reload(server)
        assert steps(server) == [(1, 3, 2, 2)]


def test_it_may_be_switched_off(folder: Path) -> None:
    (folder / "appliance.toml").write_text(configuration("example.", "other.", more="[journal]\nkeep = false\n"))
    put(folder, "example.", text(1, HOSTS))
    with serving(folder) as server:
        put(folder, "example.", text(2, HOSTS))
        assert reload(server)[0]["outcome"] == "serial 1 replaced by 2"
        assert "keep = true" in server.command("zone", "journal", "example.").stderr
    assert not (folder / "state" / FILE).exists()


def test_without_room_for_steps_changes_are_still_compared(folder: Path) -> None:
    (folder / "appliance.toml").write_text(configuration("example.", "other.", more="[journal]\nmax_mib = 0\n"))
    put(folder, "example.", text(1, HOSTS))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        put(folder, "example.", text(2, HOSTS, 1))
        told = reload(server)[0]
        assert (told["removed"], told["added"]) == (2, 2)
        assert steps(server) == []
        assert server.ask("stats")["store"]["changed_octets"] > 0


@pytest.fixture
def unusable(folder: Path) -> Path:
    """A state folder that is a file."""
    (folder / "state").write_text("")
    put(folder, "example.", text(1, PADDED, pad="x" * 150))
    return folder


def test_a_change_larger_than_a_step_may_be_is_applied_by_difference(folder: Path) -> None:
    (folder / "appliance.toml").write_text(configuration("example.", "other.", more="[journal]\nmax_mib = 1\n"))
    put(folder, "example.", text(1, PADDED, pad="x" * 150))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        large = "".join(f"new{number} TXT {'y' * 250} {'z' * 250}\n" for number in range(900))
        large += "".join(f"new{number} TXT {'v' * 250} {'w' * 250} {'u' * 250}\n" for number in range(900))
        put(folder, "example.", text(2, PADDED, pad="x" * 150) + large)
        told = reload(server)[0]
        assert (told["removed"], told["added"]) == (1, 1801)
        assert steps(server) == []
        assert server.ask("stats")["store"]["changed_octets"] > 0


def test_it_serves_where_nothing_can_be_kept(unusable: Path) -> None:
    with serving(unusable) as server:
        until(lambda: "cannot be kept" in server.log())
        for serial in (2, 3):
            put(unusable, "example.", text(serial, PADDED, serial, "x" * 150))
            assert reload(server)[0]["outcome"] == f"serial {serial - 1} replaced by {serial}"
            assert server.address("h1.example.") == "192.0.2.8"
        assert server.log().count("what is served cannot be kept") == 1
        assert server.command("zone", "journal", "example.").returncode == 1
        status = server.ask("status")
        assert status["healthy"]
        assert "cannot be kept" in status["warnings"][0]


def test_damage_is_put_aside(folder: Path) -> None:
    put(folder, "example.", text(1, HOSTS))
    with serving(folder):
        until(lambda: len(stored(folder)) == 2)
    path = folder / "state" / FILE
    path.write_bytes(b"\0" * path.stat().st_size)
    with serving(folder) as server:
        until(lambda: (folder / "state" / DAMAGED).exists() and len(stored(folder)) == 2)
        assert "is damaged" in server.log()
        put(folder, "example.", text(2, HOSTS, 1))
        reload(server)
        assert steps(server) == [(1, 2, 2, 2)]


@pytest.mark.parametrize("how", ["gone", "hurt"])
def test_a_listing_that_is_no_good_is_not_compared_with(folder: Path, how: str) -> None:
    put(folder, "example.", text(1, PADDED, pad="x" * 150))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        for serial in (2, 3):
            (listing,) = (folder / "state" / FOLDER).iterdir()
            if how == "gone":
                listing.unlink()
            else:
                listing.write_bytes(listing.read_bytes()[::-1])
            put(folder, "example.", text(serial, PADDED, serial, "x" * 150))
            assert reload(server)[0]["outcome"] == f"serial {serial - 1} replaced by {serial}"
            assert server.address(f"h{serial - 1}.example.") == "192.0.2.8"
            assert steps(server) == []
        put(folder, "example.", text(4, PADDED, 4, "x" * 150))
        reload(server)
        assert [step[:2] for step in steps(server)] == [(3, 4)]


def test_a_version_that_could_not_be_kept_is_not_forgotten(folder: Path) -> None:
    """The third version is as the first one where the second one is not: what is kept is not what is served then."""
    pad = "x" * 150
    put(folder, "example.", text(1, PADDED, pad=pad))
    listings, aside = folder / "state" / FOLDER, folder / "state" / "aside"
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        put(folder, "example.", text(2, PADDED, 1, pad))
        reload(server)
        listings.rename(aside)
        listings.write_text("")
        put(folder, "example.", text(3, PADDED, 5, pad))
        assert reload(server)[0]["outcome"] == "serial 2 replaced by 3"
        listings.unlink()
        aside.rename(listings)
        put(folder, "example.", text(4, PADDED, 2, pad))
        reload(server)
        assert [server.address(f"h{number}.example.")[-1] for number in range(6)] == ["8", "8", "7", "7", "7", "7"]
        assert steps(server) == [(1, 2, 2, 2), (2, 4, 2, 2)]


def test_a_zone_that_gets_small_and_large_again_is_compared_with_what_is_served(folder: Path) -> None:
    put(folder, "example.", text(1, HOSTS))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        for serial, hosts in ((2, HOSTS), (3, 3), (4, HOSTS), (5, HOSTS)):
            put(folder, "example.", text(serial, hosts, serial))
            reload(server)
        assert [server.address(f"h{number}.example.")[-1] for number in (0, 4, 5, 1499)] == ["8", "8", "7", "7"]
        assert [step[:2] for step in steps(server)] == [(1, 2), (2, 3), (3, 4), (4, 5)]


def test_a_signal_while_it_stops_does_not_hold_it_up(folder: Path) -> None:
    put(folder, "example.", text(1, PADDED, pad="x" * 150))
    with serving(folder) as server:
        until(lambda: len(stored(folder)) == 2)
        for serial in (2, 3):
            put(folder, "example.", text(serial, PADDED, serial, "x" * 150))
            server.process.send_signal(signal.SIGHUP)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        for _ in range(5):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        assert server.process.wait(20) == 0
        assert "Traceback" not in server.log()


def test_what_a_killed_server_left_is_swept_out(folder: Path) -> None:
    put(folder, "example.", text(1))
    left = folder / "state" / FOLDER / "0123456789abcdef"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with serving(folder):
        until(lambda: not left.exists())


def test_the_kept_version_is_what_is_served(folder: Path) -> None:
    """A draft that was kept, but whose store was not saved, is compared with nothing that is not in the store."""
    put(folder, "example.", text(1, HOSTS))
    with serving(folder):
        until(lambda: len(stored(folder)) == 2)
    image = (folder / "state" / "store.image").read_bytes()
    with serving(folder) as server:
        put(folder, "example.", text(2, HOSTS, 2))
        reload(server)
    (folder / "state" / "store.image").write_bytes(image)
    with serving(folder) as server:
        assert server.query("example.", "SOA").answer[0][0].serial == 2
        put(folder, "example.", text(3, HOSTS, 3))
        reload(server)
        assert [server.address(f"h{number}.example.")[-1] for number in range(4)] == ["8", "8", "8", "7"]
        assert [step[:2] for step in steps(server)] == [(1, 2), (2, 3)]
    with Database(folder / "state").transaction() as db:
        assert versions.find(db, ORIGIN) is not None
