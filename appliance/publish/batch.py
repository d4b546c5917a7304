# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small zones whose files have changed: read and put into the store together, as a load does, some at a time.

Each zone is visible whole, in its old or its new version. What cannot be done here is left to be reloaded by itself,
which says what is wrong: bad files, large zones, and everything while a compaction notes changes zone by zone.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.compiler.template.replacement import Replacements
from appliance.errors import ApplianceError
from appliance.publish.budget import check_size
from appliance.publish.loading import copied
from appliance.publish.publication import COMPARED, Publication
from appliance.served.memory import uncollected
from appliance.served.zones import ServedZone
from appliance.store.store import Retired, StoreFull
from appliance.zone import digests
from appliance.zone.master.files import MAX_TEXT, Batch
from appliance.zone.model import Zone

FEWEST: Final = 16
"""Zones from which on they are read together."""
_BATCH: Final = 500

Outcomes = dict[bytes, dict[str, Any]]
"""What came of each zone that is done, by origin, as the verb reload tells it."""


async def reload_together(
    publication: Publication, chosen: Sequence[ServedZone], memory_mib: int, tell: Callable[[ServedZone], None]
) -> Outcomes:
    """Serve what is in the files of many zones; return what came of those that are done.

    `tell` is called with each zone whose records were looked at one by one.
    """
    together = _Reload(memory_mib)
    if len(chosen) < FEWEST:
        return together.told
    for at in range(0, len(chosen), _BATCH):
        together.begin(chosen[at : at + _BATCH])
        if not await publication.change_many(together.go_on):
            break
        for served in together.compiled:
            tell(served)
    return together.told


class _Reload:
    """Zones that are read together, and which of them are done."""

    def __init__(self, memory_mib: int) -> None:
        self.told: Outcomes = {}
        self.compiled: list[ServedZone] = []
        """The zones of the batch that were compiled by themselves."""
        self._memory_mib = memory_mib
        self._templates: Replacements | None = None
        self._files: Batch | None = None
        self._chosen: Sequence[ServedZone] = ()
        self._zones: list[tuple[ServedZone, Zone]] = []
        """Zones that are to be compiled by themselves."""
        self._at = 0

    def begin(self, chosen: Sequence[ServedZone]) -> None:
        """Begin with the next zones."""
        self._chosen, self._at, self._files = chosen, 0, None
        self._zones, self.compiled = [], []

    def go_on(self, world: World) -> tuple[Retired, bool]:
        """Change zones until the store is full; return the room of their old versions, and whether all were tried."""
        retired = Retired()
        if self._templates is None or self._templates.store is not world.store:
            self._templates = Replacements(world)
        if self._files is None:
            self._files = _read(self._chosen)
        try:
            with uncollected():
                self._copy(self._templates, self._files)
                while self._zones:
                    self._compile(world, *self._zones[-1], retired)
                    self._zones.pop()
        except StoreFull:
            return retired, False
        finally:
            retired.extents += self._templates.take_retired()
        return retired, True

    def _copy(self, templates: Replacements, files: Batch) -> None:
        """Serve the zones whose text other zones have too, and read the others, unless they are large."""
        others = []
        try:
            while self._at < len(self._chosen):
                served, before = self._chosen[self._at], self._chosen[self._at].serial
                if _is_served(served, files, self._at):
                    self.told[served.origin] = as_served(served)
                elif copied(templates, served, files, self._at):
                    self._note(served, before)
                elif files.take(self._at) is not None:
                    others.append(served)
                self._at += 1
        finally:
            templates.close()
        # All are read first: to read and compile in turn takes a tenth more.
        for served in others:
            with suppress(ApplianceError):  # it is read once more, by itself, and what is wrong is told
                zone = served.read()
                check_size(zone, self._memory_mib)
                if len(zone.nodes) < COMPARED:
                    self._zones.append((served, zone))

    def _compile(self, world: World, served: ServedZone, zone: Zone, retired: Retired) -> None:
        """Serve one zone, unless it cannot be; StoreFull leaves it as it was."""
        before = served.serial
        try:
            retired.extents += compile_zones(world, [zone]).extents
        except StoreFull:
            raise
        except ApplianceError:
            return
        served.published(zone)
        self.compiled.append(served)
        self._note(served, before)

    def _note(self, served: ServedZone, before: int | None) -> None:
        outcome = f"serial {served.serial}" if before is None else f"serial {before} replaced by {served.serial}"
        self.told[served.origin] = {"zone": served.name, "ok": True, "outcome": outcome, "small": True}


def _is_served(served: ServedZone, files: Batch, number: int) -> bool:
    """Return whether a small file, which is noted as read, has what is served already."""
    if not served.digest or served.state != "serving":
        return False
    text = served.source.text(files, number)
    return text is not None and digests.of_text(text) == served.digest


def as_served(served: ServedZone) -> dict[str, Any]:
    """Return the outcome for a file that has what is served already."""
    outcome = f"serial {served.serial} replaced by {served.serial}, the same records"
    told = {"zone": served.name, "ok": True, "same": not served.error, "outcome": outcome, "removed": 0, "added": 0}
    served.recovered()
    return told


def _read(chosen: Sequence[ServedZone]) -> Batch:
    files = Batch(MAX_TEXT, len(chosen))
    for served in chosen:
        served.source.name_in(files)
    files.run()
    return files
