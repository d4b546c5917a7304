# SPDX-License-Identifier: GPL-3.0-or-later
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# The functions of places.py where they cost nothing.

cdef inline size_t record_offset(size_t unit) noexcept nogil:
    return unit << 2

cdef inline size_t cursor_offset(unsigned long long cursor) noexcept nogil:
    return <size_t><unsigned int>cursor << 2

cdef inline unsigned long long octet64(unsigned long long octet) noexcept nogil:
    return octet

cdef inline unsigned int lower(unsigned int octet) noexcept nogil:
    return octet + 32 if 65 <= octet <= 90 else octet

cdef inline unsigned int u16(const unsigned char[::1] octets, size_t at) noexcept nogil:
    return octets[at] | octets[at + 1] << 8

cdef inline unsigned int u32(const unsigned char[::1] octets, size_t at) noexcept nogil:
    return u16(octets, at) | u16(octets, at + 2) << 16

cdef inline bint is_wildcard(const unsigned char[::1] octets, size_t at) noexcept nogil:
    return octets[at] == 1 and octets[at + 1] == 42
