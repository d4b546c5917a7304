# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a store is made, and one in memory that forked workers share."""

import mmap
import secrets
from dataclasses import dataclass

from appliance.answers import layout
from appliance.answers.store import Store


@dataclass(frozen=True, slots=True)
class Sizes:
    """Capacities of a store: 2^bucket_bits buckets, chunks of 1 MiB, zones."""

    bucket_bits: int
    chunks: int
    zones: int


def shared_store(sizes: Sizes, opcode_pass: int) -> Store:
    """Return an empty store in memory; processes forked later see what is written into it."""
    ctl, buckets, heap, zones = (
        memoryview(mmap.mmap(-1, size))
        for size in (
            layout.SIZES["ctl"],
            layout.SIZES["bucket"] << sizes.bucket_bits,
            layout.HEAP_CHUNK * sizes.chunks,
            layout.SIZES["zone"] * (sizes.zones + 1),
        )
    )
    store = Store.form(ctl, buckets, heap, zones, secrets.randbits(64))
    store.set("opcode_pass", opcode_pass)
    return store
