# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of scanner.py.

cimport cython

from appliance.zone.libzscanner cimport zs_scanner_t


cdef struct Header:
    unsigned int line
    unsigned int ttl
    unsigned short rtype
    unsigned short rclass
    unsigned short file
    unsigned short rdlength
    unsigned char owner_length


cdef class Pack:
    cdef char *octets_at
    cdef unsigned long long *offsets_at
    cdef size_t used, room, count, places

    @cython.locals(room=size_t, places=size_t, octets=cython.p_void, offsets=cython.p_void)
    cdef int grow(self, size_t size) except -1 nogil

    @cython.locals(octets=size_t, size=size_t, at=cython.p_char)
    cdef int append(self, zs_scanner_t *scanner, int file, unsigned int line) except -1 nogil


cdef class Reader:
    cdef Pack pack
    cdef int file
    cdef bytes octets
    cdef const char *begin
    cdef const char *end
    cdef const char *seen
    cdef zs_scanner_t *scanner
    cdef unsigned int kept_length
    cdef char *kept

    cdef void keep_origin(self) noexcept nogil

    @cython.locals(failed=int, before=cython.uint)
    cdef int parse(self) except -2 nogil

    @cython.locals(current=cython.p_const_char)
    cdef Py_ssize_t position(self) except -2

    @cython.locals(last=cython.uint, at=cython.p_const_char, directive=bint)
    cdef unsigned int first_line(self, unsigned int line) noexcept nogil
