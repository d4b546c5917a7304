# SPDX-License-Identifier: GPL-3.0-or-later
"""A store moved into other arrays, larger ones or those of an XDP program; what is in it does not change."""

from typing import Final

from appliance.errors import StateError
from appliance.store import hashing, layout
from appliance.store.capacity import Capacity, index_bits
from appliance.store.store import Store

_KEPT: Final = ("bucket_bits", "chunks", "zones", "generation", "pass_rate", "pass_burst", "opcode_pass", "serving")
"""Words of ctl that belong to the arrays, not to what is in them."""

_SLICE: Final = 1 << 24

_SPARE: Final = 4 << 20
"""Octets for changes of a large store, which moves to a larger one when that is not enough: room takes memory."""


def room_for(store: Store) -> Capacity:
    """Return the sizes of arrays that hold a store, with some room for changes."""
    used = store.heap.highest * layout.GRANULE
    nodes = store.get("nodes")
    bits = store.bucket_bits if nodes else index_bits(0)
    highest = max(store.numbers.values(), default=0)  # rows stay where they are, also when most zones have gone
    zones = max(16, highest, len(store.numbers) + len(store.numbers) // 4)
    spare = min(used // 8, _SPARE + used // 64)
    return Capacity(bits, 2 + (used + spare) // layout.HEAP_CHUNK, zones)


def move(store: Store, target: Store) -> None:
    """Put all of a store into an empty one of at least its size; nothing may be written to the old one afterwards.

    References stay what they are. Names are hashed again only when the number of buckets is another one.
    """
    used = -(-store.heap.highest // layout.CHUNK_GRANULES)
    if used > target.heap.chunks or max(store.numbers.values(), default=0) >= target.zone_slots:
        raise StateError(
            f"{used} MiB of heap and {len(store.numbers)} zones do not go into {target.heap.chunks} MiB "
            f"and {target.zone_slots - 1} zones"
        )
    end = store.heap.highest * layout.GRANULE
    for at in range(0, end, _SLICE):
        target.octets[at : min(at + _SLICE, end)] = store.octets[at : min(at + _SLICE, end)]
    rows = min(len(store.zone_octets), len(target.zone_octets))
    target.zone_octets[:rows] = store.zone_octets[:rows]
    target.adopt(store, _KEPT)
    if store.bucket_bits == target.bucket_bits:
        target.index.words[:] = store.index.words
        target.index.take_over(store.index)
    else:
        _hang_again(store, target)
    target.note_depths()


def _hang_again(store: Store, target: Store) -> None:
    nodes = [ref for state in store.states.values() for ref in state.nodes]
    nodes += store.outside.values()
    target.depths = [0] * len(target.depths)
    after = layout.OFFSETS["node"]["next"] // 4
    until = layout.OFFSETS["node"]["until"] // 4
    nodes = [ref for ref in nodes if target.words[ref * 4 + until] == layout.FOREVER]
    for ref in nodes:
        target.words[ref * 4 + after] = 0
    for ref in nodes:
        target.insert(ref, hashing.name_hash(target.seed, target.name_at(ref)))
