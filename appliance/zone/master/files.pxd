# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of files.py.

cimport cython

cdef size_t PATH_MAX, STAMP_WORDS


cdef class Files:
    cdef unsigned char[::1] path

    @cython.locals(at=size_t, i=size_t)
    cpdef bint find(self, bytes before, bytes origin, bytes after) except -1

    @cython.locals(i=size_t)
    cdef size_t copy(self, size_t at, bytes octets, size_t start, size_t length) noexcept

    cpdef long long size(self) except -1

    @cython.locals(path=cython.p_char)
    cdef long long look(self) noexcept nogil


cdef class Batch(Files):
    cdef size_t most, room, count
    cdef bytes last
    cdef readonly bytes stamp
    cdef readonly unsigned long long changed
    cdef unsigned char[::1] paths, texts
    cdef unsigned long long[::1] stamps
    cdef long long[::1] counts

    cpdef clear(self)

    @cython.locals(start=size_t, at=size_t)
    cpdef add(self, bytes before, bytes origin, bytes after)

    cpdef run(self)

    @cython.locals(i=size_t)
    cdef void fetch_all(self) noexcept nogil

    cpdef take(self, size_t i)

    @cython.locals(stamp=cython.p_char, start=cython.p_char)
    cdef found(self, long long count, unsigned char* text, unsigned long long* words)

    @cython.locals(fd=int, count="long long")
    cdef long long fetch(self, unsigned char* path, unsigned char* text, unsigned long long* words) noexcept nogil


cdef size_t octet(unsigned char number) noexcept nogil
