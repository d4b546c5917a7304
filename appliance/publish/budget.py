# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in memory that forked workers share, and the bound on how large a store may be."""

import mmap
import secrets
from typing import Final

from appliance.compiler.expected import expected_octets
from appliance.errors import StateError
from appliance.store import layout
from appliance.store.capacity import Capacity
from appliance.store.store import Store
from appliance.zone.model import Zone

MIB: Final = 1 << 20


def octets(sizes: Capacity) -> int:
    """Return the octets of memory that a store of these sizes takes."""
    index = layout.SIZES["bucket"] << sizes.bucket_bits
    return index + layout.HEAP_CHUNK * sizes.chunks + layout.SIZES["zone"] * (sizes.zones + 1)


def check_budget(sizes: Capacity, memory_mib: int) -> None:
    """Raise StateError, which names the figure, if a store of these sizes is larger than allowed; 0 allows all."""
    needed = -(-octets(sizes) // MIB)
    if memory_mib and needed > memory_mib:
        raise StateError(
            f"the answer store needs {needed} MiB, [store] memory_mib = {memory_mib} allows less; nothing is changed. "
            "Raise it, or serve fewer zones"
        )


def check_size(zone: Zone, memory_mib: int) -> int:
    """Return about the least octets of heap that a zone takes.

    Raises StateError if it is surely larger than a store may be, before it takes any of it.
    """
    expected = expected_octets(zone)
    least = expected // 2  # the estimate is never twice what a zone takes
    check_budget(Capacity(1, least // layout.HEAP_CHUNK, 1), memory_mib)
    return expected * 3 // 4  # what zones like that of a country take surely


def shared_store(sizes: Capacity, opcode_pass: int) -> Store:
    """Return an empty store in memory; processes forked later see what is written into it.

    Pages take memory when they are first written.
    """
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
