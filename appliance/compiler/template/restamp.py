# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small zones that get another text, which some of them share: stamped beside the versions that are there.

The new version has a row of its own, and one flip shows it and hides the old row: readers see one of the two, whole.
"""

from __future__ import annotations

from array import array

from appliance.compiler.neighbours.world import World
from appliance.compiler.show import show
from appliance.compiler.template.copies import Mould, Press
from appliance.compiler.template.template import Make, Shape, Stamper
from appliance.store.heap import Extent
from appliance.store.layout import SCHEME_UNSIGNED, ZONE_EMPTY, ZONE_SERVING
from appliance.store.states import StampedState, ZoneState
from appliance.store.store import Store, StoreFull


class Restamper(Stamper):
    """Puts zones into a store that is being served, new ones and new versions of others."""

    def __init__(self, world: World) -> None:
        """Start with nothing retired."""
        super().__init__(world)
        self._retired: list[Extent] = []

    def take_retired(self) -> list[Extent]:
        """Return the room of old versions since the last call, for Store.reclaim after the grace period."""
        retired, self._retired = self._retired, []
        return retired

    def put(self, origin: bytes, text: bytes, make: Make) -> Shape | None:
        """Serve a zone, or a new version of one; None where it must be compiled by itself.

        Raises StoreFull, which leaves the version that was there.
        """
        store, world = self.store, self.world
        number = store.numbers.get(origin)
        if number is None:
            return super().put(origin, text, make)
        old = store.states.get(number)
        if old is None or origin in world.loading or (isinstance(old, ZoneState) and old.ended):
            return None
        shape = self.shape(origin, text, make)
        if shape is None or world.origins.leads_down(origin) or world.touched_by(origin, False):
            return None
        self._replace(shape, origin, number, old)
        return shape

    def _replace(self, shape: Shape, origin: bytes, number: int, old: ZoneState | StampedState) -> None:
        store = self.store
        fresh, start = self.write(shape, origin, origin[origin[0] + 1 :])  # the old row stays taken meanwhile
        assert shape.mould is not None
        version = store.zone_word(number, "version") + 1
        ending = _Copied(store, self._press, shape.mould, start, old.records, version)
        try:
            ending.leave(self.hang(shape, origin, start, ending.exchange))
        except StoreFull:
            store.numbers[origin] = number
            raise
        if expiry := store.expiry(number):
            store.set_expiry(fresh, expiry)  # of a row that nobody sees yet
        shown = (fresh, 1, ZONE_SERVING, SCHEME_UNSIGNED)
        show(store, (shown, (number, version, ZONE_EMPTY, store.zone_byte(number, "scheme"))), (ending,))
        store.states.pop(number)
        store.states.stamp(fresh, start, shape.shared)
        store.give_row(number)
        self.world.dependents.note(origin, old.chains, ())
        self._retired += old.release()


class _Copied:
    """The served records of a zone whose copy has taken their slots where the names are the same ones."""

    def __init__(self, store: Store, press: Press, mould: Mould, start: int, records: array[int], version: int) -> None:
        """Compare the copy that starts at a granule with records that end before a version."""
        self._store, self._press, self._mould, self._start = store, press, mould, start
        self.records = records
        self._version = version
        self._same = len(records) == mould.count and press.has_names_of(mould, start, records)
        self.apart: list[int] = [] if self._same else list(records)
        """Those that are still to be taken out of the index by themselves."""

    def exchange(self, mould: Mould, start: int, record: int) -> int:
        """Hang the copy's records from a number on in the places of these; return the first that does not go there."""
        return self._press.exchange(mould, start, self.records, record) if self._same else record

    def leave(self, left: list[int]) -> None:
        """Note which of the copy's records have not taken their slots."""
        if self._same:
            self.apart = [self.records[record] for record in left]

    def expire(self) -> None:
        """Let them end."""
        self._press.expire(self.records, self._version)

    def unlink(self) -> int:
        """Take them out of the index."""
        for ref in self.apart:
            self._store.unlink(ref)
        if len(self.records) == self._mould.count:
            self._press.part(self._mould, self._start, self.records)  # what is still behind the copy's was exchanged
        return len(self.records)
