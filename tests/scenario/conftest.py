# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenarios."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.network import Pair
from tests.datapath.fixtures import module_name, own_bpffs
from tests.scenario.language import Scenario

__all__ = ["module_name", "own_bpffs"]


@pytest.fixture
def scenario(veth_pair: Pair, own_bpffs: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scenario]:
    """Yield a site that does not run yet; its random numbers come from the name of the test."""
    made = Scenario(veth_pair, tmp_path, random.Random(request.node.name))
    try:
        yield made
    finally:
        made.end()
