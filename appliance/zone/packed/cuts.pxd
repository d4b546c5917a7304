# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of cuts.py.

cimport cython

from appliance.zone.packed.names cimport Packed

cdef unsigned int ADDRESSES, ALIAS, CUT, DATA, DNAME, HASHED, OCCLUDED, SIGNED
cdef unsigned int _ROWS, _FLAGGED, _WILDCARD, _BELOW_ENTS
cdef unsigned int A, AAAA, NS, CNAME, SOA, RRSIG, NSEC, NSEC3, DS, DNAME_TYPE


@cython.locals(marks="unsigned char[::1]")
cpdef settle(Packed packed)


cdef class Settling:
    cdef Packed packed
    cdef unsigned char[::1] marks, seen
    cdef unsigned int[::1] rows_key
    cdef unsigned long long[::1] rows_at

    cpdef look_through(self, long long i, long long high)

    @cython.locals(rows="unsigned int", flags="unsigned int", others="unsigned int", odd=bint, cursor="unsigned long long", at=size_t, rtype="unsigned int", key="unsigned int")
    cdef bint look(self, size_t i) noexcept nogil

    @cython.locals(ttl="unsigned int", length=size_t, start=size_t, row="unsigned int", other=size_t)
    cdef bint clashes(self, size_t at, unsigned int key, unsigned int rows) noexcept nogil

    @cython.locals(packed=Packed, at=size_t)
    cpdef long long border_between(self, long long i)

    cpdef find_borders(self, long long low, long long high)

    @cython.locals(border="long long", before="long long", flags="unsigned int")
    cdef void find_highest(self, long long i, long long high) noexcept nogil

    @cython.locals(at=size_t, length="long long", other=size_t, above=bint)
    cdef long long ent_above(self, size_t i, size_t before, long long place) noexcept nogil

    @cython.locals(i=int)
    cpdef hand_over(self)

    @cython.locals(packed=Packed, before="long long", i="long long", at=size_t, place="long long")
    cpdef fill_lists(self)
