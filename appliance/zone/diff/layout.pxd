# SPDX-License-Identifier: GPL-3.0-or-later
# The numbers of layout.py.

cdef enum:
    NAME_RECORDS_AT = 4
    NAME_OWNER_LENGTH_AT = 8
    NAME_SIZE = 9
    RECORD_TTL_AT = 2
    RECORD_RDLENGTH_AT = 6
    RECORD_SIZE = 8
    RR_CLASS_AT = 2
    RR_TTL_AT = 4
    RR_RDLENGTH_AT = 8
    RR_SIZE = 10
