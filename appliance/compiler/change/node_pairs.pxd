# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of node_pairs.py.

cimport cython

from appliance.compiler.bulk.writer cimport BulkWriter

cdef size_t _SCRATCH
cdef unsigned long long _M32


cdef class NodePairs(BulkWriter):
    cdef unsigned int served
    cdef size_t count
    cdef unsigned long long[::1] hashes
    cdef unsigned int[::1] old, new

    cpdef begin_pairs(self, size_t most)

    @cython.locals(slot=size_t, ref=size_t, word=size_t)
    cdef size_t find_cut(self, unsigned long long h, size_t length) noexcept

    cdef bint is_served(self, size_t word) noexcept

    @cython.locals(start=size_t, stored=size_t, i=size_t)
    cdef bint is_named(self, size_t ref, size_t length) noexcept

    cdef size_t first_bucket(self, unsigned long long h) noexcept

    @cython.locals(f="unsigned long long", tag="unsigned long long", first=size_t)
    cdef size_t slot_of(self, unsigned long long h) noexcept

    @cython.locals(k=size_t)
    cpdef link(self)

    @cython.locals(ref=size_t, old=size_t, slot=size_t)
    cdef void hang(self, size_t k) except *

    @cython.locals(found=size_t)
    cdef size_t chain_length(self, size_t ref) noexcept

    @cython.locals(f="unsigned long long")
    cdef void join(self, size_t slot, unsigned long long h) except *

    @cython.locals(k=size_t)
    cpdef expire(self)

    @cython.locals(k=size_t, found=size_t, slot=size_t, word=size_t, old=size_t)
    cpdef unlink(self)

    @cython.locals(f="unsigned long long")
    cdef void leave_chain(self, size_t slot, unsigned long long h) except *
