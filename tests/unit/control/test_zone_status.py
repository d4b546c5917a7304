# SPDX-License-Identifier: GPL-3.0-or-later
"""`zone status` tells the truth of each zone: its record, which zones are chosen, what clients get, exit status."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.client import ask
from appliance.config.schema import Config
from appliance.control.verb_table import BY_NAME, checked
from appliance.control.zone_choice import chosen, parsed
from appliance.control.zone_proof import proof
from appliance.control.zone_status import COLUMNS, View, is_bad, record
from appliance.errors import ApplianceError
from appliance.served.source import Rules
from appliance.served.zone_set import from_file
from appliance.served.zones import ServedZone
from appliance.store.capacity import Capacity
from appliance.store.store import Store
from appliance.zone import names
from appliance.zone.model import DnssecSummary
from tests.harness.served import Served, configuration, serving, zone_text

pytestmark = pytest.mark.unit

PATTERN = '[[pattern]]\nname = "customers"\nzones = "list"\nfile = "{zone}.zone"\n'
NOW = 1_900_000_000.0


def served_zone(name: str, file: Path, serial: int = 7) -> ServedZone:
    zone = from_file(Rules(), names.from_text(name), str(file))
    zone.source.recall(bytes(32))
    zone.serves(serial, 3)
    return zone


@pytest.fixture(scope="module")
def store() -> Store:
    return Store.sized(Capacity(10, 1, 16), 1)


@pytest.fixture
def view(store: Store) -> View:
    return View(store, True, NOW, (NOW - 1e9, NOW - 1e9 + 5))


def test_what_a_zone_tells(tmp_path: Path, view: View) -> None:
    file = tmp_path / "a.zone"
    file.write_text(zone_text())
    zone = served_zone("a.", file)
    told = record(zone, view)
    assert tuple(told) == tuple(COLUMNS)
    assert json.loads(json.dumps(told)) == told
    assert (told["state"], told["serial"], told["bad"], told["path"]) == ("serving", 7, False, "NIC path")
    assert told["pending"].startswith("its file is newer than what is served; `appliance reload a.`")
    assert told["next_try_when"] == "with the next reload"
    file.unlink()
    assert record(zone, view)["pending"] == "its file is missing; serial 7 is served on"
    zone.failed("zone a.: broken")
    told = record(zone, view)
    assert (told["bad"], told["failure"], told["pending"]) == (True, "broken", "")
    zone.recovered()
    told = record(zone, view)
    assert (told["bad"], told["failure"], told["failing_since"]) == (False, "broken", None)
    assert told["last_failure"] == pytest.approx(time.time(), abs=60)


def test_signatures_that_have_ended_are_bad(tmp_path: Path, view: View) -> None:
    zone = served_zone("a.", tmp_path / "a")
    zone.dnssec = DnssecSummary("nsec", 0, 0, False, 4, 0, 0, 0, int(NOW) + 5, {})
    assert not is_bad(zone, NOW)
    assert record(zone, view)["signatures_end"] == int(NOW) + 5
    later = record(zone, View(view.store, False, NOW + 10, view.started))
    assert [*later["warnings"], later["problem"]] != [""]
    assert later["path"] == "userspace"


def test_since_when_survives_the_same_version_and_no_other(tmp_path: Path) -> None:
    zone = served_zone("a.", tmp_path / "a")
    zone.served_since = 1000
    zone.serves(7, 3)
    assert zone.served_since == 1000
    zone.serves(8, 3)
    assert zone.served_since is not None
    assert zone.served_since > 1000
    zone.forget()
    assert zone.served_since is None


def choose(zones: list[ServedZone], view: View, **given: Any) -> list[str]:
    choice = parsed(checked(BY_NAME["zonestatus"], given), COLUMNS)
    return [one.name for one in chosen(iter(zones), choice, lambda zone, column: COLUMNS[column](zone, view))]


def test_filter_and_sort(tmp_path: Path, view: View) -> None:
    zones = [served_zone(f"{name}.", tmp_path / name, serial) for name, serial in (("b", 2), ("a", 3), ("x.a", 1))]
    zones[1].forget()
    assert choose(zones, view) == ["b.", "a.", "x.a."]
    assert choose(zones, view, filter="*A.") == ["a.", "x.a."]
    assert choose(zones, view, filter="state=not*") == ["a."]
    assert choose(zones, view, filter="bad=no", sort="name") == ["b.", "x.a."]
    assert choose(zones, view, filter="serial=") == ["a."]
    assert choose(zones, view, sort="serial") == ["x.a.", "b.", "a."]
    assert choose(zones, view, sort="-serial") == ["b.", "x.a.", "a."]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"columns": "name,seriel"}, "zones have no column 'seriel'; did you mean 'serial'?"),
        ({"sort": "-sate"}, "zones have no column 'sate'; did you mean 'state'?"),
        ({"filter": "zerial=3"}, "zones have no column 'zerial'; did you mean 'serial'?"),
        ({"filter": "=3"}, "zones have no column ''; known are "),
    ],
)
def test_columns_that_there_are_not(given: Mapping[str, str], said: str) -> None:
    with pytest.raises(ApplianceError) as error:
        parsed(checked(BY_NAME["zonestatus"], given), COLUMNS)
    assert str(error.value).startswith(said)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("zonestatus")
    (folder / "appliance.toml").write_text(configuration("bad.", more=PATTERN))
    (folder / "list").write_text("".join(f"z{number}.\n" for number in range(1200)))
    for number in range(1200):
        (folder / f"z{number}.zone").write_text(zone_text())
    (folder / "bad.zone").write_text("x\n")
    with serving(folder) as served:
        yield served


def test_lines_of_json(server: Served) -> None:
    done = server.command("zone", "status", "--json")
    assert done.returncode == 2
    zones = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(zones) == 1201
    assert all(tuple(zone) == tuple(COLUMNS) for zone in zones)
    assert {zone["pattern"] for zone in zones} == {"customers", ""}
    assert {zone["path"] for zone in zones} == {"userspace"}
    few = server.command("zonestatus", "--json", "--filter", "z77.", "--columns", "name,serial")
    assert (few.returncode, few.stdout) == (0, '{"name": "z77.", "serial": 1}\n')


def test_only_what_is_bad(server: Served) -> None:
    done = server.command("zone", "status", "--bad")
    assert done.returncode == 2
    heading, line = done.stdout.splitlines()
    assert heading.split() == ["zone", "state", "serial", "served", "since", "size", "remark"]
    assert line.startswith("bad.  not loaded")
    assert "bad.zone:1" in line
    none = server.command("zone", "status", "--bad", "--filter", "z*")
    assert (none.returncode, none.stdout) == (0, "no zone is like this\n")


def test_columns_of_a_table(server: Served) -> None:
    done = server.command("zone", "status", "--filter", "z1?.", "--sort", "-name", "--columns", "name,octets,since")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["name", "size", "served", "since"]
    assert [line.split()[0] for line in lines[1:4]] == ["z19.", "z18.", "z17."]
    assert done.returncode == 0


def test_one_zone_is_proved_by_questions(server: Served) -> None:
    done = server.command("zone", "status", "z5.")
    assert done.returncode == 0, done.stdout
    assert "UDP 127.0.0.1  NOERROR, serial 1\n" in done.stdout
    assert "TCP 127.0.0.1  NOERROR, serial 1\n" in done.stdout
    assert done.stdout.endswith("proved: clients get what the server believes to serve\n")
    told = json.loads(server.command("zone", "status", "Z5", "--json").stdout)
    assert (told["name"], told["proof"]["proved"], len(told["proof"]["answers"])) == ("z5.", True, 2)
    bad = server.command("zone", "status", "bad", "--json")
    assert bad.returncode == 2
    assert [one["rcode"] for one in json.loads(bad.stdout)["proof"]["answers"]] == ["SERVFAIL", "SERVFAIL"]


def test_what_clients_do_not_get_is_told(server: Served) -> None:
    """The server is right, and its record is made to be wrong: three questions differ from it, so it is no reload."""
    for serial, wanted in ((99, "serial 99"), (None, "no SOA")):
        asked: list[int] = []

        def believed(serial: int | None = serial, asked: list[int] = asked) -> tuple[dict[str, Any], list[Any]]:
            asked.append(1)
            return {"name": "z5.", "serial": serial}, [("127.0.0.1", server.port)]

        _, found = proof(Config(), believed, 30)
        assert found["proved"] is False
        assert f"UDP 127.0.0.1 says serial 1, the server believes to serve {wanted}" in found["problems"]
        assert len(asked) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.example",), "zone none.example. is none of this server; `appliance zone status --filter '*none*'`"),
        (("a..b",), "name 'a..b': empty label"),
        (("--sort", "x"), "zones have no column 'x'"),
        (("",), "the ZONE given is empty"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_wrong_input(server: Served, words: tuple[str, ...], said: str, more: tuple[str, ...]) -> None:
    done = server.command("zone", "status", *words, *more)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not more or json.loads(done.stdout)["ok"] is False


def test_a_long_list_is_taken_in_parts(server: Served) -> None:
    parts: list[int] = []
    result = ask(server.socket, "zonestatus", take=lambda part: parts.append(len(part)))
    assert parts == [500, 500, 201]
    assert "zones" not in result
    assert (result["healthy"], result["bad"]) == (False, 1)


def test_since_when_outlasts_a_restart(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration("a.", "b."))
    for name in ("a", "b"):
        (tmp_path / f"{name}.zone").write_text(zone_text())
        os.utime(tmp_path / f"{name}.zone", (1, 1))
    with serving(tmp_path) as first:
        before = {one["name"]: one for one in first.ask("zonestatus")["zones"]}
        assert {one["since_start"] for one in before.values()} == {True}
        assert "the start of the server" in first.command("zone", "status", "a").stdout
        deadline = time.time() + 60
        while int(time.time()) <= before["a."]["since"] + 1:  # another second, so that times tell the starts apart
            assert time.time() < deadline
            time.sleep(0.05)
        assert first.end() == 0
    (tmp_path / "b.zone").write_text(zone_text(serial=2))
    with serving(tmp_path) as second:
        after = {one["name"]: one for one in second.ask("zonestatus")["zones"]}
        assert (after["a."]["since"], after["a."]["since_start"]) == (before["a."]["since"], False)
        assert after["a."]["last_success"] > before["a."]["last_success"]
        assert after["b."]["since"] > before["b."]["since"]
        (tmp_path / "a.zone").write_text("x")
        assert second.command("zone", "status", "a").returncode == 0
        pending = json.loads(second.command("zone", "status", "a", "--json").stdout)["pending"]
        assert pending == "its file is newer than what is served; `appliance reload a.` reads it"
        second.command("reload")
        told = json.loads(second.command("zone", "status", "a", "--json").stdout)
        assert (told["serial"], told["bad"], told["source"]) == (1, True, "file")
        assert told["problem"].startswith("serial 1 is still served; since ")
        assert told["last_failure"] is not None
