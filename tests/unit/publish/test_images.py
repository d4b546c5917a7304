# SPDX-License-Identifier: GPL-3.0-or-later
"""The saved store at a start: used where it holds, never where it does not."""

import time
from pathlib import Path

import pytest

from appliance.state import versions
from appliance.state.database import Database
from tests.harness.served import configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

MORE = "[store]\nimage_delay_s = 0.0\n"
CERTAIN_S = 0.06  # a file changed more shortly before it is read is read again by the next start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", "other.", more=MORE))
    for zone in ("example.zone", "other.zone"):
        (tmp_path / zone).write_text(zone_text())
    time.sleep(CERTAIN_S)
    return tmp_path


def image(folder: Path) -> Path:
    return folder / "state" / "store.image"


def saved(folder: Path, host: str = "192.0.2.2", kept: int = 0) -> None:
    """Let a server run until its store is saved, and versions of `kept` zones are kept."""

    def is_kept() -> bool:
        with Database(folder / "state").transaction() as db:
            return len(versions.sources(db)) == kept

    with serving(folder) as server:
        assert server.address() == host
        until(image(folder).exists)
        if kept:
            until(is_kept)


def test_the_next_start_reads_nothing(folder: Path) -> None:
    saved(folder)
    with serving(folder) as server:
        assert "zones as they were saved: 2, read: 0" in server.log()
        assert server.address() == "192.0.2.2"
        assert server.address(tcp=True) == "192.0.2.2"
        assert [(zone["serial"], zone["state"]) for zone in server.ask("status")["zones"]] == [(1, "serving")] * 2
        (folder / "example.zone").write_text(zone_text(2, 7))
        assert server.ask("reload")["zones"][0]["outcome"].startswith("serial 1 replaced by 2")
        assert server.address() == "192.0.2.7"
    with serving(folder) as server:
        assert server.address() == "192.0.2.7"


def test_only_what_changed_is_read(folder: Path) -> None:
    saved(folder)
    (folder / "example.zone").write_text(zone_text(2, 9))
    with serving(folder) as server:
        assert "zones as they were saved: 1, read: 1" in server.log()
        assert server.address() == "192.0.2.9"
        assert server.address("www.other.") == "192.0.2.2"


def test_zones_that_went_and_came(folder: Path) -> None:
    saved(folder)
    (folder / "appliance.toml").write_text(configuration("other.", "third.", more=MORE))
    (folder / "third.zone").write_text(zone_text(1, 3))
    with serving(folder) as server:
        assert server.address() == "REFUSED"
        assert server.address("www.other.") == "192.0.2.2"
        assert server.address("www.third.") == "192.0.2.3"


@pytest.mark.parametrize("keep", [True, False])
def test_a_zone_that_broke_since_is_served_as_it_was_kept(folder: Path, keep: bool) -> None:
    with (folder / "appliance.toml").open("a") as config:
        config.write(f"[journal]\nkeep = {str(keep).lower()}\n")
    saved(folder, kept=2 * keep)
    (folder / "example.zone").write_text("@ SOA broken\n")
    for _ in range(2):
        with serving(folder) as server:
            assert server.address() == ("192.0.2.2" if keep else "SERVFAIL")
            assert server.address("www.other.") == "192.0.2.2"
            assert not server.ask("status")["healthy"]


def test_a_file_with_includes_is_always_read(folder: Path) -> None:
    (folder / "example.zone").write_text(zone_text() + "$include more\n")
    (folder / "more").write_text("more A 192.0.2.21\n")
    time.sleep(CERTAIN_S)
    saved(folder)
    (folder / "more").write_text("more A 192.0.2.22\n")
    with serving(folder) as server:
        assert server.address("more.example.") == "192.0.2.22"


def test_other_checks_read_all_again(folder: Path) -> None:
    saved(folder)
    text = (folder / "appliance.toml").read_text()
    (folder / "appliance.toml").write_text(text + '[checks]\nrrsig-missing = "error"\n')
    with serving(folder) as server:
        assert "stale" in server.log()
        assert server.address() == "192.0.2.2"


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_damage_is_found(folder: Path, damage: str) -> None:
    saved(folder)
    octets = bytearray(image(folder).read_bytes())
    if damage == "cut":
        del octets[len(octets) // 2 :]
    elif damage == "flipped":
        octets[octets.index(bytes([192, 0, 2, 2]))] ^= 1
    else:
        octets = bytearray(b"\x7fELF" * 4096 if damage == "foreign" else b"")
    image(folder).write_bytes(octets)
    with serving(folder) as server:
        assert "compile the zones" in server.log() or "not a saved answer store" in server.log()
        assert server.address() == "192.0.2.2"
        until(lambda: image(folder).read_bytes()[:8] == b"ALPSIMG3")


def test_a_state_folder_that_cannot_be_written(folder: Path) -> None:
    (folder / "state").write_text("a file")
    with serving(folder) as server:
        assert server.address() == "192.0.2.2"
        until(lambda: "the next start compiles the zones again" in server.log())
        assert server.ask("status")["healthy"]
