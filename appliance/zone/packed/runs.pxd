# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of runs.py.

cimport cython

from appliance.zone.packed.order cimport CanonicalOrder
from appliance.zone.packed.octets cimport PackedOctets

cdef unsigned int MAX_ODD


cdef class Runs(PackedOctets):
    cdef public size_t count, odd
    cdef size_t low, high, key_octets
    cdef CanonicalOrder order
    cdef unsigned int[::1] heads, places, sorted, spare
    cdef unsigned char[::1] keys, fresh

    @cython.locals(runs=size_t)
    cpdef sort(self)

    @cython.locals(at=size_t, found=size_t)
    cdef size_t how_many(self) noexcept nogil

    @cython.locals(at=size_t, found=size_t, odd=size_t, room=size_t, length=size_t, inside=bint)
    cdef void find_heads(self) noexcept nogil

    @cython.locals(at=size_t, run=size_t, inside=bint)
    cpdef list odd_places(self)

    @cython.locals(i=size_t, k=size_t, at=size_t)
    cdef void write_keys(self) noexcept nogil

    @cython.locals(start=size_t, size="long long", other_start=size_t, other_size="long long", order="long long")
    cdef long long compare(self, size_t a, Runs other, size_t b) noexcept nogil

    @cython.locals(i=size_t, start=size_t, middle=size_t, end=size_t, again=bint)
    cdef void merge_sort(self) noexcept nogil

    cdef size_t end_of_sorted(self, size_t i) noexcept nogil

    @cython.locals(right=size_t, at=size_t)
    cdef void merge_sorted(self, size_t left, size_t middle, size_t end) noexcept nogil

    @cython.locals(i=size_t)
    cdef void find_fresh(self) noexcept nogil

    @cython.locals(names=size_t, count=size_t, beside=Runs)
    cpdef size_t merge(self, Runs other, unsigned int[::1] heads, unsigned int[::1] first)

    @cython.locals(i=size_t, k=size_t, at=size_t, names=size_t, order="long long", same=bint, new=bint)
    cdef size_t merge_names(self, Runs other, size_t count, unsigned int[::1] heads, unsigned int[::1] first) noexcept nogil
