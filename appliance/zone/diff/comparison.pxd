# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of comparison.py.

cimport cython

from appliance.zone.packed.order cimport CanonicalOrder

cdef unsigned int _SOA, _IN_SWAPPED


cdef class Comparison:
    cdef const unsigned char[::1] old, new
    cdef unsigned char[::1] old_key, new_key, gone, came, apex
    cdef CanonicalOrder order
    cdef long long apex_length, old_end, new_end
    cdef public long long names, removed, added, removed_records, added_records
    cdef bint writing

    @cython.locals(sound=bint)
    cpdef compare(self)

    @cython.locals(a="long long", b="long long", size="long long", other="long long", order=int, length="long long", end="long long")
    cdef bint walk(self) noexcept nogil

    @cython.locals(length="long long", place="long long")
    cdef long long key(self, const unsigned char[::1] octets, long long at, unsigned char[::1] key) noexcept nogil

    @cython.locals(i="long long")
    cdef bint ends_in_apex(self, const unsigned char[::1] octets, long long at) noexcept nogil

    @cython.locals(rows="long long", others="long long", at="long long", to="long long", end="long long", stop="long long", differing=bint, order=int)
    cdef bint merge(self, long long a, long long b) noexcept nogil

    @cython.locals(size="long long", other="long long", found=int)
    cdef int compare_records(self, long long at, long long to) noexcept nogil

    cdef bint ttl_differs(self, long long at, long long to) noexcept nogil

    @cython.locals(length="long long", size="long long", to="long long", target="unsigned char[::1]", i="long long")
    cdef bint take(self, const unsigned char[::1] octets, long long head, long long at, bint old) noexcept nogil


cdef long long block(const unsigned char[::1] octets, long long at, long long end) noexcept nogil

cdef bint is_sound(const unsigned char[::1] octets, long long at, long long rows, long long end) noexcept nogil
