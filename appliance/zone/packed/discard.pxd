# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of discard.py.

cimport cython

from appliance.zone.packed.names cimport Packed

cdef unsigned int ADDRESSES, CUT, DATA
cdef size_t _STEPS, _SHARE, _PAGE
cdef unsigned int _NONE


cdef class SpentRecords:
    cdef Packed packed
    cdef object memory
    cdef unsigned int[::1] lowest
    cdef size_t step, end, gone
    cdef bint parents

    @cython.locals(packed=Packed, names=size_t, octets=size_t)
    cpdef bint begin(self) except -1

    cpdef size_t end_of_step(self, size_t i) noexcept

    @cython.locals(end=size_t)
    cpdef written(self, size_t i)

    cpdef let_go(self, size_t start, size_t end)

    cdef bint is_kept(self, size_t i) noexcept

    @cython.locals(packed=Packed, names=size_t, octets=size_t, i=size_t, run=size_t, at=size_t)
    cpdef tuple measure(self)

    @cython.locals(packed=Packed, i=size_t, at=size_t, length="long long", above="long long")
    cdef bint is_orphan(self) noexcept

    @cython.locals(packed=Packed, more=size_t)
    cdef size_t end_of_run(self, size_t at) noexcept

    @cython.locals(packed=Packed, to=size_t, k=size_t, i=size_t, run=size_t, at=size_t, end=size_t)
    cdef void copy(self, unsigned int[::1] kept) noexcept

    @cython.locals(packed=Packed, low="unsigned int", high="unsigned int", i=size_t, run=size_t)
    cdef size_t look_ahead(self) noexcept
