# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.figures_page`: write the figures of bench/results into the marked section of docs/figures.md."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.figures import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "figures.md"
_SECTION = re.compile(r"(<!-- figures:begin[^\n]*-->\n).*?(<!-- figures:end -->)", re.DOTALL)
_MEANINGS = {"unit_ns": "u, the time of the frozen sketch"}


def table(results: dict[str, Any]) -> str:
    """Return one suite as a Markdown table with the machine above it."""
    machine = results["machine"]
    kernel = ".".join(machine["kernel"].split(".")[:2])
    lines = [
        f"## {results['suite']}",
        "",
        f"{machine['cores']} cores of {machine['cpu']}, Linux {kernel}; {'; '.join(results['notes'])}.",
        "",
        "| figure | value | unit | limit | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for figure in results["figures"]:
        verdict = {True: "reached", False: "not reached", None: _MEANINGS.get(figure["name"], "")}[figure["passed"]]
        lines.append(
            f"| `{figure['name']}` | {_short(figure['value'])} | {figure['unit']} | {figure['limit']} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def write(page: Path, results: Path) -> int:
    """Replace the section of `page` by a table for each file in `results`; return the number of tables.

    The page stays as it is when there is no file.
    """
    files = sorted(results.glob("*.json"))
    if files:
        tables = "\n".join(table(json.loads(path.read_text())) for path in files)
        page.write_text(_SECTION.sub(lambda found: found.group(1) + tables + found.group(2), page.read_text()))
    return len(files)


def main() -> int:
    """Write the page; return 1 when nothing was measured yet."""
    if not write(PAGE, RESULTS):
        print("bench.figures_page: no bench/results/*.json; run `make bench SUITE=nic` first", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
