# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of writer.py.

cimport cython

from appliance.compiler.bulk.body cimport BulkBody
from appliance.zone.packed.names cimport Packed

cdef unsigned int _DS, _INNER, _MAX_BODY
cdef long long _AROUND, _MARGIN, _EDNS_SIZE, _PLAIN_SIZE


cdef class BulkWriter(BulkBody):
    cdef unsigned int[::1] inner
    cdef unsigned int inners, inner_records
    cdef size_t inner_octets

    cdef void clear_inner(self) noexcept
    cdef void add_inner(self, size_t ref) noexcept
    cdef void add_weighed(self, size_t ref, size_t weight) noexcept
    cdef void drop_inner(self) noexcept
    cdef void end_authority(self) noexcept

    @cython.locals(i=size_t)
    cdef void head(self, size_t to, unsigned int flags, unsigned int answer, unsigned int authority, unsigned int additional, unsigned int size) noexcept

    @cython.locals(records="unsigned int")
    cdef size_t whole(self, size_t to, unsigned int flags, unsigned int kind, bint answer) noexcept

    @cython.locals(last="unsigned int", found="unsigned long long", size="long long", room="long long", k="unsigned int")
    cdef unsigned long long variants(self, long long before) noexcept

    @cython.locals(before=size_t, chosen="unsigned long long", first=size_t, ref=size_t, k=size_t, size=size_t)
    cdef size_t referral(self, unsigned int kind, unsigned int authority) except? 0

    @cython.locals(size=size_t, tail=size_t, end=size_t, to=size_t)
    cdef size_t pieces(self, unsigned int kind, unsigned int authority, size_t before, size_t k, size_t first, size_t smaller) except? 0

    @cython.locals(i="unsigned int")
    cdef size_t list_inner(self, size_t to) noexcept

    cdef size_t inner_answer(self, size_t to, unsigned int flags, unsigned int kind) noexcept

    @cython.locals(size=size_t, records="unsigned int", pieces="unsigned int")
    cdef size_t nodata(self, size_t to, unsigned int kind, size_t soa, size_t proof, size_t second) noexcept

    @cython.locals(packed=Packed, length=size_t, stored=size_t, table=size_t, size=size_t, behind=size_t, total=size_t, ref=size_t, start=size_t, i=size_t, word=size_t, row=size_t)
    cdef size_t cut_node(self, size_t at, unsigned int flags, size_t plain, size_t signed, unsigned int entries, size_t answer, size_t proved, size_t own, size_t more) except? 0

    @cython.locals(found="unsigned int")
    cdef unsigned int labels(self, size_t at) noexcept


cdef unsigned long long one(unsigned long long bit) noexcept nogil
