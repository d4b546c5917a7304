# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a store is made, and one in memory that forked workers share."""

import mmap
from dataclasses import dataclass

from appliance.answers import layout
from appliance.answers.store import Store


@dataclass(frozen=True, slots=True)
class Sizes:
    """Capacities of a store: 2^bucket_bits buckets, chunks of 1 MiB, rows of the zone table with row 0."""

    bucket_bits: int
    chunks: int
    zones: int


def shared_store(sizes: Sizes, seed: int) -> Store:
    """Return an empty store in memory; processes forked later see what is written into it."""
    ctl, buckets, heap, zones = (
        memoryview(mmap.mmap(-1, size))
        for size in (
            layout.SIZES["ctl"],
            layout.SIZES["bucket"] << sizes.bucket_bits,
            layout.HEAP_CHUNK * sizes.chunks,
            layout.SIZES["zone"] * sizes.zones,
        )
    )
    return Store.form(ctl, buckets, heap, zones, seed)
