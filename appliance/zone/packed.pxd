# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of packed.py.

cimport cython

from appliance.zone.canonical cimport CanonicalOrder
from appliance.zone.packed_octets cimport PackedOctets

cdef unsigned int ADDRESSES, CUT, DNAME, OCCLUDED, DATA, SIGNED, HASHED, ALIAS
cdef unsigned int MAX_ODD
cdef unsigned int _ROWS, _HEAD, _M32, A, AAAA, NS, CNAME, SOA, RRSIG, NSEC, NSEC3, DS, DNAME_TYPE


cdef class Packed(PackedOctets):
    cdef public list odd_at, flagged, ent_names, wildcards
    cdef public bint settled
    cdef public unsigned long long odd
    cdef public long long count
    cdef CanonicalOrder order
    cdef unsigned char[::1] seen, probe, wanted, flags
    cdef unsigned int[::1] heads, first, rows_key, kept
    cdef unsigned long long[::1] rows_at
    cdef long long kept_count, low, cut_octets, ds_octets
    cdef unsigned int sum

    @cython.locals(at=size_t, found=size_t)
    cdef size_t runs(self) noexcept

    @cython.locals(at=size_t, run=size_t, found=size_t, inside=bint)
    cdef size_t find_heads(self, unsigned int[::1] heads) except? 0

    @cython.locals(heads_view="unsigned int[::1]", size=size_t)
    cpdef sort(self, object heads, size_t found)

    @cython.locals(total=size_t, i=size_t)
    cdef size_t key_octets(self, unsigned int[::1] heads, size_t found) noexcept

    @cython.locals(i=size_t, k=size_t, at=size_t)
    cdef void write_keys(self, unsigned int[::1] heads, size_t found, unsigned char[::1] keys, unsigned int[::1] places) noexcept

    @cython.locals(i=size_t, count=size_t, a=size_t, b=size_t)
    cdef size_t take_over(self, unsigned int[::1] heads, size_t found, unsigned char[::1] keys, unsigned int[::1] places, unsigned int[::1] order, unsigned int[::1] first) noexcept

    @cython.locals(i=size_t, at=size_t)
    cpdef settle(self)

    cdef size_t first_record(self, size_t i) noexcept nogil

    @cython.locals(rows="unsigned int", flags="unsigned int", others="unsigned int", odd=bint, run=size_t, at=size_t, more=bint, rtype="unsigned int", key="unsigned int")
    cdef bint look(self, size_t i) noexcept

    cdef bint is_apex(self, size_t i) noexcept nogil

    @cython.locals(ttl="unsigned int", length=size_t, start=size_t, row="unsigned int", other=size_t)
    cdef bint clashes(self, size_t at, unsigned int key, unsigned int rows) noexcept

    @cython.locals(border="long long", before="long long", i="long long", flags="unsigned int")
    cdef void find_borders(self) except *

    @cython.locals(at=size_t, top=size_t)
    cdef bint is_below(self, size_t i, size_t above) noexcept

    @cython.locals(at=size_t, length="long long", place="long long", other=size_t, size="long long")
    cdef void find_ents(self, size_t i, long long before) except *

    @cython.locals(length="long long", size=size_t)
    cpdef long long find_name(self, bytes name) except -2

    cpdef long long number_of_apex(self) except -2

    cpdef long long position(self, bytes name) except -2

    cdef long long find_at(self, size_t at, long long length) noexcept

    @cython.locals(low="long long", high="long long", middle="long long", number="long long", at=size_t, length="long long", end=size_t, order=int)
    cdef long long search(self, size_t size) noexcept

    @cython.locals(bits="unsigned char[::1]", total="long long", bodies="long long", cuts="long long", used="long long", i="long long", flags="unsigned int", own="long long", at=size_t, size="long long", place="unsigned int", different="long long", secure="long long")
    cpdef long long weigh(self, bint signed, bint proving, long long denials)

    @cython.locals(flags="unsigned int", total="long long", run=size_t, at=size_t, more=bint, rtype="unsigned int", size="long long")
    cdef long long weigh_records(self, size_t i, bint signed) noexcept

    @cython.locals(i=size_t)
    cdef void add_sum(self, size_t at, size_t size) noexcept

    @cython.locals(at=size_t)
    cpdef bytes name(self, size_t i)

    cpdef int has_type(self, unsigned int rtype)

    cpdef unsigned int flags_of(self, size_t i) noexcept

    @cython.locals(found="unsigned int[::1]", i=size_t, k=size_t)
    cpdef object numbers(self, unsigned int wanted, unsigned int unwanted)

    @cython.locals(total=size_t, i=size_t)
    cpdef size_t how_many(self, unsigned int wanted, unsigned int unwanted) noexcept


cdef size_t scaled(size_t unit) noexcept nogil
