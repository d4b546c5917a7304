# SPDX-License-Identifier: GPL-3.0-or-later
"""From the configuration that runs to the one in the file: what differs is told, and only that is changed.

Each step says how it is undone. Where one fails, those before it are undone, the last first, and the server is as it
was. What is wrong with single zones is told and stops nothing, as at a start.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from appliance import crash
from appliance.config.difference import Change, Waiting, changes, runnable, settings_of_zones
from appliance.config.schema import Config
from appliance.control.channel import check_begun
from appliance.control.frozen import is_frozen
from appliance.control.reload import Reloader
from appliance.control.rewiring import Rewiring
from appliance.control.update import Update
from appliance.errors import ApplianceError, StateError
from appliance.served.zone_set import Foreseen
from appliance.served.zones import ServedZone
from appliance.wording import counted, without_zone
from appliance.zone import names

_log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One part of an apply: what it is for an operator, how it is done, and how it is undone."""

    name: str
    do: Work
    undo: Work


@dataclass(slots=True)
class Intent:
    """What leads from the configuration that runs to another one."""

    running: Config
    config: Config
    changes: list[Change]
    waiting: list[Waiting]
    foreseen: Foreseen
    settings: list[bytes]
    """Zones with other settings."""
    judged: list[ServedZone]
    """Zones that other rules are to judge."""
    new: list[str]
    elsewhere: list[str]
    """Zones that have another file."""
    gone: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.changes or self.settings or self.new or self.elsewhere or self.gone or self.refusal)

    @property
    def refusal(self) -> str:
        """Why zones are not removed, "" where nothing is to be said of it."""
        held = self.foreseen.limit.held
        return self.foreseen.plan.refused or (str(held) if held else "")

    def described(self) -> dict[str, Any]:
        """Return what the verb tells, whether it is done or not."""
        return {
            "changes": [one.described() for one in self.changes],
            "zones": {
                "new": self.new,
                "gone": self.gone,
                "elsewhere": self.elsewhere,
                "settings": [names.to_text(origin) for origin in self.settings],
            },
            "restart": [one.described() for one in self.waiting],
            "problems": [self.refusal] if self.refusal else [],
        }

    def summary(self) -> str:
        """Return what changes, in one line for the log."""
        said = [str(one) for one in self.changes]
        kinds = ((self.new, "new"), (self.gone, "gone"), (self.elsewhere, "with another file"))
        said += [f"{counted(len(zones), 'zone')} {what}" for zones, what in kinds if zones]
        said += [f"{counted(len(self.settings), 'zone')} with other settings"] if self.settings else []
        return "; ".join(said)


