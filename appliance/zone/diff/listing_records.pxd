# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of listing_records.py.

cimport cython

cdef long long _UNKNOWN


cdef class Packing:
    cdef const unsigned char[::1] listing
    cdef unsigned char[::1] memory
    cdef readonly size_t count
    cdef long long end

    cpdef long long pack(self)

    @cython.locals(at="long long", to="long long", stop="long long", rows="long long", size="long long", length="long long", owner="long long")
    cdef long long walk(self) noexcept nogil

    @cython.locals(size="long long")
    cdef long long put_record(self, long long at, long long to, long long owner, long long length) noexcept nogil
