# SPDX-License-Identifier: GPL-3.0-or-later
# The C types of octets.py.

cimport cython

cdef unsigned int MAX_TTL
cdef unsigned int _NAME, _TEXT, _TEXTS, _BITMAP, _REST, _END


cdef class PackedOctets:
    cdef public object memory
    cdef public bytes origin
    cdef size_t length
    cdef unsigned char[::1] octets, apex, layouts
    cdef unsigned short[::1] layout_starts
    cdef long long apex_length

    cdef unsigned int big16(self, size_t at) noexcept nogil

    @cython.locals(high="unsigned int")
    cdef unsigned int rdata32(self, size_t at) noexcept nogil

    cdef unsigned int ttl(self, size_t at) noexcept nogil

    cdef unsigned int rtype(self, size_t at) noexcept nogil

    cdef unsigned int rdlength(self, size_t at) noexcept nogil

    cdef size_t rdata(self, size_t at) noexcept nogil

    cdef unsigned int dropped(self, size_t at) noexcept nogil

    cdef size_t after(self, size_t at) noexcept nogil

    @cython.locals(border="long long", place="long long", i="long long")
    cdef bint in_zone(self, size_t at, long long length) noexcept nogil

    @cython.locals(border="long long", place="long long", i="long long")
    cdef bint ends_with(self, size_t at, long long length, size_t suffix, long long size) noexcept nogil

    @cython.locals(rtype="unsigned int", start=size_t)
    cdef bint is_sound(self, size_t at) noexcept nogil

    @cython.locals(field="unsigned int", again=bint)
    cdef bint fits(self, unsigned int program, long long at, long long end) noexcept nogil

    @cython.locals(start="long long")
    cdef long long name_end(self, long long at, long long end) noexcept nogil

    @cython.locals(before=int, size=int)
    cdef long long bitmap_end(self, long long at, long long end) noexcept nogil

    @cython.locals(i=size_t)
    cdef bint is_same_text(self, size_t at, size_t other, size_t length) noexcept nogil

    cpdef unsigned int ttl_at(self, size_t at)
    cpdef unsigned int type_at(self, size_t at)
    cpdef bint is_dropped(self, size_t at)
    cpdef bytes value(self, size_t at)
    cpdef drop(self, size_t at)

    @cython.locals(i=int)
    cpdef set_ttl(self, size_t at, unsigned int ttl)
