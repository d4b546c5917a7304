# SPDX-License-Identifier: GPL-3.0-or-later
"""A step that fails, whichever it is and however far it got: all is as it was, and the next apply does all of it."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from appliance.control.apply import Apply, Intent, Step
from appliance.control.config_file import ConfigFile
from appliance.control.reload import Reloader
from appliance.control.rewiring import Rewiring
from appliance.control.start import Start
from appliance.errors import ApplianceError, StateError
from appliance.publish.progress import Progress
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.server.sockets import open_sockets
from tests.harness.served import configuration, zone_text

pytestmark = pytest.mark.unit

STEPS = 5
BEFORE = configuration("example.", "gone.", "moved.")
AFTER = (
    configuration(
        "example.", "new.", "moved.", more="tcp_workers = 3\n[journal]\nkeep = false\n[limits]\npass_rate = 7"
    )
    .replace('"127.0.0.1"', '"127.0.0.1", "127.0.0.2"')
    .replace('file = "moved.zone"', 'file = "other.zone"')
)


class NoWorkers(WorkerPool):
    """A pool that forks nobody, and counts how often it was to."""

    def start(self, store: object) -> None:
        """Count."""
        self.starts += 1


class Failing(Apply):
    """Fails in a step, when that is done."""

    at = STEPS
    error: Exception = StateError("on purpose")

    def _steps(self, intent: Intent, outcomes: list[dict[str, Any]]) -> list[Step]:
        steps = super()._steps(intent, outcomes)
        assert len(steps) == STEPS
        if self.at < STEPS:
            steps[self.at] = dataclasses.replace(steps[self.at], do=self._failing(steps[self.at]))
        return steps

    def _failing(self, step: Step) -> Any:
        async def do() -> None:
            await step.do()
            raise self.error

        return do


class Site:
    """A server's parts without workers, and all of its state that an apply changes."""

    def __init__(self, folder: Path) -> None:
        self.file = ConfigFile(folder / "appliance.toml")
        listen = self.file.config.listen
        self.listening = open_sockets(listen.addresses, listen.port, listen.tcp_workers)
        self.pool = NoWorkers(self.file.config, self.listening)
        self.publication = Publication(self.file.config, False, self.pool)

    async def start(self) -> None:
        """Serve what is configured."""
        start = Start(self.file.config, self.publication, Progress())
        await start.load()
        assert start.update is not None
        self.update = start.update
        await self.update.record()
        rewiring = Rewiring(self.pool, self.listening, self.publication)
        self.applying = Failing(self.update, Reloader(self.file, self.update), rewiring)

    def state(self) -> dict[str, Any]:
        """Return what an apply may change."""
        return {
            "zones": {one.name: (one.file, one.serial, one.state, one.rules) for one in self.update.zones.values()},
            "stored": sorted(self.publication.store.numbers),
            "config": (self.update.config, self.file.config, self.publication._config),
            "sockets": [one.getsockname() for one in self.listening.sockets()],
            "endpoints": list(self.listening.endpoints),
            "workers": (self.pool.wanted, self.pool._limits, self.pool._settings),
            "journal": self.update.history.wanted,
            "unlisted": sorted(self.update.zone_set.unlisted),
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a configuration and its zones."""
    for name in ("example.", "gone.", "moved.", "new."):
        (tmp_path / f"{name}zone").write_text(zone_text())
    (tmp_path / "other.zone").write_text(zone_text(2, 22))
    (tmp_path / "appliance.toml").write_text(BEFORE)
    return tmp_path


@pytest.mark.parametrize("at", range(STEPS))
@pytest.mark.parametrize("error", [StateError("on purpose"), RuntimeError("on purpose")], ids=["told", "unexpected"])
def test_all_is_as_it_was(folder: Path, at: int, error: Exception) -> None:
    async def check() -> None:
        site = Site(folder)
        await site.start()
        before = site.state()
        (folder / "appliance.toml").write_text(AFTER)
        site.applying.at, site.applying.error = at, error
        wanted = await site.applying.apply(dry_run=True)
        with pytest.raises(ApplianceError, match=r"failed: .*; the server is as it was before"):
            await site.applying.apply()
        assert site.state() == before
        again = await site.applying.apply(dry_run=True)
        assert again == wanted
        site.applying.at = STEPS
        told = await site.applying.apply()
        assert told["ok"]
        assert {key: told[key] for key in ("changes", "zones")} == {key: wanted[key] for key in ("changes", "zones")}
        assert not (await site.applying.apply(dry_run=True))["would_change"]
        state = site.state()
        assert {
            name.partition(".")[0]: (Path(file).name, serial) for name, (file, serial, *_) in state["zones"].items()
        } == {
            "example": ("example.zone", 1),
            "moved": ("other.zone", 2),
            "new": ("new.zone", 1),
        }
        assert [address for address, _ in state["endpoints"]] == ["127.0.0.1", "127.0.0.2"]
        assert site.pool.wanted == 3
        await site.update.close()
        site.listening.close()

    asyncio.run(check())
