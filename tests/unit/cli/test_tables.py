# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables fit their width and lose nothing; sizes and times read as people say them."""

import pytest

from appliance.cli.applied import show_applied
from appliance.cli.quantities import ago, lasting, size
from appliance.cli.stats_output import show_estimate
from appliance.cli.tables import Cell, lines
from appliance.cli.zone_status import show_zone_status
from appliance.cli.zones_output import show_versions

pytestmark = pytest.mark.unit

LONG = "its file cannot be: " + "/srv/zones/" + "x" * 70 + ".zone:1: neither a record nor a directive begins like this"


@pytest.mark.parametrize("width", [80, 60])
def test_a_table_fits_and_loses_nothing(width: int) -> None:
    row: list[Cell | str] = [
        "customer-with-a-long-name.example.",
        Cell("serving", "green"),
        "2026120101",
        "3 min ago",
        LONG,
    ]
    shown = list(lines(["zone", "state", "serial", "since", "remark"], [row, row], right=("serial",), width=width))
    assert max(map(len, shown)) <= width
    squeezed = "".join("".join(shown).split())
    for letter in set(LONG) - {" "}:
        assert squeezed.count(letter) >= 2 * LONG.count(letter)


def test_columns_that_are_as_wide_stay_about_as_wide() -> None:
    """The first of them was made as narrow as can be, and the others kept what they had."""
    (heading, first, *_) = lines(["a", "b", "c"], [["a" * 100, "b" * 100, "c" * 100]], width=80)
    assert heading.split() == ["a", "b", "c"]
    assert {len(one) for one in first.split()} <= {25, 26}


def test_a_file_gets_every_row_in_one_line() -> None:
    shown = list(lines(["zone", "remark"], [["a.", LONG], ["b.", ""]], width=0))
    assert shown == ["zone  remark", f"a.    {LONG}", "b."]


def test_no_cell_moves_the_cursor() -> None:
    shown = list(lines(["zone"], [["a\x1b[2J\nb"]], width=0))
    assert shown[1] == "a\\x1b[2J\\nb"


def test_brackets_in_a_name_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """They were taken for marks of a colour, and left out."""
    show_versions({"versions": [{"serial": 7, "since": None, "source": "/srv/[red]/a.zone"}]})
    assert capsys.readouterr().out == "serial  served since  from\n     7  earlier       /srv/[red]/a.zone  served\n"


def test_an_apply_with_a_zone_that_cannot_be_read_says_that_it_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    """It ended with 1 and without a word on whether the rest was changed."""
    zones = {"new": ["a."], "gone": [], "elsewhere": [], "settings": []}
    outcomes = [{"zone": "a.", "ok": False, "outcome": "cannot be read"}]
    told = {"changes": [], "zones": zones, "outcomes": outcomes, "problems": [], "restart": []}
    show_applied({**told, "ok": False, "dry_run": False})
    said = capsys.readouterr().out.splitlines()
    assert said == ["1 zone new: a.", "applied, but 1 zone cannot be read; `appliance zone status --bad` says why"]


def test_no_bad_zone_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    show_zone_status({"zones": [], "now": 0, "bad": True})
    assert capsys.readouterr().out == "no zone is bad\n"


def test_numbers_are_the_same_on_a_terminal_and_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    store = {"zones": 1, "names": 2, "nodes": 1, "fragments": 3, "sharing": 1.5, "heap_octets": 1 << 21}
    given = {"memory_mib": 1500, "store_mib": 2, "peak_mib": 2000, "seconds": 0.5, "allowed_mib": 16, "fits": True}
    show_estimate({**given, "store": store})
    assert capsys.readouterr().out.splitlines() == [
        "1,500 MiB of memory, 2 of them for the answer store; 2,000 MiB while it is loaded, 0.5 s to load",
        "it fits into [store] memory_mib = 16",
        "answer store: 1 zone, 2 names, 1 node, 3 fragments, each used 1.50 times",
        "octets of   MiB",
        "heap       2.00",
    ]


def test_narrow_terminals_get_no_endless_loop() -> None:
    shown = list(lines(["zone", "remark"], [["z" * 30, "r" * 30]], width=5))
    assert sum(one.count("z") for one in shown) == 31


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_575, "1.0 MiB"),
        (10 << 20, "10 MiB"),
        (1023 << 20, "1023 MiB"),
        (5 << 40, "5.0 TiB"),
        (5000 << 40, "5000 TiB"),
    ],
)
def test_sizes(octets: int, said: str) -> None:
    assert size(octets) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (0, "now"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (86400, "1 day ago"),
        (-5 * 86400, "in 5 days"),
        (1_000_000_000, "1970-01-01 00:00 UTC"),
    ],
)
def test_times(before: int, said: str) -> None:
    assert ago(1_000_000_000 - before, 1_000_000_000) == said
    assert ago(None, 1.0) == ""


def test_lengths_of_time() -> None:
    assert [lasting(one) for one in (0.5, 1, 59, 60, 7300, 200_000)] == [
        "0 seconds", "1 second", "59 seconds", "1 minute", "2 hours", "2 days"
    ]  # fmt: skip
