# SPDX-License-Identifier: GPL-3.0-or-later
"""Each source file names its licence, and each Python module says what it is for."""

import ast

import pytest

from tests.repo.sources import ROOT, c_files, python_files, relative

pytestmark = pytest.mark.unit

LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"


def test_licence_line() -> None:
    scripts = [*ROOT.glob("provisioning/*.sh"), *ROOT.glob("tests/**/*.sh"), *ROOT.glob("hw-profiles/*.toml")]
    files = [*python_files(), *c_files(), *scripts, ROOT / "Makefile", ROOT / ".ci/run"]
    without = [relative(path) for path in files if LICENCE not in "\n".join(path.read_text().splitlines()[:2])]
    assert not without, f"the first two lines lack '{LICENCE}': {without}"


def test_module_docstring() -> None:
    without = [relative(path) for path in python_files() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not without, f"no module docstring: {without}"


def test_licence_text() -> None:
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 3" in (ROOT / "LICENSE").read_text()
