# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that changes have filled with waste is compiled anew in the background, and takes over like a larger one."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from appliance.errors import ApplianceError
from appliance.publish.publication import OPCODES_PASSED_UP, Publication
from appliance.publish.rebuild import Rebuild
from appliance.served.memory import give_back
from appliance.served.zones import Kept, ServedZone
from appliance.store.store import Store
from appliance.store.waste import Waste

_PAUSE_S: Final = 1.0
"""From a change until waste is looked for: changes come in groups."""
_KIB: Final = 1024
_REST: Final = 10
"""Pause after an attempt, in multiples of the time that it took: this bounds the processor time."""

_log = logging.getLogger(__name__)


class Compaction:
    """Looks for waste after changes, and compiles the store anew where there is enough."""

    def __init__(
        self,
        publication: Publication,
        zones: Mapping[bytes, ServedZone],
        turn: asyncio.Lock,
        done: Callable[[], None],
        kept: Kept,
    ) -> None:
        """Hold `turn` while what is served must not change; call `done` when another store has taken over.

        kept has the zones whose files are not what is served any more.
        """
        self._publication = publication
        self._zones = zones
        self._turn = turn
        self._done = done
        self._kept = kept
        self._changed = asyncio.Event()
        self._failed = ""

    def note(self) -> None:
        """Note that something has changed."""
        self._changed.set()

    async def keep_looking(self) -> None:
        """Compile anew whenever there is enough waste, for as long as this runs."""
        while True:
            await self._changed.wait()
            self._changed.clear()  # before the pause: what changes in it is looked at once more
            await asyncio.sleep(_PAUSE_S)
            started = time.monotonic()
            try:
                await self._compact()
            except ApplianceError as error:
                self._tell(str(error))
            await asyncio.sleep(_REST * (time.monotonic() - started))

    def _tell(self, failure: str) -> None:
        """Log why an attempt failed, unless the one before failed for the same reason."""
        if failure != self._failed:
            _log.warning("the store keeps its waste, which goes after a later change: %s", failure)
        self._failed = failure

    async def _compact(self) -> None:
        async with self._turn:
            waste = await self._publication.waste()
            if waste is None:
                return
            rebuild = Rebuild(self._publication.store, waste, self._zones, OPCODES_PASSED_UP, self._kept)
            self._publication.note_changes()
        try:
            fresh, others = await rebuild.result()
            async with self._turn:
                await self._take_over(fresh, others, waste)
        finally:
            self._publication.forget_changes()

    async def _take_over(self, fresh: Store, others: set[bytes], waste: Waste) -> None:
        work = asyncio.ensure_future(self._publication.take_over(fresh, others))
        try:
            meanwhile = await asyncio.shield(work)
        except asyncio.CancelledError:
            await work  # a swap does not stop half-way
            raise
        except ApplianceError:
            fresh.close()
            raise
        used = self._publication.store.heap.highest * 16
        message = "the store was compiled anew: %d KiB of its heap are used instead of %d; zones changed meanwhile: %d"
        _log.info(message, used // _KIB, waste.used // _KIB, meanwhile)
        self._failed = ""
        self._done()
        gc.unfreeze()
        give_back()
        gc.freeze()
