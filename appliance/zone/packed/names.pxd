# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of names.py.

cimport cython

from appliance.zone.packed.order cimport CanonicalOrder
from appliance.zone.packed.octets cimport PackedOctets

cdef unsigned int MAX_ODD


cdef class Packed(PackedOctets):
    cdef public list odd_at, flagged, ent_names, wildcards
    cdef public bint settled
    cdef public unsigned long long odd
    cdef public long long count
    cdef CanonicalOrder order
    cdef unsigned char[::1] seen, probe, wanted, flags
    cdef unsigned int[::1] heads, first, kept
    cdef long long kept_count, low

    @cython.locals(found=size_t)
    cpdef sort(self, size_t border)

    cdef size_t first_record(self, size_t i) noexcept nogil

    @cython.locals(run="unsigned long long")
    cdef unsigned long long first_of(self, size_t i) noexcept nogil

    @cython.locals(at=size_t, run="unsigned long long")
    cdef unsigned long long next_of(self, size_t i, unsigned long long cursor) noexcept nogil

    cdef bint is_apex(self, size_t i) noexcept nogil

    @cython.locals(at=size_t, top=size_t)
    cdef bint is_below(self, size_t i, size_t above) noexcept nogil

    @cython.locals(length="long long", size=size_t)
    cpdef long long find_name(self, bytes name) except -2

    cpdef long long number_of_apex(self) except -2

    cpdef long long position(self, bytes name) except -2

    cdef long long find_at(self, size_t at, long long length) noexcept

    @cython.locals(low="long long", high="long long", middle="long long", number="long long", at=size_t, length="long long", end=size_t, order=int)
    cdef long long search(self, size_t size) noexcept

    @cython.locals(at=size_t)
    cpdef bytes name(self, size_t i)

    cpdef int has_type(self, unsigned int rtype)

    cpdef unsigned int flags_of(self, size_t i) noexcept

    @cython.locals(found="unsigned int[::1]", i=size_t, k=size_t)
    cpdef object numbers(self, unsigned int wanted, unsigned int unwanted)

    @cython.locals(total=size_t, i=size_t)
    cpdef size_t how_many(self, unsigned int wanted, unsigned int unwanted) noexcept
