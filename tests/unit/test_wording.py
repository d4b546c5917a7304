# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences for operators: numbers with their nouns, a zone named once, in every message of the program."""

import re
from pathlib import Path

import pytest

from appliance.control.stage import Stage
from appliance.publish.progress import Progress
from appliance.wording import counted, of_zone, plural, without_zone
from tests.harness.served import configuration, serving, zone_text

pytestmark = pytest.mark.unit

DOUBLED = re.compile(r"zone (\S+?):? (?:cannot be removed: )?zone \1|^(\S+): zone \2 ", re.MULTILINE)
ONE_OF_MANY = re.compile(r"\b1 (?:zones|records|requests|names|nodes|fragments|workers|addresses|steps)\b")


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(0, "zone", "0 zones"), (1, "zone", "1 zone"), (2, "address", "2 addresses"), (3, "entry", "3 entries")],
)
def test_numbers(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


@pytest.mark.parametrize("said", ["zone a. cannot be loaded", "zone a.: it cannot be served"])
def test_a_zone_is_named_once(said: str) -> None:
    assert of_zone("a.", said) == said
    assert of_zone("a.", without_zone("a.", said)) == f"zone a.: {without_zone('a.', said)}"
    assert not without_zone("a.", said).startswith(("zone", ":", " "))
    assert of_zone("b.", said) == f"zone b.: {said}"  # of a neighbour


@pytest.mark.parametrize(
    ("waiting", "said"), [(1, ""), (2, "; 1 other request waits too"), (3, "; 2 other requests wait")]
)
def test_who_waits(waiting: int, said: str) -> None:
    stage = Stage(Progress(), lambda: True, state="serving", reloading="1 zone", waiting=waiting)
    assert stage.doing().startswith(f"reloading 1 zone{said}")


def test_what_an_operator_reads(tmp_path: Path) -> None:
    """Of a server with one good zone, a broken one and one without a file."""
    (tmp_path / "appliance.toml").write_text(configuration("good.", "broken.", "gone.", more="tcp_workers = 1"))
    (tmp_path / "good.zone").write_text(zone_text())
    (tmp_path / "broken.zone").write_text(zone_text() + "bad A 192.0.2.1111\n")
    with serving(tmp_path) as server:
        (tmp_path / "good.zone").write_text(zone_text().replace("old DNAME new\n", ""))
        said = [server.command(*one) for one in (("reload",), ("status",), ("status", "--zones"), ("stats",))]
        (tmp_path / "good.zone").unlink()
        said += [server.command(*one) for one in (("reload",), ("zone", "reload", "broken."), ("status",))]
        texts = [one.stdout + one.stderr for one in said] + [server.log()]
    assert "1 record removed" in texts[0]
    assert f"broken.: {tmp_path}/broken.zone:10: error: " in texts[0]
    assert "! zone broken.: nothing is served of it (SERVFAIL); since " in texts[1]
    for text in texts:
        assert not DOUBLED.search(text), text
        assert not ONE_OF_MANY.search(text), text


def test_plurals() -> None:
    assert [plural(one) for one in ("zone", "entry", "day", "address")] == ["zones", "entries", "days", "addresses"]
