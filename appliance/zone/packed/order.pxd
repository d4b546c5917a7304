# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of order.py.

cimport cython


cdef class CanonicalOrder:
    cdef unsigned char[::1] starts

    @cython.locals(labels="unsigned int", place=size_t, end=size_t, octet="unsigned int")
    cdef size_t write_key(self, const unsigned char[::1] octets, size_t at, size_t length, unsigned char[::1] keys, size_t k) noexcept nogil

    @cython.locals(i=size_t)
    cdef int compare_two(self, const unsigned char[::1] one, size_t size, const unsigned char[::1] other, size_t other_size) noexcept nogil
