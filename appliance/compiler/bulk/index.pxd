# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of index.py.

cimport cython

cdef unsigned long long _M64, _M32
cdef size_t _LINE


cdef class BulkIndex:
    cdef public object store
    cdef unsigned long long[::1] index
    cdef unsigned int bits
    cdef size_t buckets

    @cython.locals(f="unsigned long long")
    cdef unsigned long long spread(self, unsigned long long h) noexcept

    @cython.locals(tag="unsigned long long", first=size_t, second=size_t, slot=size_t, bit="unsigned long long")
    cdef bint insert(self, unsigned long long f, size_t ref) except -1

    @cython.locals(first=size_t)
    cdef unsigned long long touch(self, unsigned long long f) noexcept

    cdef size_t other_bucket(self, size_t bucket, unsigned long long tag) noexcept

    @cython.locals(i=size_t)
    cdef size_t slot_in(self, size_t bucket, unsigned long long tag) noexcept

    @cython.locals(i=size_t)
    cdef size_t free_slot(self, size_t bucket) noexcept
