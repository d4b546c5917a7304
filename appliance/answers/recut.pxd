# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of recut.py.

cimport cython

from appliance.answers.bulk_writer cimport BulkWriter
from appliance.zone.packed cimport Packed

cdef unsigned int _NS, _DS, _REFERRAL, _NODATA, _POSITIVE, _CUT, _CHAIN
cdef unsigned int _HEAD, _ANSWER, _NODE, _OTHER_NODE, _FROM, _UNTIL, _NEXT, _LINE, _ROWS
cdef size_t _SCRATCH
cdef unsigned long long _FINAL, _M64, _M32


cdef class Recut(BulkWriter):
    cdef bint proving, signed
    cdef unsigned int served, rows
    cdef size_t count
    cdef unsigned long long touched
    cdef unsigned char[::1] secure
    cdef list names, servers
    cdef unsigned long long[::1] hashes
    cdef unsigned int[::1] old, new, row_at

    cpdef take_up(self, dict changed, object nodes)

    @cython.locals(packed=Packed, length="long long", row=size_t, at=size_t)
    cdef bint is_plain(self, bytes name, object servers) except -1

    @cython.locals(k=size_t, slot=size_t, word=size_t, row=size_t)
    cdef void fetch(self) noexcept

    @cython.locals(names=list, servers=list, kept=size_t, k=size_t, h="unsigned long long", secure=bint, old=size_t)
    cdef set kept(self)

    @cython.locals(packed=Packed, octets="const unsigned char*", size=size_t, i=size_t)
    cdef void place_name(self, bytes name) except *

    @cython.locals(packed=Packed, size=size_t, octets="const unsigned char*", i=size_t, at=size_t, length=size_t)
    cdef size_t fill(self, bytes name, object servers) except? 0

    @cython.locals(slot=size_t, ref=size_t, word=size_t)
    cdef size_t find_cut(self, unsigned long long h, size_t length) noexcept

    cdef bint is_served(self, size_t word) noexcept

    @cython.locals(start=size_t, stored=size_t, i=size_t)
    cdef bint is_named(self, size_t ref, size_t length) noexcept

    @cython.locals(f="unsigned long long", tag="unsigned long long", bucket=size_t, turn="unsigned int", i=size_t)
    cdef size_t slot_of(self, unsigned long long h) noexcept

    @cython.locals(start=size_t)
    cdef size_t entry(self, size_t old) noexcept

    @cython.locals(row=size_t, proved=size_t, pieces="unsigned int", kind="unsigned int")
    cdef bint is_told(self, size_t old, bint secure) noexcept

    @cython.locals(proved=size_t, i="unsigned int")
    cdef void add_kept(self, size_t row, bint secure) noexcept

    @cython.locals(k=size_t)
    cpdef write(self)

    @cython.locals(old=size_t, plain=size_t, signed=size_t, answer=size_t, proved=size_t, row=size_t, ref=size_t)
    cdef size_t write_one(self, size_t k) except? 0

    @cython.locals(row=size_t)
    cdef size_t plain_referral(self) except? 0

    @cython.locals(first=size_t)
    cdef size_t signed_referral(self) except? 0

    @cython.locals(k=size_t)
    cpdef link(self)

    @cython.locals(ref=size_t, old=size_t, slot=size_t)
    cdef void hang(self, size_t k) except *

    @cython.locals(found=size_t)
    cdef size_t chain_length(self, size_t ref) noexcept

    @cython.locals(f="unsigned long long")
    cdef void join(self, size_t slot, unsigned long long h) except *

    @cython.locals(k=size_t)
    cpdef expire(self)

    @cython.locals(k=size_t, found=size_t, slot=size_t, word=size_t, old=size_t)
    cpdef unlink(self)

    @cython.locals(f="unsigned long long")
    cdef void leave_chain(self, size_t slot, unsigned long long h) except *


@cython.locals(f="unsigned long long")
cdef size_t bucket_of(unsigned long long h, unsigned int bits) noexcept nogil
cdef size_t wide(size_t ref) noexcept nogil
cdef unsigned long long octet64(unsigned long long octet) noexcept nogil
