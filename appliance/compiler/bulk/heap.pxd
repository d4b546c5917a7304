# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of heap.py.

cimport cython

from appliance.compiler.bulk.index cimport BulkIndex
from appliance.zone.packed.names cimport Packed

cdef unsigned long long _M64, _M32
cdef unsigned int _BLOB, _SLAB, _MANY, _WAITING


cdef class BulkHeap(BulkIndex):
    cdef public object writer, arena
    cdef Packed packed
    cdef unsigned char[::1] heap, blob, starts
    cdef unsigned int[::1] heap_words, table, sums, depths, refs, waiting_ref
    cdef unsigned long long[::1] waiting
    cdef unsigned int number, version
    cdef size_t suffix, slots, used, ref_count, at, end, slab, slab_at, slab_end
    cdef size_t nodes, node_octets, answer_octets, objects, object_octets, references
    cdef size_t wait_count
    cdef unsigned long long apex_hash, touched

    cpdef enter(self)

    cpdef leave(self)

    cdef void leave_nodes(self) except *

    @cython.locals(granules=size_t, at=size_t)
    cdef size_t take(self, size_t size) except? 0

    cdef size_t take_slowly(self, size_t size) except? 0

    @cython.locals(granules=size_t, ref=size_t)
    cdef size_t take_shared(self, size_t size) except? 0

    cdef size_t put(self, size_t size) except? 0

    cdef size_t copy_blob(self, size_t ref, size_t size) noexcept

    cdef void copy_out(self, size_t to, size_t at, size_t size) noexcept

    cdef size_t share(self, size_t size) except? 0

    cdef size_t share_near(self, size_t size) except? 0

    @cython.locals(h="unsigned int", slot=size_t, ref=size_t)
    cdef size_t shared(self, size_t size, bint near) except? 0

    @cython.locals(h="unsigned long long")
    cdef unsigned int sum_blob(self, size_t size) noexcept

    @cython.locals(start=size_t)
    cdef bint is_blob(self, size_t ref, size_t size) noexcept

    @cython.locals(old_table="unsigned int[::1]", old_sums="unsigned int[::1]", old=size_t, i=size_t, slot=size_t)
    cdef void grow(self) except *

    cdef void store16(self, size_t to, unsigned int number) noexcept

    cdef void store32(self, size_t to, unsigned int number) noexcept

    @cython.locals(start=size_t)
    cdef unsigned int heap16(self, size_t ref, size_t offset) noexcept

    cdef void count_node(self, size_t own, size_t answers, size_t references) noexcept

    cdef void publish(self, size_t ref, size_t at) except *

    @cython.locals(count=size_t, i=size_t, ref=size_t)
    cdef void hang_waiting(self) except *

    @cython.locals(packed=Packed, labels="unsigned int", place="long long", h="unsigned long long", size=size_t, i=size_t, k=size_t, word="unsigned long long")
    cdef unsigned long long hash(self, size_t at, long long length) noexcept
