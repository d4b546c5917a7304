# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of files.py.

cimport cython

cdef size_t PATH_MAX


cdef class Files:
    cdef size_t most
    cdef unsigned char[::1] path, text
    cdef unsigned long long[::1] words
    cdef bytes last
    cdef readonly bytes stamp
    cdef readonly unsigned long long changed

    @cython.locals(at=size_t, i=size_t)
    cpdef bint find(self, bytes before, bytes origin, bytes after) except -1

    @cython.locals(i=size_t)
    cdef size_t copy(self, size_t at, bytes octets, size_t start, size_t length) noexcept

    cpdef long long size(self) except -1

    @cython.locals(count="long long", words=cython.p_char, start=cython.p_char)
    cpdef read(self)

    @cython.locals(path=cython.p_char)
    cdef long long look(self) noexcept nogil

    @cython.locals(fd=int, count="long long")
    cdef long long fetch(self) noexcept nogil


cdef size_t octet(unsigned char number) noexcept nogil
