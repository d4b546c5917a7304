# SPDX-License-Identifier: GPL-3.0-or-later
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# The numbers and functions of header.py.

from appliance.zone.packed.places cimport u16

cdef enum:
    TTL_AT = 4
    TYPE_AT = 8
    CLASS_AT = 10
    RDLENGTH_AT = 12
    OWNER_LENGTH_AT = 14
    FLAGS_AT = 15
    SIZE = 16
    LENGTH_BEFORE = 2
    DROPPED = 1

cdef inline size_t rdata_of(const unsigned char[::1] octets, size_t at) noexcept nogil:
    return at + SIZE + octets[at + OWNER_LENGTH_AT]

cdef inline size_t end_of(const unsigned char[::1] octets, size_t at) noexcept nogil:
    return (rdata_of(octets, at) + u16(octets, at + RDLENGTH_AT) + 3) & ~<size_t>3

cdef inline size_t next_in_run(const unsigned char[::1] octets, size_t length, size_t at) noexcept nogil:
    at = end_of(octets, at)
    return at if at < length and not octets[at + OWNER_LENGTH_AT] else 0
