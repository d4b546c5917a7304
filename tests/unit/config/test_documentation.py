# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/configuration.md names every key with its default, and every example in the documentation loads."""

import re
from pathlib import Path

import msgspec
import pytest

from appliance.config.describe import sentences
from appliance.config.difference import RESTART
from appliance.config.load import examine
from appliance.config.schema import Config
from appliance.config.sections import ARRAYS, TABLES

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/configuration.md").read_text()
SECTIONS = {f"[{name}]": kind for name, kind in TABLES.items()} | {f"[[{name}]]": kind for name, kind in ARRAYS.items()}
EXAMPLES = [
    (path.name, number, text)
    for path in sorted((ROOT / "docs").glob("*.md"))
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", path.read_text(), re.DOTALL))
]


def documented(table: str) -> dict[str, str]:
    """Return the keys of one table of the page with their defaults, as written."""
    section = PAGE.split(f"## {table}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `([\w-]+)` \| (?:`(.*?)`)? ?\|", section, re.MULTILINE))


def meanings(table: str) -> dict[str, str]:
    """Return the keys of one table of the page with what is said of them."""
    section = PAGE.split(f"## {table}\n", 1)[1].split("\n## ", 1)[0].split("\n\n", 1)
    return dict(re.findall(r"^\| `([\w-]+)` \| [^|]*\| (.*) \|$", "\n\n".join(section), re.MULTILINE))


@pytest.mark.parametrize("table", SECTIONS)
def test_every_key_has_its_sentence(table: str) -> None:
    said = sentences()[table.strip("[]")]
    assert list(said) == [field.encode_name for field in msgspec.structs.fields(SECTIONS[table])]
    assert {key: text for key, text in meanings(table).items() if key in said} == said


def test_what_needs_a_restart_says_so() -> None:
    said: dict[str, str] = {}
    for table in SECTIONS:
        said |= {f"{table.strip('[]')}.{key}": text for key, text in sentences()[table.strip("[]")].items()}
    assert {key for key, text in said.items() if text.endswith(". A change needs a restart")} == set(RESTART)
    page = (ROOT / "docs/apply.md").read_text().partition("## What needs a restart")[2]
    assert [key for key, reason in RESTART.items() if f"`{key}`" not in page or reason not in page] == []


def test_every_table_is_tested_here() -> None:
    named = {name.strip("[]") for name in SECTIONS} | {"include"}
    assert {field.name for field in msgspec.structs.fields(Config)} == named


@pytest.mark.parametrize("table", SECTIONS)
def test_every_key_with_its_default(table: str) -> None:
    found = documented(table)
    fields = {field.encode_name: field for field in msgspec.structs.fields(SECTIONS[table])}
    assert list(found) == list(fields)
    for name, field in fields.items():
        if field.required:
            assert not found[name]
        else:
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert found[name] == msgspec.json.encode(default).decode().replace(",", ", "), name


@pytest.mark.parametrize(("page", "number", "text"), EXAMPLES)
def test_examples_load(page: str, number: int, text: str, tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(text)
    assert examine(tmp_path / "appliance.toml")[1] == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
