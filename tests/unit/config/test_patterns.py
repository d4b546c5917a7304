# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones by pattern: they come and go with a list or a folder, and share what they have in common."""

import re
import time
from pathlib import Path

import pytest

from appliance.config.load import load_config
from appliance.config.patterns import Expansion, expand
from appliance.config.schema import Config, Pattern
from appliance.errors import StateError, ZoneError
from appliance.publish.loading import Loading
from appliance.publish.progress import Progress
from appliance.served.zone_set import place_and_reason, wanted
from appliance.zone import names
from appliance.zone.master.files import Files
from tests.harness.served import configuration, serving, zone_text

pytestmark = pytest.mark.unit

SMALL = "$TTL 300\n@ SOA ns.provider.test. root 1 3600 900 1209600 300\n@ NS ns.provider.test.\nwww A 192.0.2.1\n"


def listed(folder: Path, *zones: str) -> None:
    (folder / "zones.list").write_text("# ours\n" + "\n".join(zones) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pattern = '[[pattern]]\nzones = "zones.list"\nfile = "zones/{zone}.zone"\n'
    (tmp_path / "appliance.toml").write_text(configuration("example.", more="") + pattern)
    (tmp_path / "example.zone").write_text(zone_text())
    (tmp_path / "zones").mkdir()
    for number in range(30):
        (tmp_path / "zones" / f"z{number:02d}.test.zone").write_text(SMALL)
    listed(tmp_path, *(f"z{number:02d}.test" for number in range(20)))
    return tmp_path


def test_zones_come_and_go(folder: Path) -> None:
    with serving(folder) as server:
        assert server.address("www.z19.test.") == "192.0.2.1"
        assert server.address("www.z20.test.") == "REFUSED"
        listed(folder, *(f"z{number:02d}.test." for number in range(10, 25)))
        (folder / "zones" / "z11.test.zone").write_text(
            SMALL.replace("192.0.2.1", "192.0.2.11").replace("1 3600", "2 3600")
        )
        outcomes = {one["zone"]: one["outcome"] for one in server.ask("reload")["zones"]}
        assert outcomes["z00.test."] == "removed"
        assert outcomes["z24.test."] == "serial 1"
        assert outcomes["z11.test."].startswith("serial 1 replaced by 2")
        assert len(outcomes) == 16
        for name, expected in (("z00", "REFUSED"), ("z24", "192.0.2.1"), ("z11", "192.0.2.11"), ("z12", "192.0.2.1")):
            assert server.address(f"www.{name}.test.") == expected
        assert server.address() == "192.0.2.2"
        assert server.ask("status")["healthy"]
        listed(folder, "not..a.name")
        assert "zones.list:2" in server.command("reload").stderr
        assert server.address("www.z12.test.") == "192.0.2.1"


def test_a_folder(folder: Path) -> None:
    found = {origin: file for origin, file, _ in expand(Pattern(file=f"{folder}/zones/{{zone}}.zone"), Expansion())}
    assert len(found) == 30
    assert found[names.from_text("z07.test.")] == f"{folder}/zones/z07.test.zone"


def test_names_that_files_spell_in_many_ways(folder: Path) -> None:
    spelt = ["a.test", "UPPER.test", "with space.test", "a+b.test", f"{'l' * 50}.test", "root", "last.", "a.b.c.d.test"]
    for text in spelt:
        (folder / "zones" / f"{text}.zone").write_text(SMALL)
    (folder / "appliance.toml").write_text(configuration() + '[[pattern]]\nfile = "zones/{zone}.zone"\n')
    zones = wanted(load_config(folder / "appliance.toml")).zones
    for text in spelt:
        served = zones[names.ROOT if text == "root" else names.fold(names.from_text(text))]
        assert served.file == str(folder / "zones" / f"{text}.zone")
        assert served.source.size(Files()) == len(SMALL)
    assert len(zones) == 30 + len(spelt)


def test_one_file_for_all(folder: Path) -> None:
    found = expand(Pattern(file=f"{folder}/example.zone", zones=f"{folder}/zones.list"), Expansion())
    assert {file for _, file, _ in found} == {f"{folder}/example.zone"}


@pytest.mark.parametrize("pattern", [Pattern(file="/no/such/{zone}"), Pattern(file="/x/{zone}", zones="/no/such")])
def test_what_cannot_be_read(pattern: Pattern) -> None:
    found = Expansion()
    assert list(expand(pattern, found)) == []
    (finding,) = found.findings
    assert re.search(r"/no/such.* cannot be read", str(finding))
    assert not found.is_whole


def test_two_files_for_one_zone(folder: Path) -> None:
    more = '[[pattern]]\nzones = "zones.list"\nfile = "{zone}"\n'
    with (folder / "appliance.toml").open("a") as config:
        config.write(more)
    found = wanted(load_config(folder / "appliance.toml"))
    assert len(found.findings) == 20
    assert "take it out of one" in found.findings[0].reason
    assert found.zones[names.from_text("z07.test.")].file == f"{folder}/zones/z07.test.zone"


def loading(folder: Path, memory_mib: int = 0) -> Loading:
    zones = wanted(load_config(folder / "appliance.toml")).zones
    return Loading(zones, 0, memory_mib, lambda error: None, Progress())


def test_the_bound_on_memory(folder: Path) -> None:
    (folder / "zones" / "z03.test.zone").write_text(SMALL + "".join(f"n{n} TXT {'x' * 200}\n" for n in range(9000)))
    with pytest.raises(StateError, match=r"needs \d+ MiB, \[store\] memory_mib = 2 allows less; nothing is changed"):
        loading(folder, 2).run()
    assert loading(folder, 20).run().store.get("nodes") > 9000


def test_cancelled(folder: Path) -> None:
    one = loading(folder)
    one.cancel()
    with pytest.raises(StateError, match="cancelled"):
        one.run()


def test_a_bad_file_among_many(folder: Path) -> None:
    (folder / "zones" / "z05.test.zone").write_text(SMALL + "www CNAME elsewhere\n")
    zones = wanted(load_config(folder / "appliance.toml")).zones
    told: list[Exception] = []
    world = Loading(zones, 0, 0, told.append, Progress()).run()
    assert len(told) == 1
    assert "z05.test" in str(told[0])
    assert world.loading == {names.from_text("z05.test.")}


def test_progress_in_words() -> None:
    progress = Progress()
    progress.begin(10_000_000, 7)
    progress.advance(2_500_000)
    progress._started = time.monotonic() - 5
    line = progress.line(progress._started + 5)
    assert line == "loading 7 zones: 25%, 0.5 MB/s, about 15 s left"


def test_a_file_name_begins_no_line_and_moves_no_cursor(folder: Path) -> None:
    """Whoever may put files into a folder could else write lines of his own into the log and into status."""
    (folder / "zones" / "a\n! all\x1b[2Jgone.zone").mkdir(parents=True)
    (folder / "zones" / "b..\n\x1b[2J.zone").touch()
    config = Config(pattern=(Pattern(file=f"{folder}/zones/{{zone}}.zone"),))
    found = wanted(config)
    said = [place_and_reason(one) for one in found.findings]
    for served in found.zones.values():
        if served.file.endswith("gone.zone"):
            with pytest.raises(ZoneError) as told:
                served.read()
            said += [str(told.value), served.error]
    assert len(said) == 3
    assert all(one.isprintable() for one in said), said
    assert any("a\\n! all\\x1b[2Jgone.zone: error: not a regular file" in one for one in said)