class Apply:
    """Changes a running server to what its configuration file says."""

    def __init__(self, update: Update, reloader: Reloader, rewiring: Rewiring) -> None:
        """Change what is served through `update`, zones through `reloader`, sockets and workers through `rewiring`."""
        self._update = update
        self._reloader = reloader
        self._rewiring = rewiring
        self._file = reloader.config_file
        self._is_asked = False
        """Whether a signal has asked for what is not begun yet."""

    async def apply(
        self, *, dry_run: bool = False, allow_removal: str = "", begin: Callable[[], bool] = lambda: True
    ) -> dict[str, Any]:
        """Do what differs, or with `dry_run` tell it; return what there was to do and what came of it.

        `begin` is asked when the turn comes: where it says no, nothing is done. `allow_removal` is the number of a set
        of zones that are to go though they are many. Raises ApplianceError where nothing was changed.
        """
        async with self._update.turn:
            check_begun("apply", begin)
            wanted = await asyncio.to_thread(self._file.read)
            intent = await asyncio.to_thread(self._foresee, wanted, allow_removal)
            told = {"ok": not intent.refusal, "dry_run": dry_run, **intent.described()}
            if dry_run:
                return {**told, "would_change": not intent.is_empty, "outcomes": []}
            if intent.refusal:
                raise StateError(f"nothing is changed: {intent.refusal}")
            await self._update.publication.reconcile()
            outcomes = await self._change(intent)
            await asyncio.to_thread(self._file.adopt, intent.config, wanted)
            for one in intent.waiting:
                _log.warning("%s", one)
            return {**told, "ok": all(one["ok"] for one in outcomes), "outcomes": outcomes}

    def _foresee(self, wanted: Config, allow_removal: str) -> Intent:
        running, zone_set = self._update.config, self._update.zone_set
        config, waiting = runnable(running, wanted)
        foreseen = zone_set.foresee(config, allow_removal, "apply")
        fresh = foreseen.plan.fresh
        return Intent(
            running,
            config,
            changes(running, config),
            waiting,
            foreseen,
            settings_of_zones(running, config),
            _judged_anew(self._update, running, config),
            [one.name for one in fresh if one.origin not in zone_set.zones],
            [one.name for one in fresh if one.origin in zone_set.zones],
            [names.to_text(origin) for origin in foreseen.plan.gone],
        )

    async def _change(self, intent: Intent) -> list[dict[str, Any]]:
        """Do each step; return what came of the zones. Raises ApplianceError where all is as it was."""
        outcomes: list[dict[str, Any]] = []
        done: list[Step] = []
        steps = self._steps(intent, outcomes)
        for step in steps:
            try:
                await step.do()
            except Exception as error:
                why = str(error) if isinstance(error, ApplianceError) else crash.sentence(error, "applying")
                not_undone = await _undone([*done, step])
                state = f"but not all could be undone: {not_undone}" if not_undone else "the server is as it was before"
                raise StateError(f"{step.name} failed: {why}; {state}") from error
            done.append(step)
        await self._rewiring.settle()
        if not intent.is_empty:
            _log.info("configuration applied: %s", intent.summary())
        return outcomes

    def _steps(self, intent: Intent, outcomes: list[dict[str, Any]]) -> list[Step]:
        """Return what is to be done, in this order: what may fail first, zones last."""
        running, config, publication = intent.running, intent.config, self._update.publication
        wiring = self._rewiring.steps(running, config)

        async def take_up() -> None:
            outcomes.extend(await self._reloader.take_up(intent.foreseen, intent.judged))

        async def give_back() -> None:
            self._update.configure(running)
            every = msgspec.structs.replace(running.server, removal_limit_percent=100)
            before = msgspec.structs.replace(running, server=every)
            foreseen = await asyncio.to_thread(self._update.zone_set.foresee, before)
            await self._reloader.take_up(foreseen, [])

        async def settings(config: Config) -> None:
            self._update.configure(config)

        return [
            Step("opening the sockets", wiring.open, wiring.close),
            Step(
                "serving the interfaces", lambda: publication.configure(config), lambda: publication.configure(running)
            ),
            Step("starting the workers", wiring.start, _nothing),
            Step("changing settings", lambda: settings(config), lambda: settings(running)),
            Step("changing zones", take_up, give_back),
        ]

    def on_signal(self) -> None:
        """Apply what is in the file, and reload zone files that have changed (SIGHUP).

        Signals that come before that is begun ask for nothing more: other verbs would wait for all of it.
        """
        if not self._is_asked:
            self._is_asked = True
            self._update.ask(self._apply_on_signal())

    def _begin_asked(self) -> bool:
        self._is_asked = False
        return True

    async def _apply_on_signal(self) -> None:
        """Apply and reload; nobody waits for the outcome, so what failed is kept for the verb status."""
        failed = ""
        try:
            for one in (await self.apply(begin=self._begin_asked))["outcomes"]:
                said = without_zone(one["zone"], one["outcome"])
                (_log.info if one["ok"] else _log.warning)("%s: %s", one["zone"], said)
        except ApplianceError as error:
            failed = f"SIGHUP did not apply the configuration: {error}"
            _log.error("%s", failed)
        except Exception as error:  # noqa: BLE001 - a signal has no caller who could report it
            crash.log(error, "applying on SIGHUP")
            failed = f"SIGHUP did not apply the configuration: {type(error).__name__}; the log has more"
        await self._reloader.reload_on_signal()
        if failed and not self._file.is_broken:  # that is told as long as it is so
            self._update.zone_set.failed = failed


_UNSIGNED: Final = ("zonemd_mismatch", "zonemd_incomplete", "zonemd_unsupported", "zonemd_missing")


def _judged_anew(update: Update, running: Config, config: Config) -> list[ServedZone]:
    """Return the zones of which other [checks], or other bounds for what is read, may say something else."""
    bounds = (running.server.include_below, running.store.memory_mib)
    if running.checks == config.checks and bounds == (config.server.include_below, config.store.memory_mib):
        return []
    every = any(getattr(running.checks, key) != getattr(config.checks, key) for key in _UNSIGNED)
    chosen = [one for one in update.zones.values() if every or one.dnssec is not None or one.error]
    return [one for one in chosen if not is_frozen(one)]  # where nothing is kept of one, its file would be read


async def _nothing() -> None:
    pass


async def _undone(steps: list[Step]) -> str:
    """Undo steps, the last first; return what could not be undone, "" where all was."""
    failed = []
    for step in reversed(steps):
        try:
            await step.undo()
        except Exception as error:  # noqa: BLE001 - the others are undone all the same
            crash.log(error, f"undoing: {step.name}")
            failed.append(f"{step.name} ({error})")
    return ", ".join(failed)
