# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small zones that get another text, which some of them share: stamped beside the versions that are there.

The new version has a row of its own, and one flip shows it and hides the old row: readers see one of the two, whole.
"""

from __future__ import annotations

from array import array

from appliance.compiler.compile import touched_by
from appliance.compiler.template.copies import Mould
from appliance.compiler.template.template import Make, Shape, Stamper
from appliance.store import layout
from appliance.store.heap import Extent
from appliance.store.states import StampedState, ZoneState
from appliance.store.store import Store, StoreFull


class Restamper(Stamper):
    """Puts zones into a store that is being served, new ones and new versions of others."""

    def __init__(self, store: Store) -> None:
        """Start with nothing retired."""
        super().__init__(store)
        self._retired: list[Extent] = []

    def take_retired(self) -> list[Extent]:
        """Return the room of old versions since the last call, for Store.reclaim after the grace period."""
        retired, self._retired = self._retired, []
        return retired

    def put(self, origin: bytes, text: bytes, make: Make) -> Shape | None:
        """Serve a zone, or a new version of one; None where it must be compiled by itself.

        Raises StoreFull, which leaves the version that was there.
        """
        store = self.store
        number = store.numbers.get(origin)
        if number is None:
            return super().put(origin, text, make)
        old = store.states.get(number)
        if old is None or origin in store.sources.loading or (isinstance(old, ZoneState) and old.ended):
            return None
        shape = self.shape(origin, text, make)
        if shape is None or store.sources.origins.leads_down(origin) or touched_by(store, origin, False):
            return None
        self._replace(shape, origin, number, old)
        return shape

    def _replace(self, shape: Shape, origin: bytes, number: int, old: ZoneState | StampedState) -> None:
        store, press = self.store, self._press
        records = old.records
        fresh, start = self.write(shape, origin, origin[origin[0] + 1 :])  # the old row stays taken meanwhile
        assert shape.mould is not None
        try:
            apart = self._hang_beside(shape.mould, start, records)
        except StoreFull:
            store.abandoned += StampedState(start, shape.shared).release()
            store.forget_zone(origin)
            store.numbers[origin] = number
            raise
        version = store.zone_word(number, "version") + 1
        press.expire(records, version)
        with store.flipping():
            store.set_expiry(fresh, store.expiry(number))
            press.show(fresh)
            store.set_zone_word(number, "version", version)
            store.set_zone_word(number, "state", layout.ZONE_EMPTY)
        for ref in apart:
            store.unlink(ref)
        if len(records) == shape.mould.count:
            press.part(shape.mould, start, records)  # what is still behind the new records has been exchanged
        store.states.pop(number)
        store.states.stamp(fresh, start, shape.shared)
        store.give_row(number)
        store.dependents.note(origin, old.chains, ())
        self._retired += old.release()

    def _hang_beside(self, mould: Mould, start: int, old: array[int]) -> list[int]:
        """Hang new records into the index; return the old ones that are still to be taken out of it afterwards.

        Where a name has just its old record, the new one takes its slot. StoreFull leaves none of the new ones there.
        """
        store, press = self.store, self._press
        same = len(old) == mould.count and press.has_names_of(mould, start, old)
        record = 0
        apart: list[int] = [] if same else list(old)
        try:
            while record < mould.count:
                if same:
                    record = press.exchange(mould, start, old, record)
                    if record == mould.count:
                        break
                    apart.append(old[record])
                store.insert(start + mould.records_at(record), press.hash_of(mould, record))
                record += 1
        except StoreFull:
            for done in range(record):
                store.unlink(start + mould.records_at(done))
            raise
        return apart
