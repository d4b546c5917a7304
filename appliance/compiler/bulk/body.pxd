# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of body.py.

cimport cython

from appliance.compiler.bulk.heap cimport BulkHeap
from appliance.zone.packed.names cimport Packed

cdef unsigned int _MAX_PLACES, _MAX_GROUPS, _MAX_BODY, _TURN


cdef class BulkBody(BulkHeap):
    cdef unsigned char[::1] body
    cdef unsigned int[::1] cut_octets, cut_moves, cut_records
    cdef unsigned long long[::1] place_at
    cdef unsigned short[::1] move_at, move_to, place_length, place_to
    cdef unsigned int moves, base_moves, records_in, base_records, places, base_length, cuts, least
    cdef size_t size, base, start, limit
    cdef bint fixed, first, full

    @cython.locals(place=size_t)
    cdef void begin(self, size_t at, size_t length, bint fixed) noexcept

    cdef void add_place(self, size_t at, size_t length, size_t to) noexcept

    @cython.locals(packed=Packed, k=size_t, other=size_t, i=size_t)
    cdef unsigned int find_place(self, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, place="unsigned int", here=size_t, label=size_t, i=size_t, octet="unsigned int")
    cdef void name(self, size_t at, size_t length, bint folded) noexcept

    cdef void put16(self, unsigned int number) noexcept

    @cython.locals(packed=Packed, rtype="unsigned int", ttl="unsigned int", start=size_t, size=size_t, begin=size_t)
    cdef void rr(self, size_t owner, size_t length, size_t at) noexcept

    cdef void split(self) noexcept

    cdef void mark(self) noexcept

    @cython.locals(i=size_t)
    cdef size_t rest(self, size_t start, size_t move, unsigned int records) noexcept

    @cython.locals(weight="unsigned int", i=size_t, filled=size_t, last=size_t)
    cdef size_t fragment(self, size_t to, size_t start, size_t size, size_t move, size_t moves, unsigned int records) noexcept
