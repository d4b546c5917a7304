# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of copies.py.

cimport cython

from appliance.compiler.bulk.index cimport BulkIndex

cdef unsigned long long _M64, _M32
cdef size_t _ROW


cdef class Template:
    cdef unsigned int[::1] words, own, numbers, row, row_own, parents, firsts, nodes, places
    cdef unsigned long long[::1] labels, hashes
    cdef size_t size, own_count, number_count, row_own_count, names
    cdef readonly size_t count

    cpdef size_t node_at(self, size_t node) except? 0


cdef class Copier(BulkIndex):
    cdef unsigned char[::1] heap, row_octets
    cdef unsigned int[::1] words, rows, depths

    cpdef leave(self)

    @cython.locals(first=size_t, i=size_t)
    cpdef write(self, Template template, size_t start, size_t number, unsigned long long above, bytes origin)

    @cython.locals(first=size_t, i=size_t, size=size_t)
    cdef void write_row(self, Template template, size_t start, size_t number, bytes origin) noexcept

    @cython.locals(size=size_t, h="unsigned long long", i=size_t, k=size_t, name=size_t, word="unsigned long long")
    cdef void hash_names(self, Template template, unsigned long long above, bytes origin) noexcept

    @cython.locals(h="unsigned long long")
    cpdef unsigned long long hash_of(self, Template template, size_t node)

    @cython.locals(ref=size_t, h="unsigned long long")
    cpdef size_t hang(self, Template template, size_t start, size_t node) except? 0

    @cython.locals(node=size_t, one=size_t, other=size_t, at=size_t, end=size_t)
    cpdef bint has_names_of(self, Template template, size_t start, unsigned int[::1] old) except -1

    @cython.locals(ref=size_t, was=size_t, f="unsigned long long", slot=size_t)
    cpdef size_t exchange(self, Template template, size_t start, unsigned int[::1] old, size_t node) except? 0

    @cython.locals(tag="unsigned long long", first=size_t, slot=size_t)
    cdef size_t slot_with(self, unsigned long long f, size_t ref) noexcept

    @cython.locals(i=size_t)
    cpdef expire(self, unsigned int[::1] old, unsigned int version)

    @cython.locals(node=size_t, ref=size_t)
    cpdef part(self, Template template, size_t start, unsigned int[::1] old)


cdef unsigned long long step(unsigned long long h, unsigned long long word) noexcept nogil
