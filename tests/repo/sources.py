# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this project's own sources are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_files() -> list[Path]:
    """Return every Python file of the project, in order."""
    folders = ("appliance", "bench", "demo", "tests")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "work" not in path.parts[-3:-1]]
    return sorted([*found, ROOT / "setup.py"])


def c_files() -> list[Path]:
    """Return every C source and header, in order, but the frozen baseline of the measurements, which nobody edits."""
    folders = ("ebpf", "bench", "tests", "appliance")
    found = [path for folder in folders for kind in ("*.c", "*.h") for path in (ROOT / folder).rglob(kind)]
    frozen = ROOT / "bench" / "baseline"
    return sorted(path for path in found if not _generated(path) and frozen not in path.parents)


def _generated(path: Path) -> bool:
    return path.suffix == ".c" and path.with_suffix(".py").exists()  # what Cython writes


def relative(path: Path) -> str:
    """Return the path as the repository names it."""
    return str(path.relative_to(ROOT))
