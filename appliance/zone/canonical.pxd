# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of canonical.py.

cimport cython


cdef class CanonicalOrder:
    cdef unsigned char[::1] starts

    @cython.locals(labels="unsigned int", place=size_t, end=size_t, octet="unsigned int")
    cdef size_t write_key(self, const unsigned char[::1] octets, size_t at, size_t length, unsigned char[::1] keys, size_t k) noexcept nogil

    cdef int compare(self, const unsigned char[::1] keys, size_t a, size_t a_end, size_t b, size_t b_end) noexcept nogil

    @cython.locals(i=size_t)
    cdef int compare_two(self, const unsigned char[::1] one, size_t size, const unsigned char[::1] other, size_t other_size) noexcept nogil

    @cython.locals(i=size_t, start=size_t, middle=size_t, end=size_t, again=bint)
    cdef void merge_sort(self, const unsigned char[::1] keys, unsigned int[::1] places, unsigned int[::1] order, unsigned int[::1] spare, size_t count) noexcept nogil

    @cython.locals(i=size_t, a=size_t, b=size_t)
    cdef size_t run_end(self, const unsigned char[::1] keys, unsigned int[::1] places, unsigned int[::1] order, size_t start, size_t count) noexcept nogil

    @cython.locals(i=size_t, left=size_t, right=size_t, at=size_t, a=size_t, b=size_t)
    cdef void merge(self, const unsigned char[::1] keys, unsigned int[::1] places, unsigned int[::1] order, unsigned int[::1] spare, size_t start, size_t middle, size_t end) noexcept nogil


cdef unsigned int fold(unsigned int octet) noexcept nogil
