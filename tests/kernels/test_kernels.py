# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own kernel, which users have, loads the program and answers right; its verifier is stricter than most."""

import os
import re
import subprocess

import pytest

from tests.repo.sources import ROOT

pytestmark = [pytest.mark.kernels, pytest.mark.timeout(1200), pytest.mark.xdist_group("kernels")]

_SHORT_TABLE = "tests/datapath/test_answers.py::test_answer"
"""`make test-kernels` runs the rest: an emulated processor is slow."""


@pytest.fixture(scope="module")
def console() -> str:
    """Return what the 6.1 guest printed, after checking that it ended well."""
    command = [str(ROOT / "tests/kernels/matrix.sh"), "6.1"]
    environment = {**os.environ, "KERNEL_TIMEOUT": "1000", "KERNEL_TESTS": _SHORT_TABLE}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1150)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_live_answers_native_on_virtio(console: str) -> None:
    assert re.search(r"^live eth0 native: [1-9]\d* answers, 0 wrong$", console, re.MULTILINE)


def test_live_answers_generic_on_e1000e(console: str) -> None:
    assert re.search(r"^live eth2 generic: [1-9]\d* answers, 0 wrong$", console, re.MULTILINE)


def test_packet_tables(console: str) -> None:
    assert re.search(r"^[1-9]\d* passed(, \d+ deselected)? in ", console, re.MULTILINE)
    assert "skipped" not in console
