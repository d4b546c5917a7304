# SPDX-License-Identifier: GPL-3.0-or-later
# What the scanner uses of libzscanner (Debian package libknot-dev).

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "libzscanner/scanner.h" nogil:
    ctypedef enum zs_state_t:
        ZS_STATE_DATA
        ZS_STATE_ERROR
        ZS_STATE_INCLUDE
        ZS_STATE_EOF

    cdef enum:
        ZS_UNCLOSED_MULTILINE
        ZS_BAD_ORIGIN

    ctypedef struct zs_input:
        const char *start
        const char *current
        const char *end

    ctypedef struct zs_error:
        int code
        bint fatal

    ctypedef struct zs_file:
        int descriptor

    ctypedef struct zs_scanner_t:
        int top
        zs_file file
        uint8_t buffer[65535]
        char include_filename[65535]
        uint32_t zone_origin_length
        uint8_t zone_origin[318]
        uint32_t default_ttl
        zs_state_t state
        zs_input input
        zs_error error
        uint64_t line_counter
        uint32_t r_owner_length
        uint8_t r_owner[318]
        uint16_t r_class
        uint32_t r_ttl
        uint16_t r_type
        uint32_t r_data_length
        uint8_t r_data[65535]

    int zs_init(zs_scanner_t *scanner, const char *origin, const uint16_t rclass, const uint32_t ttl)
    void zs_deinit(zs_scanner_t *scanner)
    int zs_set_input_string(zs_scanner_t *scanner, const char *input, size_t size)
    int zs_parse_record(zs_scanner_t *scanner)
    const char *zs_strerror(const int code)
