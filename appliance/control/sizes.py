# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in memory that forked workers share."""

import mmap
import secrets

from appliance.answers import layout
from appliance.answers.sizes import Capacity
from appliance.answers.store import Store


def shared_store(sizes: Capacity, opcode_pass: int) -> Store:
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
