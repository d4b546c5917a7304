# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds, by kind, and how much is shared."""

from dataclasses import dataclass, fields

from appliance.store import layout
from appliance.store.store import CopyState, Store


@dataclass(slots=True)
class Holdings:
    """Counts and octets. `sharing` is the mean number of references to a shared object (fragment, answer, label)."""

    zones: int = 0
    stamped_zones: int = 0
    names: int = 0
    nodes: int = 0
    fragments: int = 0
    references: int = 0
    node_octets: int = 0
    answer_octets: int = 0
    fragment_octets: int = 0
    other_octets: int = 0
    """Denial material, and what was compiled without counting."""
    changed_octets: int = 0
    """Written by changes of single names since their zones were last compiled whole."""
    waste_octets: int = 0
    index_octets: int = 0
    zone_table_octets: int = 0
    free_octets: int = 0

    @property
    def sharing(self) -> float:
        """The mean number of references to a shared object."""
        return self.references / self.fragments if self.fragments else 1.0


def holdings(store: Store) -> Holdings:
    """Count what a store holds; the work grows with the number of zones, not of names."""
    found = Holdings(
        zones=len(store.numbers),
        names=store.get("nodes"),
        index_octets=layout.SIZES["bucket"] << store.bucket_bits,
        zone_table_octets=len(store.zone_octets),
        free_octets=store.heap.free_octets(),
        waste_octets=layout.GRANULE * sum(end - start for start, end in store.abandoned),
    )
    shapes: dict[int, CopyState] = {}
    for state in store.states.values():
        if isinstance(state, CopyState):
            found.stamped_zones += 1
            found.nodes += len(state.shared.nodes)
            found.node_octets += state.shared.granules * layout.GRANULE
            found.references += state.shared.references
            shapes.setdefault(id(state.shared), state)
            continue
        tally = state.tally
        found.nodes += tally.nodes
        found.fragments += tally.shared
        found.references += tally.references
        found.node_octets += tally.node_octets
        found.answer_octets += tally.answer_octets
        found.fragment_octets += tally.shared_octets
        found.changed_octets += state.waste * layout.GRANULE
        taken = layout.GRANULE * sum(end - start for start, end in state.extents)
        found.other_octets += (
            taken - tally.node_octets - tally.answer_octets - tally.shared_octets - state.waste * layout.GRANULE
        )
    for one in shapes.values():
        found.fragments += one.shared.objects
        found.fragment_octets += (one.shared.extent[1] - one.shared.extent[0]) * layout.GRANULE
    return found


def zone_octets(store: Store, origin: bytes) -> int:
    """Return the octets of the heap that belong to one zone, 0 where it has none; what copies share counts for none."""
    number = store.numbers.get(origin)
    state = store.states.get(number) if number is not None else None
    if state is None:
        return 0
    if isinstance(state, CopyState):
        return state.shared.granules * layout.GRANULE
    return layout.GRANULE * sum(end - start for start, end in state.extents)


def as_dict(found: Holdings) -> dict[str, float]:
    """Return the counts by name, with the sharing factor."""
    return {**{field.name: getattr(found, field.name) for field in fields(found)}, "sharing": round(found.sharing, 2)}
