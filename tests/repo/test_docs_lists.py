# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that list things list all of them."""

import re

import pytest

from appliance.control.zone_status import COLUMNS
from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit


def test_every_page_is_listed() -> None:
    listed = set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", (ROOT / "docs" / "README.md").read_text()))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} == listed


def test_every_column_of_zone_status_is_told() -> None:
    """`added` and `frozen` were missing."""
    table = (ROOT / "docs" / "watch.md").read_text().partition("## Each zone")[2].partition("## Health")[0]
    first = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert set(COLUMNS) == {word for cell in first for word in re.findall(r"`(\w+)`", cell)}
