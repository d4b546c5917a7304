# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure, its limit, and the report that prints and keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured number. `limit` is a text such as "<=0.7", or "-" for a number that is only told."""

    name: str
    value: float
    unit: str
    limit: str = "-"
    passed: bool | None = None
    detail: dict[str, float | str] = field(default_factory=dict)

    def line(self) -> str:
        """Write `name value unit limit pass|fail`, then what was seen beside it."""
        verdict = "-" if self.passed is None else "pass" if self.passed else "fail"
        beside = "".join(f"  {key}={_short(value)}" for key, value in self.detail.items())
        return f"{self.name} {_short(self.value)} {self.unit} {self.limit} {verdict}{beside}"


def at_most(name: str, value: float, unit: str, limit: float, **detail: float | str) -> Figure:
    """Judge a figure that must not exceed its limit."""
    return Figure(name, value, unit, f"<={limit:g}", value <= limit, detail)


def at_least(name: str, value: float, unit: str, limit: float, **detail: float | str) -> Figure:
    """Judge a figure that must reach its limit."""
    return Figure(name, value, unit, f">={limit:g}", value >= limit, detail)


def plain(name: str, value: float, unit: str, **detail: float | str) -> Figure:
    """Tell a figure that has no limit."""
    return Figure(name, value, unit, detail=detail)


class Report:
    """Print each line when it is known; keep everything in results/SUITE.json."""

    def __init__(self, suite: str, machine: dict[str, str]) -> None:
        self.suite = suite
        self.machine = machine
        self.notes: list[str] = []
        self.figures: list[Figure] = []
        for key, value in machine.items():
            print(f"# {key}: {value}", flush=True)

    def note(self, text: str) -> None:
        """Say something the reader of the figures must know."""
        self.notes.append(text)
        print(f"# {text}", flush=True)

    def add(self, figure: Figure) -> None:
        """Take a figure up and print it."""
        self.figures.append(figure)
        print(figure.line(), flush=True)

    def save(self, folder: Path = RESULTS) -> Path:
        """Write the JSON file and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.suite}.json"
        content = {
            "suite": self.suite,
            "machine": self.machine,
            "notes": self.notes,
            "figures": [asdict(figure) for figure in self.figures],
        }
        path.write_text(json.dumps(content, indent=2) + "\n")
        return path


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
