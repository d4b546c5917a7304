# SPDX-License-Identifier: GPL-3.0-or-later
"""The same zones and the same questions for NSD, Knot, BIND and us: every difference has a name."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.differential import Remote, Server, run
from tests.interop.loaded import Loaded
from tests.interop.ours import InProcess
from tests.interop.peers import serving
from tests.interop.questions import Generator
from tests.interop.zonesets import ALL, ZoneSet

QUESTIONS = 11_000
SOAK_QUESTIONS = 100_000


def _compare(zone_set: ZoneSet, count: int, seed: int, folder: Path, name: str) -> None:
    zones = zone_set.write(folder)
    loaded = Loaded.read(zones)
    generator = Generator(list(loaded.zones.values()), seed, dnssec_share=0.5 if zone_set.signed else 0.1)
    systematic = list(itertools.islice(generator.every(), count // 3))
    questions = itertools.chain(systematic, generator.draw(count - len(systematic)))
    with serving(name, folder / "peers", zones, zone_set.peers) as peers:
        servers: list[Server] = [InProcess.of(loaded), *(Remote.peer(peer) for peer in peers)]
        report = run(servers, questions, loaded)
    print(f"{zone_set.name}: {report.summary()}")
    assert report.questions == count
    assert not report.failed, report.text()


@pytest.mark.interop
@pytest.mark.timeout(300)
@pytest.mark.parametrize("zone_set", ALL, ids=lambda zone_set: zone_set.name)
def test_no_difference_without_a_name(zone_set: ZoneSet, tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """Ten zone sets, 110,000 questions in all."""
    _compare(zone_set, QUESTIONS, seed=20260101, folder=tmp_path, name=unique_name())


@pytest.mark.interop
@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 2))
@pytest.mark.parametrize("zone_set", ALL, ids=lambda zone_set: zone_set.name)
def test_sweep(zone_set: ZoneSet, seed: int, tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """The same with ten times as many questions: a million."""
    _compare(zone_set, SOAK_QUESTIONS, seed, tmp_path, unique_name())


@pytest.mark.unit
def test_enough_questions() -> None:
    """The default run asks a hundred thousand questions, the sweep a million."""
    assert len(ALL) * QUESTIONS >= 100_000
    assert len(ALL) * SOAK_QUESTIONS >= 1_000_000
