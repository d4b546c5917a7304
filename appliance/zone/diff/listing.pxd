# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of listing.py.

cimport cython

from appliance.zone.packed.names cimport Packed

cdef size_t _PIECE, _ROWS


cdef class Listing:
    cdef Packed packed
    cdef unsigned char[::1] source, buffer
    cdef unsigned int[::1] rows
    cdef size_t used, count, size
    cdef unsigned long long octets
    cdef unsigned int sum
    cdef int failure

    cpdef bytes whole(self, size_t most)

    @cython.locals(number=size_t)
    cpdef tuple write_to(self, int fd)

    @cython.locals(going=bint)
    cdef size_t pour(self, size_t number, int fd)

    @cython.locals(done=size_t, count="long long")
    cdef bint put_out(self, int fd) noexcept nogil

    cpdef widen(self)

    cpdef size_t fill(self, size_t number)

    @cython.locals(room=bint)
    cdef size_t fill_on(self, size_t number) noexcept nogil

    @cython.locals(cursor="unsigned long long", at=size_t)
    cdef void collect(self, size_t number) noexcept nogil

    @cython.locals(gap=size_t, i=size_t, k=size_t, row="unsigned int")
    cdef void sort_rows(self) noexcept nogil

    @cython.locals(a=size_t, b=size_t, size=size_t, end=size_t, found=int)
    cdef bint is_before(self, unsigned int row, unsigned int other) noexcept nogil

    @cython.locals(to=size_t, head=size_t, length=size_t, i=size_t, at=size_t, size=size_t)
    cdef void lay_out(self, size_t number) noexcept nogil


@cython.locals(found=int)
cdef int differs(const unsigned char[::1] one, size_t at, const unsigned char[::1] other, size_t place, size_t size) noexcept nogil

cdef void copy(unsigned char[::1] to, size_t start, const unsigned char[::1] octets, size_t at, size_t size) noexcept nogil

@cython.locals(i=size_t)
cdef void put(unsigned char[::1] to, size_t at, unsigned long long number, size_t octets) noexcept nogil
