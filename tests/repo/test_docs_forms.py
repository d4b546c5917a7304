# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that are tables keep their form, and the page of figures is what the kept results say."""

import re
from pathlib import Path

import pytest

from bench.figures import RESULTS
from bench.figures_page import PAGE, write
from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit

FORMS = {
    "experiments.md": ["date", "machine", "what", "figure", "verdict"],
    "gaps.md": ["gap", "now", "wanted", "next step"],
}
_VERDICT = re.compile(r"(in|not in|seen|not tried)(,|$)")
_DATE = re.compile(r"20\d\d-\d\d(-\d\d)?")


def rows(page: Path) -> list[list[str]]:
    """Return the cells of each row of the page's tables, without the lines of dashes below a head."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if set(row) != {"---"}]


@pytest.mark.parametrize("name", FORMS)
def test_tables_have_the_columns(name: str) -> None:
    page = ROOT / "docs" / name
    head = FORMS[name]
    sections = page.read_text().split("\n## ")[1:]
    assert sections
    for section in sections:
        assert f"| {' | '.join(head)} |" in section, section.splitlines()[0]
    assert [row for row in rows(page) if len(row) != len(head) or not all(row)] == []


def test_experiments_have_a_date_and_a_verdict() -> None:
    body = [row for row in rows(ROOT / "docs" / "experiments.md") if row[0] != "date"]
    assert body
    assert [row for row in body if not _DATE.fullmatch(row[0]) or not _VERDICT.match(row[-1])] == []


def test_the_page_of_figures_is_what_was_kept(tmp_path: Path) -> None:
    copy = tmp_path / PAGE.name
    copy.write_text(PAGE.read_text())
    assert write(copy, RESULTS)
    assert copy.read_text() == PAGE.read_text(), "run .venv/bin/python -m bench.figures_page"
