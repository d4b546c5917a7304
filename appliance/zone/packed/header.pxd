# SPDX-License-Identifier: GPL-3.0-or-later
# The numbers of header.py.

cdef enum:
    TTL_AT = 4
    TYPE_AT = 8
    CLASS_AT = 10
    RDLENGTH_AT = 12
    OWNER_LENGTH_AT = 14
    FLAGS_AT = 15
    SIZE = 16
    LENGTH_BEFORE = 2
