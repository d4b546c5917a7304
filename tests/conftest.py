# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test relies on: capabilities behind markers, names and a network of its own, nothing left behind."""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from demo.network import Pair
from demo.network import veth_pair as make_veth_pair
from tests.harness import capabilities, leaks, programs

_LEAKS = pytest.StashKey[list[str]]()
_BEFORE = pytest.StashKey[set[str]]()
_counter = itertools.count()


def _is_controller(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """Give the run its identity and remember what was there before."""
    programs.share(leaks.begin())
    if _is_controller(config):
        config.stash[_BEFORE] = leaks.objects()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run; see `pytest_sessionfinish` for where that is a failure."""
    lacks = {marker: capabilities.lack(marker) for marker in capabilities.markers()}
    for item in items:
        for marker, reason in lacks.items():
            if reason is not None and item.get_closest_marker(marker) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


class _OneBoot(LoadScopeScheduling):
    """Gives each test to whoever is free, but all that need the emulator to one worker, and first: it boots once.

    Those that need another release's root go together too, to another worker.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in ("tests/kernels/", "tests/releases/") if nodeid.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _OneBoot:
    """Spread the tests over the workers."""
    return _OneBoot(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that left something behind, and in CI one that skipped anything."""
    config = session.config
    if not _is_controller(config):
        return
    run = os.environ[leaks.RUN_VARIABLE]
    programs.remove(run)
    config.stash[_LEAKS] = leaks.left_behind(config.stash[_BEFORE], run, whole_machine=capabilities.STRICT)
    if exitstatus == 0 and (config.stash[_LEAKS] or (capabilities.STRICT and _skipped(config))):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter is not None else 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why a run without failing tests failed."""
    for left in config.stash.get(_LEAKS, []):
        terminalreporter.write_line(f"left behind: {left}", red=True)
    skipped = _skipped(config)
    if skipped and capabilities.STRICT:
        terminalreporter.write_line(f"{skipped} skipped: here a skipped test counts as a failure", red=True)


@pytest.fixture
def unique_name() -> Callable[[], str]:
    """Return a maker of names no other test, worker or run uses; at most 15 characters, so also for devices."""
    run, worker = os.environ[leaks.RUN_VARIABLE], os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return lambda: f"t{run}-{worker}-{next(_counter):x}"


@pytest.fixture
def veth_pair(unique_name: Callable[[], str]) -> Iterator[Pair]:
    """Yield two network namespaces joined by a veth pair (eth0 at each end), gone after the test."""
    with make_veth_pair(unique_name()) as pair:
        yield pair
