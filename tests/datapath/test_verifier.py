# SPDX-License-Identifier: GPL-3.0-or-later
"""No program comes near the million steps after which a kernel's verifier gives up; other kernels count otherwise."""

import os

import pytest

from appliance.datapath.loader import PROGRAMS
from appliance.datapath.syscall import verified_steps
from tests.datapath.lab import Lab

pytestmark = pytest.mark.datapath

STEPS = 750_000
"""A quarter of the limit is kept back. Most on Linux 6.1: 570,000, on 6.18: 430,000."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_judged_well_within_the_limit(lab: Lab, name: str) -> None:
    fd = lab.generation.program_fd(name)
    try:
        assert 0 < verified_steps(fd) <= STEPS
    finally:
        os.close(fd)
