# SPDX-License-Identifier: GPL-3.0-or-later
# The functions of places.py where they cost nothing.

cdef inline size_t record_offset(size_t unit) noexcept nogil:
    return unit << 2

cdef inline unsigned long long octet64(unsigned long long octet) noexcept nogil:
    return octet

cdef inline unsigned int lower(unsigned int octet) noexcept nogil:
    return octet + 32 if 65 <= octet <= 90 else octet
