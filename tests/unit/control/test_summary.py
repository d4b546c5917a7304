# SPDX-License-Identifier: GPL-3.0-or-later
"""status sums up: its size and cost do not grow with healthy zones; what is wrong is told, and not without end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.control.summary import PART, TOLD, described, summary
from appliance.served.source import Rules
from appliance.served.zone_set import from_file
from appliance.served.zones import ServedZone
from appliance.zone import names
from appliance.zone.model import DnssecSummary
from tests.harness.served import configuration, decoded, serving, zone_text

pytestmark = pytest.mark.unit

COUNT = 1500


def zones(wrong: int = 0, signed: int = 0, expired: int = 0) -> dict[bytes, ServedZone]:
    found = {}
    for number in range(COUNT):
        origin = names.from_text(f"z{number}.")
        zone = found[origin] = from_file(Rules(), origin, "file")
        zone.serves(number, 3)
        if number < signed:
            ended = int(number < expired)
            zone.dnssec = DnssecSummary("nsec", 0, 0, False, 4, 0, ended, 0, 2_000_000_000 + number, {})
        if number < wrong:
            zone.forget()
            zone.failed(f"zone z{number}. cannot be loaded: x.zone:1: broken")
            zone.since = 1_000_000_000.0
    return found


def test_healthy_zones_are_numbers() -> None:
    found = summary(zones(signed=3).values(), 1_000_000_000)
    assert found.described() == {
        "configured": COUNT,
        "states": {"serving": COUNT},
        "wrong": 0,
        "doubtful": 0,
        "signed": 3,
        "earliest_expiration": 2_000_000_000,
    }
    assert found.problems == found.warnings == []


@pytest.mark.parametrize("wrong", [1, TOLD, TOLD + 1, COUNT])
def test_what_is_wrong_is_told_up_to_a_bound(wrong: int) -> None:
    found = summary(zones(wrong).values(), 0)
    assert found.wrong == wrong
    assert found.states == {"not loaded": wrong, **({"serving": COUNT - wrong} if wrong < COUNT else {})}
    why = "nothing is served of it (SERVFAIL); since 2001-09-09 01:46 UTC its file cannot be: x.zone:1: broken"
    assert found.problems[: min(wrong, TOLD)] == [f"zone z{n}.: {why}" for n in range(min(wrong, TOLD))]
    more = f"{wrong - TOLD} more {'zone' if wrong - TOLD == 1 else 'zones'}"
    rest = [f"{more}: `appliance status --zones` shows all"] if wrong > TOLD else []
    assert found.problems[TOLD:] == rest


def test_signatures_that_end_are_warnings_up_to_a_bound() -> None:
    found = summary(zones(signed=COUNT, expired=TOLD + 5).values(), 1)
    assert found.doubtful == TOLD + 5
    assert found.warnings[0] == "zone z0.: 1 RRset with expired signatures"
    assert found.warnings[TOLD] == "5 more zones: `appliance status --zones` shows all"
    later = summary(zones(signed=2).values(), 2_000_000_000)
    assert [one.partition(" since")[0] for one in later.warnings] == ["zone z0.: signatures expire"]


def test_all_zones_come_in_parts_also_when_some_go_meanwhile() -> None:
    served = zones()
    parts = described(served)
    first = next(parts)
    assert len(first) == PART
    gone = list(served)[PART : PART + 10]
    for origin in gone:
        del served[origin]
    rest = [zone["name"] for part in parts for zone in part]
    assert len(rest) == COUNT - PART - 10


def test_commands(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(
        configuration("bad.", more='[[pattern]]\nzones = "list"\nfile = "same.zone"\n')
    )
    (tmp_path / "list").write_text("".join(f"z{number}.\n" for number in range(700)))
    (tmp_path / "same.zone").write_text(zone_text())
    (tmp_path / "bad.zone").write_text("x\n")
    with serving(tmp_path) as server:
        done = server.command("status", "--json")
        assert done.returncode == 2
        assert len(done.stdout) < 5000
        told = decoded(done)
        assert "zones" not in told
        assert told["zone_summary"]["states"] == {"not loaded": 1, "serving": 700}
        assert len(told["problems"]) == 1
        whole = decoded(server.command("status", "--json", "--zones"))
        assert len(whole["zones"]) == 701
        assert set(whole) == {*told, "zones"}
        shown = server.command("status").stdout
        assert "zones: 701 (1 not loaded, 700 serving), 1 with problems" in shown, shown
        assert shown.count("\n") < 8
        assert server.command("status", "--zones").stdout.count("serving") == 701


@pytest.mark.parametrize("command", [("status",), ("stats",), ("reload",), ("stop",), ("zone", "journal", "a.")])
def test_without_a_server_there_is_json_too(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Before, nothing was printed, and programs had to guess."""
    (tmp_path / "a.toml").write_text('[server]\nrun_dir = "."\n')
    done = subprocess.run(
        [sys.executable, "-m", "appliance", *command, "--json", "--config", str(tmp_path / "a.toml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert (told["state"], told["ok"], told["healthy"]) == ("not running", False, False)
    assert told["problems"] == [told["error"]]
    assert told["error"].startswith("no server listens on ")


@pytest.mark.parametrize(
    "command",
    [
        ("status", "--config", "none.toml"),
        ("reload", "--config", "none.toml"),
        ("health", "--config", "none.toml"),
        ("check-zone", "a..b", "none.zone"),
        ("check-zone", "a.", "none.zone"),
        ("check-config", "none.toml"),
        ("estimate", "none.zone"),
        ("status", "--nonsense"),
        ("nonsense",),
    ],
)
def test_errors_are_json_too(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance", *command, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
