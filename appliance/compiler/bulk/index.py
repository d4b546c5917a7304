# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Records into the index of a store as long as a free slot is all that they take; compiled, types in index.pxd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cython

if cython.compiled:
    from cython.cimports.appliance.store import layout
    from cython.cimports.appliance.zone.packed.places import octet64
else:
    from appliance.store import layout
    from appliance.zone.packed.places import octet64

if TYPE_CHECKING:
    from appliance.store.store import Store

_LINE = layout.BUCKET_SIZE // 8
"""Words of 64 bits of a bucket: the filter, then the slots."""
_M64 = 0xFFFFFFFFFFFFFFFF
_M32 = 0xFFFFFFFF


class BulkIndex:
    """The index of one store; chains and moves are left to the store itself."""

    def __init__(self, store: Store) -> None:
        """Look at the buckets of a store."""
        self.store = store
        self.index = store.index.words
        self.bits = store.bucket_bits
        self.buckets = 1 << store.bucket_bits

    def spread(self, h: int) -> int:
        """Return what a name's hash is in the index: the bucket in its upper bits, the tag in its lower half."""
        f = (h * layout.HASH_FINAL) & _M64
        return f ^ f >> 32

    def insert(self, f: int, ref: int) -> int:
        """Put a record into a free slot of one of its buckets, unless there is none or one of its tag is there."""
        tag = f & _M32
        first = f >> (64 - self.bits)
        second = self.other_bucket(first, tag)
        if self.slot_in(first, tag) or self.slot_in(second, tag):
            return False
        slot = self.free_slot(first)
        if not slot:
            slot = self.free_slot(second)
            bit = octet64(1) << (tag >> 26)
            if slot and self.index[first * _LINE] & bit:
                self.store.index.count_displaced(first, tag)
            elif slot:
                self.index[first * _LINE] |= bit
        if slot:
            self.index[slot] = tag << 32 | ref
        return slot != 0

    def touch(self, f: int) -> int:
        """Read both lines of a name; what that returns means nothing."""
        first = f >> (64 - self.bits)
        return self.index[first * _LINE] ^ self.index[self.other_bucket(first, f & _M32) * _LINE]

    def other_bucket(self, bucket: int, tag: int) -> int:
        """Return the second bucket of a tag that has this one, or the first."""
        return bucket ^ (tag & (self.buckets - 1))

    def slot_in(self, bucket: int, tag: int) -> int:
        """Return where a bucket has a tag, 0 where it has not."""
        i = bucket * _LINE + 1
        while i < (bucket + 1) * _LINE:
            if self.index[i] >> 32 == tag and self.index[i]:
                return i
            i += 1
        return 0

    def free_slot(self, bucket: int) -> int:
        """Return a free slot of a bucket, 0 where there is none."""
        i = bucket * _LINE + 1
        while i < (bucket + 1) * _LINE:
            if not self.index[i]:
                return i
            i += 1
        return 0
