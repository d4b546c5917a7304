# SPDX-License-Identifier: GPL-3.0-or-later
"""The octets of stores as this checkout and another commit write them: the same zones, changes and images, compared.

The other commit is unpacked and built in a folder that goes afterwards; the path of a folder that has it built already
spares that. Both sides run the same driver, each with its own `appliance`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from appliance.errors import StateError
from bench.figures import Figure, at_most, plain
from bench.zones import usual

PARTS: Final = frozenset(("small", "large"))
USUAL: Final = frozenset(("small",))
_AMOUNTS: Final = {
    "small": {"steps": 100, "copies": 1_000, "cuts": 10_000},
    "large": {"steps": 1_000, "copies": 10_000, "cuts": 100_000},
}
_CHECKOUT: Final = usual.CHECKOUT


def measure(
    commit: str, root_zone: Path | None, work: Path, note: Callable[[str], None], parts: frozenset[str]
) -> Iterator[Figure]:
    """Yield for each case how many of its steps have other octets."""
    if not commit:
        raise StateError("octets needs the commit to compare with: python -m bench octets COMMIT")
    path, what = usual.root_zone(root_zone, work)
    note(what)
    files = [(str(path), "."), *((str(one), one.stem + ".") for one in _examples())]
    with tempfile.TemporaryDirectory(prefix="octets-") as folder:
        theirs = _unpacked(commit, Path(folder))
        note(f"{commit} is built")
        for part in sorted(parts, reverse=True):
            given = {**_AMOUNTS[part], "files": files}
            yield from _compared(part, given, theirs, Path(folder))


def _examples() -> list[Path]:
    found = [one for one in sorted((_CHECKOUT / "appliance" / "examples").glob("*.zone")) if one.stem != "root"]
    return found + sorted((_CHECKOUT / "tests" / "interop" / "zones").glob("*.zone"))


def _unpacked(commit: str, folder: Path) -> Path:
    """Unpack a commit, or take a folder that has one built already; return the folder."""
    if (Path(commit) / "appliance").is_dir():
        return Path(commit)
    where = folder / "commit"
    where.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=_CHECKOUT, check=False, capture_output=True)
    if archive.returncode:
        raise StateError(f"commit {commit} cannot be unpacked: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "x"], cwd=where, input=archive.stdout, check=True)
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(build, cwd=where, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StateError(f"commit {commit} cannot be built: {done.stderr[-2000:]}")
    return where


def _compared(part: str, given: Mapping[str, Any], theirs: Path, folder: Path) -> Iterator[Figure]:
    runs = [_run(side, given, folder) for side in (theirs, _CHECKOUT)]
    for (name, before, spent), (_, after, now) in zip(*runs, strict=True):
        other = list(_differing(before, after))
        detail: dict[str, float | str] = {"steps": float(len(before)), "seconds_before": spent, "seconds": now}
        if other:
            detail["first"] = ": ".join(other[0])
        yield at_most(f"octets_{part}_{name.replace(' ', '_')}", len(other), "arrays", 0, **detail)
    yield plain(f"octets_{part}_time", _total(runs[1]) / _total(runs[0]), "x")


def _differing(
    before: Sequence[tuple[str, Mapping[str, str]]], after: Sequence[tuple[str, Mapping[str, str]]]
) -> Iterator[tuple[str, str]]:
    """Yield the steps and arrays that differ."""
    if [step for step, _ in before] != [step for step, _ in after]:
        yield "all", "other steps"
        return
    for (step, old), (_, new) in zip(before, after, strict=True):
        yield from ((step, array) for array in old if old[array] != new[array])


def _total(run: list[tuple[str, Any, float]]) -> float:
    return sum(spent for _, _, spent in run)


def _run(side: Path, given: Mapping[str, Any], folder: Path) -> list[tuple[str, Any, float]]:
    """Run the driver with one side's package; the driver itself is always this checkout's."""
    place = Path(tempfile.mkdtemp(dir=folder))
    for name, root in (("appliance", side), ("ebpf", side), ("bench", _CHECKOUT), ("tests", _CHECKOUT)):
        (place / name).symlink_to(root / name)
    command = [sys.executable, "-m", "bench.suites.octets_driver", json.dumps(given)]
    same_sets = {**os.environ, "PYTHONHASHSEED": "0"}  # the order in which names are written is that of sets
    done = subprocess.run(command, cwd=place, env=same_sets, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StateError(f"the driver failed with {side}: {done.stderr[-4000:]}")
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]
