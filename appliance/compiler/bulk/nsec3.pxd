# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of nsec3.py.

cimport cython

from appliance.compiler.bulk.writer cimport BulkWriter
from appliance.zone.packed.names cimport Packed
from appliance.zone.packed.nsec3 cimport Chain

cdef unsigned int _RRSIG, _NSEC3


cdef class BulkChain:
    cdef Packed packed
    cdef BulkWriter writer
    cdef Chain chain
    cdef unsigned int[::1] fragments, weights
    cdef bint proving

    @cython.locals(writer=BulkWriter, k=size_t, number=size_t, at=size_t, owner=size_t, length=size_t, size=size_t, apex=size_t, base=size_t)
    cpdef object write_chain(self, Chain chain)

    @cython.locals(packed=Packed, found="unsigned int", cursor="unsigned long long", at=size_t)
    cdef unsigned int signatures(self, size_t i, unsigned int covered, size_t owner, size_t length) noexcept

    @cython.locals(scale="unsigned long long", used=size_t, k=size_t, place=size_t, high="unsigned int", wanted="unsigned long long")
    cpdef bytearray slots(self, Chain chain)

    @cython.locals(i="unsigned int", octet="unsigned int")
    cdef void slot(self, unsigned char[::1] table, size_t at, Chain chain, size_t k, unsigned int ref) noexcept
