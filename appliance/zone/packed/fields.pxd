# SPDX-License-Identifier: GPL-3.0-or-later
# The numbers of fields.py.

cdef enum:
    RRSIG_ALGORITHM_AT = 2
    RRSIG_LABELS_AT = 3
    RRSIG_EXPIRATION_AT = 8
    RRSIG_INCEPTION_AT = 12
    RRSIG_KEY_TAG_AT = 16
    RRSIG_SIGNER_AT = 18
    NSEC3_FLAGS_AT = 1
    NSEC3_SALT_LENGTH_AT = 4
    NSEC3_SALT_AT = 5
    BITMAP_LENGTH_AT = 1
    BITMAP_BITS_AT = 2
