# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of figures is made from the kept results, and the README quotes it right."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.figures_page import PAGE, write
from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit

RESULTS: dict[str, Any] = {
    "suite": "small",
    "machine": {"cores": "2", "cpu": "Some CPU", "kernel": "6.18.1-cloud x86_64"},
    "notes": ["one note", "another"],
    "figures": [
        {"name": "unit_ns", "value": 202.96, "unit": "ns", "limit": "-", "passed": None},
        {"name": "first", "value": 1.3579, "unit": "u", "limit": "<=1.8", "passed": True},
        {"name": "second", "value": 1481.7, "unit": "MiB", "limit": "<=180", "passed": False},
    ],
}
PEERS = {"NSD": "nsd", "Knot DNS": "knot", "BIND": "bind", "YADIFA": "yadifa", "PowerDNS": "pdns"}
STARTS = {"530,000 delegations": "530k", "5,300,000 delegations": "5300k", "100,000 zones": "many"}
"""Words of a row of the README, and what they are called in the figures."""


def test_section_is_replaced(tmp_path: Path) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results"
    results.mkdir()
    page.write_text("before\n<!-- figures:begin (x) -->\nold\n<!-- figures:end -->\nafter\n")
    assert write(page, results) == 0
    assert "old" in page.read_text()
    (results / "small.json").write_text(json.dumps(RESULTS))
    assert write(page, results) == 1
    assert page.read_text() == (
        "before\n<!-- figures:begin (x) -->\n## small\n\n2 cores of Some CPU, Linux 6.18; one note; another.\n\n"
        "| figure | value | unit | limit | |\n| --- | --- | --- | --- | --- |\n"
        "| `unit_ns` | 203 | ns | - | u, the time of the frozen sketch |\n"
        "| `first` | 1.36 | u | <=1.8 | reached |\n| `second` | 1482 | MiB | <=180 | not reached |\n"
        "<!-- figures:end -->\nafter\n"
    )


def shown() -> dict[str, float]:
    """Return the figures of the page by name."""
    return {
        name: float(value) for name, value in re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE.read_text(), re.MULTILINE)
    }


def rows() -> dict[str, tuple[str, str]]:
    """Return the rows of the README's comparison: what, here, others."""
    section = (ROOT / "README.md").read_text().split("## Compared with other servers", 1)[1].split("\n## ", 1)[0]
    cells = [re.split(r" *\| *", line)[1:4] for line in section.splitlines() if line.startswith("| ")]
    return {what: (here.replace("**", ""), others) for what, here, others in cells[2:]}


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 20 else f"{value:.0f} s"


def test_the_comparison_has_eight_rows() -> None:
    assert len(rows()) == 8


@pytest.mark.parametrize(("words", "part"), STARTS.items())
def test_starts_are_quoted_right(words: str, part: str) -> None:
    here, others = next(cells for what, cells in rows().items() if what.endswith(f", {words}") and "start" in what)
    figures = shown()
    assert here == seconds(figures[f"scale_{part}_cold"])
    quoted = dict(re.findall(r"([A-Z][A-Za-z ]+) ([\d.]+ s)", others))
    assert quoted == {
        name: seconds(figures[f"scale_{part}_{peer}_cold"])
        for name, peer in PEERS.items()
        if f"scale_{part}_{peer}_cold" in figures
    }


def test_ratios_memory_and_changes_are_quoted_right() -> None:
    figures = shown()
    per_core, proofs_per_core, proofs = list(rows().values())[:3]
    knot, nsd = figures["peers_nsec3_knot_cpu_factor"], figures["peers_nsec3_nsd_cpu_factor"]
    assert per_core == (f"{figures['nsd_cpu_factor']:.0f}", "NSD 1")
    assert proofs_per_core == (f"{knot:.0f}", f"Knot DNS 1, NSD {knot / nsd:.1f}")
    assert proofs[0] == f"{figures['peers_nsec3_factor']:.1f}"
    memory, changes = list(rows().values())[6:]
    assert memory[0] == f"{figures['scale_530k_cold_memory']:.0f} MiB"
    small, large = figures["scale_change_1000_530k"], figures["scale_change_1000_5300k"]
    assert changes[0] == f"{small:.1f} ms ({large:.1f} ms)"
