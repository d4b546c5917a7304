# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to files, lists and folders: good zones are served as they are, broken ones as they were."""

import os
from pathlib import Path

import pytest

from tests.property.zone_events import lived

STEPS = 12
SEED = int(os.environ.get("ZONE_EVENTS_SEED", "20261130"))
"""Of the first sequence; each one that fails prints its own."""


@pytest.mark.property
@pytest.mark.parametrize("sequence", range(12))
def test_each_zone_for_itself(tmp_path: Path, sequence: int) -> None:
    lived(tmp_path / "world", SEED + sequence, STEPS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_sequences(tmp_path: Path) -> None:
    for sequence in range(300):
        lived(tmp_path / "world", SEED + 1000 + sequence, 3 * STEPS)
