# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of size.py.

cimport cython

from appliance.zone.packed.names cimport Packed

cdef unsigned int CUT, DATA, OCCLUDED, _RRSIG, _NSEC3, _NS, _DS, _MAP, _M32


cdef class Scale:
    cdef Packed packed
    cdef bint signed, proving
    cdef long long denials, cut_octets, ds_octets
    cdef public long long total, bodies, cuts, secure
    cdef unsigned char[::1] bits
    cdef unsigned int sum

    cpdef weigh(self, long long low, long long high)

    @cython.locals(flags="unsigned int", own="long long", size="long long")
    cdef void weigh_names(self, long long i, long long high) noexcept nogil

    @cython.locals(place="unsigned int")
    cdef void weigh_cut(self, long long size) noexcept nogil

    @cython.locals(flags="unsigned int", total="long long", cursor="unsigned long long", at=size_t, rtype="unsigned int", size="long long")
    cdef long long weigh_records(self, size_t i) noexcept nogil

    @cython.locals(i=size_t)
    cdef void add_sum(self, size_t at, size_t size) noexcept nogil

    @cython.locals(i=size_t)
    cpdef add(self, Scale other)

    @cython.locals(found="long long", i=size_t, octet="unsigned int")
    cpdef long long used(self) noexcept
