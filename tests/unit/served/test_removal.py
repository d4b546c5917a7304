# SPDX-License-Identifier: GPL-3.0-or-later
"""How many zones may go at a time, and how an operator lets more go."""

import pytest

from appliance.errors import StateError
from appliance.served.removal import RemovalLimit
from appliance.zone import names

pytestmark = pytest.mark.unit


def zones(count: int) -> list[bytes]:
    return [names.from_text(f"z{number}.test.") for number in range(count)]


@pytest.mark.parametrize(
    ("percent", "least", "gone", "of", "may"),
    [
        (50, 10, 10, 10, True),
        (50, 10, 11, 20, False),
        (50, 10, 50, 100, True),
        (50, 10, 51, 100, False),
        (0, 0, 1, 100, False),
        (100, 0, 100, 100, True),
        (50, 10, 0, 0, True),
    ],
)
def test_how_many_may_go(percent: int, least: int, gone: int, of: int, may: bool) -> None:
    limit = RemovalLimit(percent, least)
    assert sorted(limit.judge(zones(gone), of)) == (sorted(zones(gone)) if may else [])
    assert (limit.held is None) == may


def test_what_is_empty_is_asked_about() -> None:
    limit = RemovalLimit(50, 10)
    assert limit.judge(zones(1), 100, ["zones.list"]) == ()
    assert "because zones.list is empty" in str(limit.held)


def test_only_the_very_set_is_let_go() -> None:
    limit = RemovalLimit(50, 10)
    limit.judge(zones(60), 100)
    assert limit.held is not None
    number = limit.held.number
    assert limit.held.described()["first"][:2] == ["z0.test.", "z1.test."]
    other = [*zones(59), names.from_text("other.test.")]
    with pytest.raises(StateError, match=r"another set now, nothing was removed\. 60 of 100 zones"):
        limit.judge(other, 100, (), number)
    assert limit.held.number not in ("", number)
    with pytest.raises(StateError, match="5 zones are to be removed now, for which `appliance reload` is enough"):
        limit.judge(zones(5), 100, (), number)
    with pytest.raises(StateError, match="no zone is to be removed"):
        limit.judge([], 100, (), number)
    assert len(limit.judge(zones(60)[::-1], 100, (), number)) == 60
    assert limit.held is None
