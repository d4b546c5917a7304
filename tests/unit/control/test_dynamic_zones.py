# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones are added, removed and given other patterns while the server runs, and it is so after a restart."""

import shutil
import signal
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from tests.harness.served import Served, configuration, decoded, serving, zone_text

pytestmark = pytest.mark.unit

PATTERNS = """
[[pattern]]
name = "plain"
file = "plain/{zone}.zone"
[[pattern]]
name = "other"
file = "other/{zone}.zone"
[[pattern]]
name = "one"
file = "one.zone"
[[pattern]]
name = "listed"
zones = "zones.list"
file = "plain/{zone}.zone"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", more=PATTERNS))
    (tmp_path / "zones.list").write_text("listed\n")
    for name in ("example", "one"):
        (tmp_path / f"{name}.zone").write_text(zone_text())
    for pattern, host in (("plain", 2), ("other", 3)):
        (tmp_path / pattern).mkdir()
        for zone in ("a", "b", "c", "listed", "root"):
            (tmp_path / pattern / f"{zone}.zone").write_text(zone_text(host=host))
    return tmp_path


def without(config: Path, *patterns: str) -> None:
    """Take patterns out of a configuration."""
    text = config.read_text()
    for pattern in patterns:
        before, _, rest = text.partition(f'[[pattern]]\nname = "{pattern}"\n')
        text = before + "[" + rest.partition("\n[")[2] if "\n[" in rest else before
    config.write_text(text)


def addresses(server: Served, *zones: str) -> list[str]:
    return [server.address(f"www.{zone}.") for zone in zones]


def test_zones_come_change_and_go(folder: Path) -> None:
    with serving(folder) as server:
        assert addresses(server, "a") == ["REFUSED"]
        assert server.command("addzone", "a", "plain").stdout == "a.: added; serial 1\n"
        assert server.command("zone", "add", "B.", "other").stdout == "b.: added; serial 1\n"
        assert addresses(server, "a", "b", "c") == ["192.0.2.2", "192.0.2.3", "REFUSED"]
        changed = server.command("changezone", "a", "other")
        assert changed.stdout.startswith(f"a.: pattern other; read from {folder}/other/a.zone now: serial 1 replaced")
        assert addresses(server, "a") == ["192.0.2.3"]
        assert server.command("zone", "export").stdout == "add a. other\nadd b. other\n"
        assert decoded(server.command("zone", "export", "--json"))["zones"][1] == {"name": "b.", "pattern": "other"}
        assert server.command("delzone", "b").stdout == "b.: removed\n"
        assert addresses(server, "a", "b") == ["192.0.2.3", "REFUSED"]
        assert server.command("reload").stdout == "no zone file has changed\n"
        assert server.command("status").returncode == 0
    with serving(folder) as server:
        assert addresses(server, "a", "b", "example") == ["192.0.2.3", "REFUSED", "192.0.2.2"]
        assert server.command("delzone", "a").returncode == 0
        server.end(signal.SIGKILL)
    with serving(folder) as server:
        assert addresses(server, "a", "b") == ["REFUSED", "REFUSED"]


BAD = [
    (("addzone", "a", "xyz"), "there is no pattern 'xyz' in the configuration; known are listed, one, other, plain"),
    (("addzone", "a", "plane"), "did you mean 'plain'?"),
    (("addzone", "a", "one"), 'pattern one cannot have zones added: give it `file = "…/{zone}.zone"`'),
    (("addzone", "example", "plain"), "example.: is configured already, in "),
    (("addzone", "listed", "plain"), "listed.: is configured already, in "),
    (("addzone", "root", "plain"), "stands for the root zone"),
    (("addzone", "a..b", "plain"), "empty label"),
    (("addzone", f"{'x' * 64}.", "plain"), "64 octets"),
    (("addzone", "bücher", "plain"), "is not ASCII"),
    (("delzone", "c"), "c.: is not served"),
    (("delzone", "example"), "is configured, not added: take it out of the configuration"),
    (("changezone", "example", "plain"), "is configured, not added: give it another pattern in the configuration"),
    (("changezone", "c", "plain"), "zone c. is not served"),
]


def test_what_cannot_be_done_is_said_and_changes_nothing(folder: Path) -> None:
    with serving(folder) as server:
        for arguments, said in BAD:
            done = server.command(*arguments)
            assert (done.returncode, done.stdout) == (1, ""), arguments
            assert said in done.stderr
            assert "Traceback" not in done.stderr
        assert server.ask("export")["zones"] == []
        assert [one["name"] for one in server.ask("status")["zones"]] == ["example.", "listed."]


def test_a_zone_that_is_there_already(folder: Path) -> None:
    with serving(folder) as server:
        assert server.command("addzone", "a", "plain").returncode == 0
        done = server.command("addzone", "A.", "other")
        assert (done.returncode, done.stdout) == (1, "")
        assert "is there already, with pattern plain; `appliance changezone` gives it another" in done.stderr
        assert addresses(server, "a") == ["192.0.2.2"]


@pytest.mark.parametrize("text", [None, "(", "www A 192.0.2.1\n"])
def test_a_zone_without_a_good_file_is_added_and_told(folder: Path, text: str | None) -> None:
    file = folder / "plain" / "new.zone"
    if text is not None:
        file.write_text(text)
    with serving(folder) as server:
        done = server.command("addzone", "new", "plain")
        assert done.returncode == 2
        assert done.stderr.startswith("new.: added; ")
        assert "nothing is served of it (SERVFAIL)" in done.stderr
        assert addresses(server, "new") == ["SERVFAIL"]
        assert server.command("status").returncode == 2
        file.write_text(zone_text())
        assert server.command("reload").stdout == "new.: serial 1\n"
        assert addresses(server, "new") == ["192.0.2.2"]


def test_another_pattern_with_a_bad_file_leaves_what_is_served(folder: Path) -> None:
    (folder / "other" / "a.zone").write_text("(")
    with serving(folder) as server:
        server.ask("addzone", zone="a", pattern="plain")
        done = server.command("changezone", "a", "other")
        assert done.returncode == 2
        assert "serial 1 is still served" in done.stderr
        assert addresses(server, "a") == ["192.0.2.2"]


def test_configuration_counts_where_it_names_an_added_zone_too(folder: Path) -> None:
    with serving(folder) as server:
        server.ask("addzone", zone="a", pattern="other")
        (folder / "zones.list").write_text("listed\na\n")
        assert server.command("reload").returncode == 0
        assert addresses(server, "a") == ["192.0.2.2"]
        assert "added with addzone, and configured too (a.)" in server.ask("status")["warnings"][0]
        with pytest.raises(ApplianceError, match="configured too, which counts"):
            server.ask("changezone", zone="a", pattern="plain")
        assert server.command("delzone", "a").stdout == "a.: removed; it is served as it is configured\n"
        assert addresses(server, "a") == ["192.0.2.2"]
        assert server.ask("status")["warnings"] == []


def test_a_pattern_that_has_gone(folder: Path) -> None:
    """Its zones are served from where it had its files; a start, a reload and status say the same."""
    with serving(folder) as server:
        server.ask("addzone", zone="a", pattern="other")
    without(folder / "appliance.toml", "other")
    shutil.rmtree(folder / "state" / "listings", ignore_errors=True)
    with serving(folder) as server:
        assert addresses(server, "a") == ["192.0.2.3"]
        (warning,) = server.ask("status")["warnings"]
        assert "pattern other is not configured any more" in warning
        (folder / "other" / "a.zone").write_text(zone_text(2, 4))
        assert server.command("reload").returncode == 0
        assert addresses(server, "a") == ["192.0.2.4"]
        assert server.command("addzone", "b", "other").returncode == 1
        assert server.command("changezone", "a", "plain").returncode == 0
        assert server.ask("status")["warnings"] == []


def test_no_limit_holds_what_an_operator_removes(folder: Path) -> None:
    """All zones but one go, one by one; the next start and reload hold nothing."""
    more = "[server]\nremoval_limit_percent = 0\nremoval_limit_zones = 0\n"
    config = folder / "appliance.toml"
    config.write_text(config.read_text().replace("[server]\n", more))
    with serving(folder) as server:
        for zone in "abc":
            server.ask("addzone", zone=zone, pattern="plain")
        for zone in "abc":
            server.ask("delzone", zone=zone)
        assert server.command("reload").returncode == 0
    with serving(folder) as server:
        assert server.ask("status")["removal_held"] is None
        assert addresses(server, *"abc") == ["REFUSED"] * 3
