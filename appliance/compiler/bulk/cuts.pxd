# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of cuts.py.

cimport cython

from appliance.compiler.bulk.classes cimport CutClasses
from appliance.compiler.bulk.writer cimport BulkWriter
from appliance.zone.packed.names cimport Packed
from appliance.zone.packed.nsec3 cimport Chain

cdef unsigned int _ROWS, _TARGETS, _RUN, _OWN, _RR_HEAD, _LEAST, _AA, _NS, _DS, _A, _AAAA, _RRSIG
cdef unsigned int _REFERRAL, _NODATA, _POSITIVE, _NODE_CUT, _NODE_WILDCARD, _OPT_OUT, _CACHE, _M32, _MOST_ADDED
cdef unsigned int ADDRESSES, CUT, DATA, MATCH, OCCLUDED


cdef class Bulk(CutClasses):
    cdef unsigned long long[::1] ds, sg, cached_at
    cdef long long[::1] target, cached
    cdef unsigned char[::1] required, cached_length, skip
    cdef unsigned int[::1] covers, denied, denied_by
    cdef size_t second, soa, weight, second_weight
    cdef unsigned int ds_count, sg_count
    cdef bint by_name, shares_ds, divided

    cpdef prepare(self, bint signed, size_t soa, bint shares_ds)

    cpdef object prove_by_chain(self, Chain chain)
    cpdef prove_by_name(self, object covers)

    @cython.locals(i=size_t)
    cpdef leave_out(self, size_t low, size_t high)

    @cython.locals(packed=Packed, flags="unsigned int")
    cpdef long long next_other(self, long long i) noexcept

    @cython.locals(packed=Packed, flags="unsigned int")
    cpdef long long run(self, long long i, long long end) except -1

    @cython.locals(packed=Packed, writer=BulkWriter, at=size_t, length=size_t, proof=size_t, second=size_t, slot="long long", plain=size_t, signed=size_t, composed=bint, node=size_t)
    cdef int cut(self, size_t i) except -1

    @cython.locals(writer=BulkWriter, flags="unsigned int", size=size_t, proved=size_t, own=size_t, more=size_t, place="unsigned int")
    cdef size_t node(self, size_t i, size_t at, size_t length, size_t plain, size_t signed, size_t proof, size_t second) except? 0

    @cython.locals(writer=BulkWriter)
    cdef size_t ds_answer(self, size_t to, size_t at, size_t length, bint dnssec) noexcept

    @cython.locals(writer=BulkWriter)
    cdef void add_inners(self, size_t at, size_t length, size_t proof, size_t second) except *

    cdef void add_proof(self, size_t ref, size_t weight) noexcept

    @cython.locals(packed=Packed, total=size_t, row=size_t)
    cdef bint takes_ds(self) noexcept

    @cython.locals(packed=Packed, cursor="unsigned long long", at=size_t, rtype="unsigned int")
    cdef bint gather(self, size_t i) noexcept

    @cython.locals(packed=Packed, cut=size_t, row=size_t, at=size_t, length=size_t, below=bint, number="long long")
    cdef bint find_targets(self, size_t i) noexcept

    @cython.locals(packed=Packed, left="unsigned int", cursor="unsigned long long")
    cdef bint is_crowded(self, size_t i) noexcept

    @cython.locals(packed=Packed, other=size_t)
    cdef bint is_known(self, size_t row, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, h="unsigned int", i=size_t, slot=size_t, number="long long")
    cdef long long find(self, size_t at, size_t length) noexcept

    cdef bint has_addresses(self, size_t i) noexcept

    @cython.locals(packed=Packed, place="unsigned int", above=size_t, number="long long", encloser="unsigned int")
    cdef size_t proof(self, size_t i, size_t at, size_t length) noexcept

    @cython.locals(writer=BulkWriter, authority="unsigned int", wanted=int, k=size_t)
    cdef size_t build(self, size_t at, size_t length, bint dnssec) except? 0

    @cython.locals(packed=Packed, owner=size_t, length=size_t, found="unsigned int", cursor="unsigned long long", at=size_t)
    cdef void add_group(self, size_t i, unsigned int rtype, bint dnssec) noexcept

    @cython.locals(writer=BulkWriter, size=size_t)
    cdef size_t refer(self, size_t fragment, size_t octets) except? 0
