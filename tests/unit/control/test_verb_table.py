# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb table: each row has its command, its function, its rendering and its line in docs/control.md."""

import inspect
from pathlib import Path
from typing import Any

import click
import pytest

from appliance.cli import output
from appliance.cli.main import cli
from appliance.control.verb_table import BY_NAME, VERBS, Row, checked
from appliance.control.verbs import Verbs
from appliance.errors import ApplianceError

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs/control.md").read_text()


@pytest.mark.parametrize("row", VERBS, ids=lambda row: row.name)
def test_row(row: Row) -> None:
    for words in row.commands:
        command: click.Command = cli
        for word in words.split():
            assert isinstance(command, click.Group)
            command = command.commands[word]
        known = {parameter.name for parameter in command.params}
        assert known == {argument.name for argument in row.arguments} | {"timeout", "config", "as_json"}
    assert len(inspect.signature(getattr(output, row.rendering)).parameters) == 1
    assert f"\n{_line(row)}\n" in PAGE


def _line(row: Row) -> str:
    commands = ", ".join(f"`appliance {words}`" for words in row.commands)
    arguments = [f"`{one.name}` ({one.kind}{', required' if one.required else ''})" for one in row.arguments]
    socket = "both" if row.access == "read" else "control"
    return f"| `{row.name}` | {commands} | {socket} | {', '.join(arguments)}{' ' if arguments else ''}|"


def test_no_verb_without_a_row() -> None:
    parts: Any = None
    verbs = Verbs(parts, parts, (), parts)
    assert list(verbs.control) == [row.name for row in VERBS]
    assert list(verbs.reading) == [row.name for row in VERBS if row.access == "read"]
    assert verbs._functions.keys() | verbs._waiting.keys() | verbs._bulk.keys() == BY_NAME.keys()
    assert verbs._bulk.keys() == {row.name for row in VERBS if row.bulk}


@pytest.mark.parametrize(
    ("verb", "given", "refused"),
    [
        ("status", {"zone": "a."}, "verb status: unknown argument 'zone'; known are zones"),
        ("stop", {"now": True}, "verb stop: unknown argument 'now'; there are none"),
        ("status", {"zones": 1}, "verb status: zones must be true or false, not 1"),
        ("reload", {"zone": ["a."]}, "verb reload: zone must be text, not ['a.']"),
        ("reload", {"allow_removal": 7}, "verb reload: allow_removal must be text, not 7"),
        ("journal", {}, "verb journal: zone is missing"),
        ("journal", {"zone": ""}, "verb journal: zone is missing"),
        ("detach", {"interface": None}, "verb detach: interface must be text, not None"),
    ],
)
def test_bad_arguments(verb: str, given: dict[str, Any], refused: str) -> None:
    with pytest.raises(ApplianceError) as error:
        checked(BY_NAME[verb], given)
    assert str(error.value) == refused


def test_what_is_not_given_is_empty() -> None:
    assert checked(BY_NAME["detach"], {"interface": "eth0"}) == {"interface": "eth0", "force": False}
