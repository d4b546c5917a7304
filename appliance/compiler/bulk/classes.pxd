# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of classes.py.

cimport cython

from appliance.compiler.bulk.nsec3 cimport BulkChain
from appliance.compiler.bulk.writer cimport BulkWriter
from appliance.zone.packed.names cimport Packed

cdef unsigned int _ROWS, _MODEL_HEAD, _M32
cdef size_t _MODEL


cdef class CutClasses(BulkChain):
    cdef unsigned long long[::1] ns
    cdef unsigned char[::1] models
    cdef unsigned long long[::1] model
    cdef unsigned int[::1] sums, plain, fragment
    cdef unsigned short[::1] fragment_octets
    cdef size_t class_slots, classes, models_end
    cdef unsigned int ns_count, targets, sum
    cdef bint inside, signed

    @cython.locals(packed=Packed, h="unsigned long long", place=size_t, row=size_t)
    cdef unsigned int sum_class(self, size_t at, size_t length) noexcept

    @cython.locals(h="unsigned int", slot=size_t)
    cdef long long find_class(self, size_t at, size_t length) noexcept

    @cython.locals(packed=Packed, models="unsigned char[::1]", place=size_t, row=size_t, start=size_t, size=size_t)
    cdef bint is_class(self, size_t model, size_t at, size_t length) noexcept

    @cython.locals(octets="unsigned char[::1]")
    cdef bint is_model(self, size_t model, size_t at, size_t size) noexcept

    cdef void add_class(self, size_t slot, size_t at, size_t length, size_t plain) except *

    @cython.locals(packed=Packed, models="unsigned char[::1]", to=size_t, place=size_t, row=size_t, start=size_t, size=size_t)
    cdef void copy_model(self, size_t at, size_t length) except *

    @cython.locals(octets="unsigned char[::1]")
    cdef size_t add_model(self, size_t to, size_t at, size_t size) noexcept

    @cython.locals(grown="unsigned char[::1]")
    cdef void grow_models(self) except *

    @cython.locals(writer=BulkWriter)
    cdef size_t fragment_of(self, size_t slot, size_t at, size_t length) except? 0

    @cython.locals(model="unsigned long long[::1]", sums="unsigned int[::1]", plain="unsigned int[::1]", fragment="unsigned int[::1]", octets="unsigned short[::1]", old=size_t, i=size_t, slot=size_t)
    cdef void grow(self) except *

    @cython.locals(row=size_t)
    cdef void append(self, unsigned long long[::1] rows, size_t count, size_t at, size_t length) noexcept
