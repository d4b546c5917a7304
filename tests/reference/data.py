# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones under tests/data/zones: each file says its origin, a malformed one also what is to be found in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from appliance.zone import names

FOLDER = Path(__file__).parents[1] / "data" / "zones"
EXAMPLES = Path(names.__file__).parents[1] / "examples"


@dataclass(frozen=True)
class DataZone:
    """A zone file. expectations: (file, line, severity, part of the reason) of each finding in a malformed one."""

    path: Path
    origin: bytes
    expectations: tuple[tuple[str, int, str, str], ...] = field(default=())


def _read(path: Path) -> DataZone:
    origin = ""
    expected = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("; origin: "):
            origin = line.removeprefix("; origin: ")
        elif line.startswith("; expect: "):
            place, severity, reason = line.removeprefix("; expect: ").split(" ", 2)
            file, _, number = place.rpartition(":")
            expected.append((file or path.name, int(number), severity, reason))
    return DataZone(path, names.from_text(origin), tuple(expected))


def good_zones() -> list[DataZone]:
    """Return the zones that must load."""
    return [_read(path) for path in sorted(FOLDER.glob("*.zone"))]


def bad_zones() -> list[DataZone]:
    """Return the zones that must be refused, with all that is to be said of them."""
    return [_read(path) for path in sorted((FOLDER / "bad").glob("*.zone"))]


def example_zones() -> list[DataZone]:
    """Return the bundled examples."""
    origins = {"root": "."}
    return [
        DataZone(path, names.from_text(origins.get(path.stem, f"{path.stem}.")))
        for path in sorted(EXAMPLES.glob("*.zone"))
    ]
