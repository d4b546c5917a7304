# SPDX-License-Identifier: GPL-3.0-or-later
"""No program comes near the million steps after which a kernel's verifier gives up; other kernels count otherwise."""

import os
import re
from pathlib import Path

import pytest

from appliance.datapath.loader import PROGRAMS
from tests.datapath.lab import Lab

pytestmark = pytest.mark.datapath

STEPS = 750_000
"""A quarter of the limit is kept back. Most on Linux 6.1: 570,000, on 6.18: 430,000."""


def verified_steps(fd: int) -> int:
    """Return how many instructions the kernel followed to judge a program (Linux 5.16); it gives up after a million."""
    found = re.search(r"^verified_insns:\s+(\d+)$", Path(f"/proc/self/fdinfo/{fd}").read_text(), re.MULTILINE)
    assert found, "the kernel does not tell verified_insns in fdinfo"
    return int(found[1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_judged_well_within_the_limit(lab: Lab, name: str) -> None:
    fd = lab.generation.program_fd(name)
    try:
        assert 0 < verified_steps(fd) <= STEPS
    finally:
        os.close(fd)
