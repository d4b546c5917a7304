# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.readme`: write the figures of bench/results into the README's marked section."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_SECTION = re.compile(r"(<!-- figures:begin[^\n]*-->\n).*?(<!-- figures:end -->)", re.DOTALL)
_TOLD = {"unit_ns": "u, the time of the frozen sketch"}


def table(results: dict[str, Any]) -> str:
    """Return one suite as a Markdown table with the machine above it."""
    machine = results["machine"]
    kernel = ".".join(machine["kernel"].split(".")[:2])
    lines = [
        f"Suite `{results['suite']}`: {machine['cores']} cores of {machine['cpu']}, Linux {kernel}; "
        f"{'; '.join(results['notes'])}.",
        "",
        "| figure | value | unit | limit | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for figure in results["figures"]:
        verdict = {True: "reached", False: "not reached", None: _TOLD.get(figure["name"], "")}[figure["passed"]]
        value = figure["value"]
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        lines.append(f"| `{figure['name']}` | {shown} | {figure['unit']} | {figure['limit']} | {verdict} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Rewrite the section from every results file there is; exit 1 when there is none."""
    files = sorted((ROOT / "bench" / "results").glob("*.json"))
    if not files:
        print("bench.readme: no bench/results/*.json; run `make bench SUITE=nic` first", file=sys.stderr)
        return 1
    tables = "\n".join(table(json.loads(path.read_text())) for path in files)
    readme = ROOT / "README.md"
    readme.write_text(_SECTION.sub(lambda found: found.group(1) + tables + found.group(2), readme.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
