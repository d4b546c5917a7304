# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of sums.py.

cimport cython

cdef unsigned long long _MULTIPLIER, _M64, _M32


@cython.locals(end=size_t)
cpdef unsigned long long hash_octets(unsigned char[::1] octets, unsigned long long h, size_t at, size_t size) noexcept nogil

@cython.locals(end=size_t, total="unsigned long long", number="unsigned long long", k="unsigned int")
cpdef unsigned int octet_sum(unsigned char[::1] octets, size_t at, size_t size) noexcept nogil

cdef unsigned long long word(unsigned char[::1] octets, size_t at) noexcept nogil
