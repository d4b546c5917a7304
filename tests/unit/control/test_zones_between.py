# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones between the configuration and what was added, frozen or rolled back: each change of one meets the others."""

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from appliance.served import stamps
from tests.harness.served import Served, configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

PATTERNS = """
[[pattern]]
name = "plain"
file = "plain/{zone}.zone"
[[pattern]]
name = "listed"
zones = "zones.list"
file = "listed/{zone}.zone"
"""
PLAIN, LISTED = "192.0.2.2", "192.0.2.3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", more=PATTERNS))
    (tmp_path / "example.zone").write_text(zone_text())
    name_in_list(tmp_path)
    for pattern, host in (("plain", 2), ("listed", 3)):
        (tmp_path / pattern).mkdir()
        for zone in ("a", "b", "keep"):
            (tmp_path / pattern / f"{zone}.zone").write_text(zone_text(host=host))
    return tmp_path


def name_in_list(folder: Path, *lines: str) -> None:
    (folder / "zones.list").write_text("".join(f"{line}\n" for line in ("keep", *lines)))


def applied(server: Served) -> None:
    """Apply what is in the file; nothing is left to do then."""
    told = server.ask("apply")
    assert told["ok"], told
    assert not server.ask("apply", dry_run=True)["would_change"]


@pytest.mark.parametrize("lines", [None, ("a..",)])
def test_an_added_zone_stays_with_a_list_that_does_not_tell_all(folder: Path, lines: tuple[str, ...] | None) -> None:
    with serving(folder) as server:
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
        name_in_list(folder, "a")
        applied(server)
        assert server.address("www.a.") == LISTED
        if lines is None:
            (folder / "zones.list").unlink()
        else:
            name_in_list(folder, *lines)
        assert not server.ask("reload")["ok"]
        assert server.address("www.a.") == LISTED
        assert not server.ask("apply", dry_run=True)["would_change"]
    with serving(folder) as server:
        assert (server.address("www.a."), server.address("www.keep.")) == (LISTED, LISTED)
        name_in_list(folder)
        assert server.ask("reload")["ok"]
        assert server.address("www.a.") == PLAIN


def test_a_frozen_zone_that_is_configured_too_stays_frozen(folder: Path) -> None:
    with serving(folder) as server:
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
        assert server.ask("freeze", zone="a")["ok"]
        name_in_list(folder, "a")
        applied(server)
        assert server.ask("delzone", zone="a")["ok"]
        assert server.address("www.a.") == PLAIN
        assert "a." in " ".join(server.ask("status")["warnings"])
        server.end(signal.SIGKILL)
    with serving(folder) as server:
        assert server.address("www.a.") == PLAIN
        assert server.ask("thaw", zone="a")["ok"]
        assert server.address("www.a.") == LISTED


def test_a_zone_whose_file_nobody_knows_gets_another_pattern(folder: Path) -> None:
    with serving(folder) as server:
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
    with closing(sqlite3.connect(folder / "state" / "zones.db")) as db:
        db.execute("DELETE FROM patterns")
        db.commit()
    (folder / "appliance.toml").write_text((folder / "appliance.toml").read_text().replace('"plain"', '"other"'))
    with serving(folder) as server:
        assert any("its file is not known" in one for one in server.ask("status")["problems"])
        done = server.command("changezone", "a", "other")
        assert (done.returncode, done.stderr) == (0, ""), done
        assert server.address("www.a.") == PLAIN
        assert server.ask("status")["problems"] == []
        assert not server.ask("apply", dry_run=True)["would_change"]
    with serving(folder) as server:
        assert server.address("www.a.") == PLAIN


def test_other_checks_read_the_file_of_no_frozen_zone(folder: Path) -> None:
    config = folder / "appliance.toml"
    config.write_text(config.read_text() + "[journal]\nkeep = false\n")
    with serving(folder) as server:
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
        assert server.ask("freeze", zone="a")["ok"]
        (folder / "plain" / "a.zone").write_text(zone_text(2, host=9))
        config.write_text(config.read_text() + '[checks]\nzonemd-missing = "warning"\n')
        applied(server)
        assert server.address("www.a.") == PLAIN
        assert any("a start reads their files" in one for one in server.ask("status")["warnings"])


def test_what_is_told_of_a_frozen_zones_file(folder: Path) -> None:
    def pending() -> str:
        return str(server.ask("zonestatus", zone="a")["zones"][0]["pending"])

    until(lambda: stamps.is_settled(stamps.of_file(str(folder / "plain" / "a.zone")), time.time_ns()))
    with serving(folder) as server:
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
        assert server.ask("freeze", zone="a")["ok"]
        assert "another version" not in pending()
    with serving(folder) as server:
        assert "another version" not in pending()
        (folder / "plain" / "a.zone").write_text(zone_text(2, host=9))
        assert "another version" in pending()
        assert server.ask("thaw", zone="a")["ok"]
        assert server.address("www.a.") == "192.0.2.9"
        assert server.ask("rollback", zone="a", serial="1", force=False)["ok"]
        assert server.ask("write", zone="a")["ok"]
        assert "another version" not in pending()
    with serving(folder) as server:
        assert "another version" not in pending()
        assert server.address("www.a.") == PLAIN


def test_what_was_removed_while_nothing_is_kept_does_not_come_back(folder: Path) -> None:
    config = folder / "appliance.toml"
    kept = config.read_text()
    with serving(folder) as server:
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
        assert server.ask("freeze", zone="a")["ok"]  # which keeps what is served
        config.write_text(kept + "[journal]\nkeep = false\n")
        applied(server)
        assert server.ask("delzone", zone="a")["ok"]
        (folder / "plain" / "a.zone").unlink()
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
        assert server.address("www.a.") == "SERVFAIL"
    config.write_text(kept)
    with serving(folder) as server:
        assert server.address("www.a.") == "SERVFAIL"


def test_an_added_zone_stays_with_a_list_of_which_too_many_would_go(folder: Path) -> None:
    with serving(folder) as server:
        assert server.ask("addzone", zone="a", pattern="plain")["ok"]
        name_in_list(folder, "a", "b")
        applied(server)
        (folder / "zones.list").write_text("")
        assert not server.ask("reload")["ok"]
        assert [server.address(f"www.{zone}.") for zone in ("a", "b", "keep")] == [LISTED] * 3
    with serving(folder) as server:
        assert [server.address(f"www.{zone}.") for zone in ("a", "b", "keep")] == [LISTED] * 3
        number = server.ask("status")["removal_held"]["number"]
        assert server.ask("reload", allow_removal=number)["ok"]
        assert [server.address(f"www.{zone}.") for zone in ("a", "b", "keep")] == [PLAIN, "REFUSED", "REFUSED"]
        assert not server.ask("apply", dry_run=True)["would_change"]
