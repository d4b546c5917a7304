# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of ns_changes.py.

cimport cython

from appliance.compiler.change.node_pairs cimport NodePairs
from appliance.zone.packed.names cimport Packed

cdef unsigned int _NS, _DS, _REFERRAL, _NODATA, _POSITIVE
cdef unsigned int _LINE, _ROWS, _GROUPS
cdef size_t _SCRATCH
cdef unsigned long long _M32


cdef class NsChanges(NodePairs):
    cdef bint proving, signed, composing
    cdef object glue
    cdef unsigned int rows
    cdef size_t free
    cdef unsigned long long touched
    cdef list names, servers
    cdef unsigned char[::1] secure, inside
    cdef unsigned int[::1] row_at

    cpdef take_up(self, dict changed, object nodes)

    @cython.locals(packed=Packed, length="long long", row=size_t, at=size_t)
    cdef bint is_plain(self, bytes name, object servers) except -1

    @cython.locals(k=size_t, slot=size_t, word=size_t, row=size_t)
    cdef void fetch(self) noexcept

    @cython.locals(names=list, servers=list, kept=size_t, k=size_t, h="unsigned long long", secure=bint, old=size_t)
    cdef set kept(self)

    @cython.locals(start=size_t, stored=size_t)
    cdef size_t entry(self, size_t old) noexcept

    @cython.locals(row=size_t)
    cdef size_t proved(self, size_t old) noexcept

    @cython.locals(row=size_t, proved=size_t, pieces="unsigned int", kind="unsigned int")
    cdef bint is_told(self, size_t old, bint secure) noexcept

    @cython.locals(proved=size_t, i="unsigned int")
    cdef void add_kept(self, size_t answer) noexcept

    cdef void place_name(self, bytes name) except *

    @cython.locals(found="const unsigned char*", size=size_t, i=size_t)
    cdef void copy(self, bytes octets, size_t to) except *

    @cython.locals(packed=Packed, at=size_t, size=size_t, length=size_t)
    cdef size_t place(self, bytes owner, unsigned int rtype, unsigned int ttl, bytes rdata) except? 0

    cdef size_t fill(self, bytes name, object servers) except? 0

    @cython.locals(k=size_t)
    cpdef write(self)

    @cython.locals(old=size_t, plain=size_t, row=size_t, ref=size_t)
    cdef size_t write_one(self, size_t k) except? 0

    @cython.locals(signed=size_t, groups=list)
    cdef size_t write_told(self, size_t k, size_t plain, size_t answer, size_t proved) except? 0

    @cython.locals(row=size_t, length=size_t)
    cdef size_t build(self, list groups) except? 0

    @cython.locals(start=size_t, at=size_t)
    cdef bint add_groups(self, list groups) except -1

    cdef size_t again(self) except? 0
