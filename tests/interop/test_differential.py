# SPDX-License-Identifier: GPL-3.0-or-later
"""The same zones and the same questions for NSD, Knot, BIND and us: every difference has a name."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.differential import Remote, Server, run
from tests.interop.loaded import Loaded
from tests.interop.ours import InProcess
from tests.interop.peers import NAMES, serving
from tests.interop.questions import Generator
from tests.interop.zonesets import ALL, DNSSEC, ZoneSet

QUESTIONS = 7_500
SWEEP_QUESTIONS = 75_000
DNSSEC_QUESTIONS = 10_000
EVERY = 4


def _compare(zone_set: ZoneSet, count: int, seed: int, folder: Path, name: str, dnssec_share: float) -> None:
    """Ask so many questions, a part of them about each name with each type in turn; dnssec_share of them set DO."""
    zones = zone_set.write(folder)
    loaded = Loaded.read(zones)
    whole = zone_set.peers == NAMES  # where NSD is not asked, nobody would vouch for what BIND refuses
    generator = Generator(list(loaded.zones.values()), seed, dnssec_share, meta_types=whole)
    systematic = list(itertools.islice(generator.every(), count // EVERY))
    questions = [*systematic, *generator.draw(count - len(systematic))]
    with serving(name, folder / "peers", zones, zone_set.peers) as peers:
        servers: list[Server] = [InProcess.of(loaded), *(Remote.peer(peer) for peer in peers)]
        report = run(servers, questions, loaded)
    with_do = sum(question.dnssec_ok for question in questions)
    print(f"{zone_set.name}, DO in {with_do}: {report.summary()}")
    assert report.questions == count
    assert with_do == count or dnssec_share < 1
    assert not report.failed, report.text()


@pytest.mark.interop
@pytest.mark.timeout(300)
@pytest.mark.parametrize("zone_set", ALL, ids=lambda zone_set: zone_set.name)
def test_no_difference_without_a_name(zone_set: ZoneSet, tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """Sixteen zone sets, 120,000 questions in all."""
    _compare(zone_set, QUESTIONS, 20260101, tmp_path, unique_name(), 0.5 if zone_set.signed else 0.1)


@pytest.mark.interop
@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 2))
@pytest.mark.parametrize("zone_set", ALL, ids=lambda zone_set: zone_set.name)
def test_sweep(zone_set: ZoneSet, seed: int, tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """The same with ten times as many questions: a million."""
    _compare(zone_set, SWEEP_QUESTIONS, seed, tmp_path, unique_name(), 0.5 if zone_set.signed else 0.1)


@pytest.mark.interop
@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("zone_set", DNSSEC, ids=lambda zone_set: zone_set.name)
def test_dnssec_sweep(zone_set: ZoneSet, tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """DO set in every question, each version of each set: 300,000 questions and more."""
    _compare(zone_set, DNSSEC_QUESTIONS, 4035, tmp_path, unique_name(), 1)


@pytest.mark.unit
def test_enough_questions() -> None:
    """The default run asks a hundred thousand questions, the sweep a million, that for DNSSEC 300,000 with DO."""
    assert len(ALL) * QUESTIONS >= 100_000
    assert len(ALL) * SWEEP_QUESTIONS >= 1_000_000
    assert len(DNSSEC) * DNSSEC_QUESTIONS >= 300_000
