# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of screen.py.

cimport cython

from appliance.zone.packed.names cimport Packed
from appliance.zone.packed.nsec3 cimport Chain

cdef unsigned int CUT, DATA, HASHED, OCCLUDED, SIGNED, MATCH, _ROWS
cdef unsigned int _RRSIG, _NSEC, _NSEC3, _NS, _DS, _DNSKEY, _OPT_OUT
cdef long long _NEVER, _HALF, _M32
cdef int MISSING, MISMATCH, KEY, TIME, OWN, HASH, REST, _UNSIGNED, _EXPIRED, _NOT_YET


cdef class Screen:
    cdef Packed packed
    cdef unsigned int[::1] tags, algorithms, key
    cdef unsigned long long[::1] at, unsaid, new
    cdef unsigned char[::1] silent, bits
    cdef size_t keys, rows
    cdef long long now
    cdef public long long count, missing, expired, not_yet_valid, earliest

    cpdef silence(self, int kind)
    cpdef unsigned long long counted(self, int kind)

    @cython.locals(cursor="unsigned long long", at=size_t, rtype="unsigned int")
    cdef bint gather(self, size_t i) noexcept nogil

    @cython.locals(found="long long")
    cpdef long long seek(self, int kind, long long i, long long high)

    @cython.locals(flags="unsigned int")
    cdef long long find(self, int kind, long long i, long long high) noexcept nogil

    @cython.locals(found=size_t, row=size_t, other=size_t, covered="unsigned int")
    cdef bint is_needed(self, size_t i) noexcept nogil

    @cython.locals(j=int, kind=int, earliest="long long", end="long long", labels=int, row=size_t, rtype="unsigned int", wanted=bint)
    cdef bint is_signed(self, size_t i, unsigned int cut, bint hashed) noexcept nogil

    @cython.locals(i=size_t)
    cdef bint is_first(self, size_t row) noexcept nogil

    @cython.locals(at=size_t, labels=int)
    cdef int label_count(self, size_t i) noexcept nogil

    @cython.locals(wanted="unsigned int", best="long long", good_best="long long", valid=int, started=int, good_valid=int, good_started=int, good=int, signatures=int, uneven=int, i=size_t, at=size_t, begun=bint, after="long long", in_force=bint)
    cdef long long look(self, size_t row, unsigned int rtype, int labels) noexcept nogil

    @cython.locals(i="long long", tag="unsigned int", algorithm="unsigned int")
    cdef bint is_usable(self, size_t at, int labels) noexcept nogil

    @cython.locals(found="long long")
    cpdef long long matches(self, Chain chain, long long low, long long high)

    @cython.locals(found="long long", flags="unsigned int", place="unsigned int")
    cdef long long count_matches(self, Chain chain, long long i, long long high) noexcept nogil

    @cython.locals(i=size_t)
    cdef bint has_type(self, unsigned int rtype) noexcept nogil

    @cython.locals(at=size_t, end=size_t, signed=bint, i=size_t, rtype="unsigned int", length=size_t)
    cdef bint has_bitmap(self, Chain chain, size_t k, unsigned int cut) noexcept nogil


cdef long long distance(long long moment, long long now) noexcept nogil
