# SPDX-License-Identifier: GPL-3.0-or-later
# The functions of places.py where they cost nothing.

cdef inline size_t heap_offset(size_t ref) noexcept nogil:
    return ref << 4

cdef inline size_t heap_word(size_t ref) noexcept nogil:
    return ref << 2
