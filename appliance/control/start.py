# SPDX-License-Identifier: GPL-3.0-or-later
"""The start: every zone is served, from the saved store where nothing has changed, or not at all."""

import asyncio
import gc
import logging

from appliance.compiler.neighbours.world import World
from appliance.config.schema import Config
from appliance.control.frozen import freeze_at_start
from appliance.control.outcomes import tell, tell_doubts
from appliance.control.update import Update
from appliance.publish.loading import Loading
from appliance.publish.progress import Progress
from appliance.publish.publication import OPCODES_PASSED_UP, Publication

_log = logging.getLogger(__name__)


class Start:
    """One load of all zones, and what has to go when it is given up."""

    def __init__(self, config: Config, publication: Publication, progress: Progress) -> None:
        self.update: Update | None = None
        """What goes on from there, once load() has begun."""
        self._config = config
        self._publication = publication
        self._progress = progress

    async def load(self) -> None:
        """Serve every zone, those that did not change from the saved store, bad ones as they were kept, else SERVFAIL.

        Raises ApplianceError. When this is cancelled, nothing is attached that was not before, but a thread may still
        read files: the process must end without waiting for it.
        """
        update = self.update = await asyncio.to_thread(Update, self._config, self._publication)
        async with update.turn:
            await asyncio.to_thread(_find_zones, update)
            saved = await asyncio.to_thread(update.images.load, update.zones)
            if saved is None:
                for served in update.zones.values():
                    served.forget()
            fresh = sum(served.state != "serving" for served in update.zones.values())
            gone = saved is not None and any(origin not in update.zones for origin in saved.numbers)
            limit = update.config.store.memory_mib
            loading = Loading(update.zones, OPCODES_PASSED_UP, limit, tell, self._progress, history=update.history)
            update.loading = loading
            try:
                world = await asyncio.to_thread(loading.run, None if saved is None else World(saved))
            except asyncio.CancelledError:
                loading.cancel()
                raise
            finally:
                self._progress.end()
            if saved is not None:
                _log.info("zones as they were saved: %d, read: %d", len(update.zones) - fresh, fresh)
            world.fetch = update.fetch
            if fresh or gone:
                update.changed.set()
            await update.publication.publish(world, world.store is not saved, update.set_aside)
            for served in update.zones.values():
                tell_doubts(served)
            del saved, world
            gc.collect()  # models and the arrays that were moved from point at themselves
            gc.freeze()

    def sweep_up(self) -> None:
        """Remove what a thread has half written that nobody waits for, just before the process ends."""
        if self.update is not None:
            self.update.images.remove_unfinished()


def _find_zones(update: Update) -> None:
    """Find what is to be served, and keep nothing of other zones: one that was taken out must not come back."""
    update.dynamic.load(update.config)
    update.history.remove(update.zone_set.start(update.history.known()))
    freeze_at_start(update)
    for problem in update.zone_set.problems():
        _log.warning("%s", problem)
