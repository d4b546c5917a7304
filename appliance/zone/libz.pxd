# SPDX-License-Identifier: GPL-3.0-or-later
# What is used of zlib, which is there because Python needs it; its headers may not be.

cdef extern from *:
    """
    extern unsigned long crc32(unsigned long crc, const unsigned char *octets, unsigned int size);
    """
    unsigned long crc32(unsigned long crc, const unsigned char *octets, unsigned int size) noexcept nogil
