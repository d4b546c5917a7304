# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of bulk.py.

cimport cython

from appliance.answers.bulk_writer cimport BulkWriter
from appliance.zone.packed cimport Packed
from appliance.zone.packed_nsec3 cimport Chain

cdef unsigned int _ROWS, _TARGETS, _RUN, _AA, _NS, _DS, _A, _AAAA, _RRSIG, _NSEC3
cdef unsigned int _REFERRAL, _NODATA, _POSITIVE, _NODE_CUT, _NODE_WILDCARD, _HEAD, _OPT_OUT, _CACHE, _M32
cdef unsigned int CUT, DATA, MATCH, OCCLUDED


cdef class Bulk:
    cdef Packed packed
    cdef BulkWriter writer
    cdef Chain chain
    cdef unsigned long long[::1] ns, others, ds, sg, cached_at
    cdef long long[::1] target, cached
    cdef unsigned char[::1] required, cached_length, skip
    cdef unsigned int[::1] model, sums, plain, fragment, covers, fragments
    cdef size_t class_slots, classes, second, soa
    cdef unsigned int ns_count, ds_count, sg_count, targets, sum
    cdef bint signed, proving, by_name, inside

    cpdef prepare(self, bint signed, size_t soa)
    cpdef prove_by_name(self, object covers)

    @cython.locals(writer=BulkWriter, k=size_t, number=size_t, at=size_t, owner=size_t, length=size_t, size=size_t, apex=size_t, base=size_t)
    cpdef object write_chain(self, Chain chain)

    @cython.locals(packed=Packed, found="unsigned int", run=size_t, at=size_t, more=bint)
    cdef unsigned int signatures(self, size_t i, unsigned int covered, size_t owner, size_t length) noexcept

    @cython.locals(scale="unsigned long long", used=size_t, k=size_t, place=size_t, high="unsigned int", wanted="unsigned long long")
    cpdef bytearray slots(self, Chain chain)

    @cython.locals(i="unsigned int", octet="unsigned int")
    cdef void slot(self, unsigned char[::1] table, size_t at, Chain chain, size_t k, unsigned int ref) noexcept

    @cython.locals(i=size_t)
    cpdef leave_out(self, size_t low, size_t high)

    @cython.locals(packed=Packed, flags="unsigned int")
    cpdef long long run(self, long long i) except -1

    @cython.locals(packed=Packed, writer=BulkWriter, at=size_t, length=size_t, proof=size_t, second=size_t, slot="long long", plain=size_t, signed=size_t, node=size_t)
    cdef int cut(self, size_t i) except -1

    @cython.locals(writer=BulkWriter, flags="unsigned int", size=size_t, own=size_t, more=size_t)
    cdef size_t node(self, size_t i, size_t at, size_t length, size_t plain, size_t signed, size_t proof, size_t second) except? 0

    @cython.locals(writer=BulkWriter)
    cdef size_t ds_answer(self, size_t to, size_t at, size_t length, bint dnssec) noexcept

    @cython.locals(row=size_t)
    cdef void append(self, unsigned long long[::1] rows, size_t count, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, run=size_t, at=size_t, more=bint, rtype="unsigned int")
    cdef bint gather(self, size_t i) noexcept

    @cython.locals(packed=Packed, cut=size_t, row=size_t, at=size_t, length=size_t, below=bint, number="long long")
    cdef bint find_targets(self, size_t i) noexcept

    @cython.locals(packed=Packed, other=size_t)
    cdef bint is_known(self, size_t row, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, h="unsigned int", i=size_t, slot=size_t, number="long long")
    cdef long long find(self, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, run=size_t, at=size_t, more=bint)
    cdef bint has_addresses(self, size_t i) noexcept

    @cython.locals(packed=Packed, place="unsigned int", above=size_t, number="long long", encloser="unsigned int")
    cdef size_t proof(self, size_t i, size_t at, size_t length) noexcept

    @cython.locals(writer=BulkWriter, authority="unsigned int", wanted=int, k=size_t)
    cdef size_t build(self, size_t at, size_t length, bint dnssec, size_t proof, size_t second) except? 0

    @cython.locals(packed=Packed, owner=size_t, length=size_t, found="unsigned int", run=size_t, at=size_t, more=bint)
    cdef void add_group(self, size_t i, unsigned int rtype, bint dnssec) noexcept

    @cython.locals(writer=BulkWriter, size=size_t, records="unsigned int")
    cdef size_t refer(self, size_t fragment, size_t proof, size_t second) except? 0

    @cython.locals(packed=Packed, h="unsigned int", place=size_t, row=size_t, start=size_t, size=size_t, i=size_t)
    cdef unsigned int sum_class(self, size_t at, size_t length) noexcept

    @cython.locals(h="unsigned int", slot=size_t)
    cdef long long find_class(self, size_t i, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, other=size_t, label=size_t, found=size_t, run=size_t, one=size_t, more=bint)
    cdef bint is_class(self, size_t model, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, size=size_t, a=size_t, b=size_t, i=size_t)
    cdef bint is_same(self, size_t one, size_t other) noexcept

    @cython.locals(writer=BulkWriter)
    cdef void add_class(self, size_t slot, size_t i, size_t at, size_t length, size_t plain) except *

    @cython.locals(model="unsigned int[::1]", sums="unsigned int[::1]", plain="unsigned int[::1]", fragment="unsigned int[::1]", old=size_t, i=size_t, slot=size_t)
    cdef void grow(self) except *


cdef size_t wide(size_t unit) noexcept nogil
cdef size_t wide4(size_t ref) noexcept nogil
cdef unsigned long long long64(unsigned long long number) noexcept nogil
