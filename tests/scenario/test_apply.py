# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand zones, and an operator who changes the configuration again and again while clients ask."""

import time

import pytest

from tests.scenario.language import Scenario

pytestmark = [pytest.mark.chaos, pytest.mark.netns, pytest.mark.timeout(900)]

ZONES = [f"zone{number:04d}.test" for number in range(1000)]
MOST = 20
"""Zones that one change adds, moves or takes."""


def change(scenario: Scenario) -> None:
    """Change one thing of the configuration, drawn at random."""
    rng = scenario.rng
    there = sorted(scenario.configured)
    missing = [name for name in ZONES if name not in scenario.configured]
    count = rng.randrange(1, MOST)
    match rng.choice(("add", "take", "move", "mode", "limit", "program", "workers", "identity", "lease", "all")):
        case "add":
            scenario.zones(rng.sample(missing, min(count, len(missing))), rng.randrange(2))
        case "take":
            scenario.take(rng.sample(there, count))
        case "move":
            for name in rng.sample(there, count):
                scenario.zones([name], 1 - scenario.configured[name])
        case "mode":
            scenario.link(rng.choice(("auto", "generic", "native", "off", "")))
        case "limit":
            scenario.setting("limits", "pass_rate", rng.choice((0, 20_000, 30_000)))
        case "program":
            scenario.setting("limits", "edns_size", rng.randrange(512, 1452))
        case "workers":
            scenario.setting("listen", "tcp_workers", rng.randrange(1, 6))
        case "identity":
            scenario.setting("server", "identity", str(count))
        case "lease":
            scenario.setting("server", "lease_s", rng.choice((0.0, 100.0, 1000.0)))
        case "all":
            scenario.take(rng.sample(there, count))
            scenario.link(rng.choice(("auto", "generic")))
            scenario.setting("listen", "tcp_workers", rng.randrange(1, 6))
            scenario.setting("limits", "edns_size", rng.randrange(512, 1452))


def through_changes(scenario: Scenario, times: int) -> None:
    scenario.link()
    scenario.zones(ZONES[:900])
    scenario.start()
    with scenario.load(ZONES):
        for _ in range(times):
            change(scenario)
            scenario.apply()
            scenario.wait()
            if scenario.rng.random() < 0.3:
                scenario.update(scenario.rng.choice(sorted(scenario.configured)))
                scenario.reload()
    scenario.same()


@pytest.mark.slow
def test_changes_under_load(scenario: Scenario) -> None:
    through_changes(scenario, 20)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_changes_under_load(scenario: Scenario) -> None:
    through_changes(scenario, 200)


def through_kills(scenario: Scenario, times: int) -> None:
    """Kill at a random moment of an apply, which takes about as long as the longest that was not killed."""
    scenario.link()
    scenario.zones(ZONES[:900])
    scenario.start()
    longest = 0.0
    for _ in range(times):
        change(scenario)
        begun = time.monotonic()
        scenario.apply()
        longest = max(longest, time.monotonic() - begun)
        change(scenario)
        scenario.apply_and_kill(scenario.rng.uniform(0.0, longest))
        scenario.start()
        told = scenario.server.ask("apply", dry_run=True)
        assert not told["would_change"], told
        scenario.same()


@pytest.mark.slow
def test_killed_while_it_applies(scenario: Scenario) -> None:
    through_kills(scenario, 8)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_killed_often_while_it_applies(scenario: Scenario) -> None:
    through_kills(scenario, 100)
