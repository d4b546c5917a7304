# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a store's heap that is of no use any more, and that only compiling anew makes free."""

from typing import NamedTuple

from appliance.store.layout import CHUNK_GRANULES, GRANULE
from appliance.store.store import Store, ZoneState


class Waste(NamedTuple):
    """Octets of the heap: those that are lost, and all up to the highest one that was ever used."""

    octets: int
    used: int


def waste_of(store: Store) -> Waste:
    """Add up what changes of single names have left behind, and holes beyond what a second version needs.

    The work grows with the number of zones.
    """
    lost = largest = 0
    for state in store.states.values():
        if isinstance(state, ZoneState):
            lost += state.waste
            largest = max(largest, sum(end - start for start, end in state.extents))
    above = store.heap.chunks * CHUNK_GRANULES - store.heap.highest
    holes = store.heap.free_octets() // GRANULE - above
    return Waste((lost + max(0, holes - largest)) * GRANULE, store.heap.highest * GRANULE)
