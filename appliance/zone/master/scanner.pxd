# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of scanner.py.

cimport cython

from appliance.zone.libzscanner cimport zs_scanner_t


cdef struct Header:
    unsigned int line
    unsigned int ttl
    unsigned short rtype
    unsigned short place
    unsigned short rdlength
    unsigned char owner_length
    unsigned char flags


cdef int class_code(int rclass) noexcept nogil
cdef int CLASS_IN, CLASS_3, CLASS_4, CLASS_OTHER, SEEN_ENOUGH


cdef class Pack:
    cdef object memory
    cdef char *octets_at
    cdef size_t used, room, owner_at
    cdef readonly size_t count, most, border
    cdef unsigned int owner_length

    @cython.locals(view="unsigned char[::1]")
    cpdef find_memory(self)

    cdef int grow(self, size_t size) except -1 nogil

    @cython.locals(size=size_t, start=size_t, part=size_t, done=size_t)
    cpdef extend(self, Pack other, unsigned int lines)

    @cython.locals(header="Header *")
    cdef void move_lines(self, size_t at, unsigned int lines) noexcept

    @cython.locals(octets=size_t, size=size_t, at=cython.p_char, code=int, extra=int, known=bint, owner_length="unsigned int",
                   header="Header *")
    cdef int append(self, zs_scanner_t *scanner, int file, unsigned int line) except -1 nogil


cdef class Reader:
    cdef Pack pack
    cdef int file
    cdef bytes octets
    cdef object source
    cdef size_t lines
    cdef const char *enough
    cdef const char *begin
    cdef const char *end
    cdef const char *seen
    cdef zs_scanner_t *scanner
    cdef unsigned int kept_length
    cdef char *kept

    @cython.locals(margin=size_t)
    cpdef show(self, bytes kept)

    @cython.locals(seen="Py_ssize_t")
    cpdef go_on(self)

    @cython.locals(found=size_t, at=cython.p_const_char, end=cython.p_const_char, line="const void *")
    cdef size_t newlines(self, size_t octets) noexcept nogil

    cdef void keep_origin(self) noexcept nogil

    @cython.locals(failed=int, before=cython.uint)
    cdef int parse(self) except -2 nogil

    @cython.locals(current=cython.p_const_char)
    cdef Py_ssize_t position(self) except -2

    @cython.locals(last=cython.uint, at=cython.p_const_char, directive=bint)
    cdef unsigned int first_line(self, unsigned int line) noexcept nogil
