# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own kernel, which users have, loads the program and answers right; its verifier is stricter than most."""

import os
import re
import subprocess

import pytest

from tests.repo.sources import ROOT

pytestmark = [pytest.mark.kernels, pytest.mark.timeout(900), pytest.mark.xdist_group("kernels")]


@pytest.fixture(scope="module")
def console() -> str:
    """Return what the 6.1 guest printed, after checking that it ended well."""
    command = [str(ROOT / "tests/kernels/matrix.sh"), "6.1"]
    done = subprocess.run(
        command, env={**os.environ, "KERNEL_TIMEOUT": "600"}, capture_output=True, text=True, check=False, timeout=840
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_live_answers_native_on_virtio(console: str) -> None:
    assert re.search(r"^live eth0 native: [1-9]\d* answers, 0 wrong$", console, re.MULTILINE)


def test_live_answers_generic_on_e1000e(console: str) -> None:
    assert re.search(r"^live eth2 generic: [1-9]\d* answers, 0 wrong$", console, re.MULTILINE)


def test_packet_tables(console: str) -> None:
    assert re.search(r"^[1-9]\d* passed(, \d+ deselected)? in ", console, re.MULTILINE)
    assert "skipped" not in console
