# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootstrap.sh watches is what setup.py compiles: an edited module is built again."""

import re
from pathlib import Path

import pytest

from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit


def test_every_compiled_module_is_watched() -> None:
    compiled = re.findall(r'"(appliance\.[\w.]+)": \[', (ROOT / "setup.py").read_text())
    assert compiled
    for module in compiled:
        source = ROOT / Path(*module.split("."))
        assert source.with_suffix(".py").exists(), module
        assert source.with_suffix(".pxd").exists(), f"{module} has no .pxd, by which bootstrap.sh finds it"
    assert "${file%.pxd}.py" in (ROOT / "provisioning" / "bootstrap.sh").read_text()
