# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests lie where the modules lie that they are about."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, relative

pytestmark = pytest.mark.unit

UNIT = ROOT / "tests" / "unit"
PACKAGE = ROOT / "appliance"


def folders(tree: Path) -> set[str]:
    """Return the folders below one that hold Python files, by their names from there."""
    return {str(path.parent.relative_to(tree)) for path in tree.rglob("*.py")}


def test_every_folder_is_one_of_the_package() -> None:
    assert folders(UNIT) - folders(PACKAGE) == set()


def test_beside_the_folders_lie_only_tests_of_modules_that_lie_there() -> None:
    named = {path.stem.removeprefix("test_") for path in UNIT.glob("*.py")}
    assert [name for name in named if not (PACKAGE / f"{name}.py").exists()] == []


def modules_used(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests.unit."):
            yield node.module


def test_what_other_kinds_of_tests_use_lies_elsewhere() -> None:
    """A module that only helps may lie in `tests/unit` as long as only tests there use it."""
    others = [path for path in (ROOT / "tests").rglob("*.py") if UNIT not in path.parents]
    wrong = [
        f"{relative(path)} imports {name}"
        for path in sorted(others)
        for name in modules_used(path)
        if not name.rpartition(".")[2].startswith("test_")
    ]
    assert not wrong, "move the helper to tests/stores or tests/harness:\n" + "\n".join(wrong)
