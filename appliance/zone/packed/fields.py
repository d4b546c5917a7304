# SPDX-License-Identifier: GPL-3.0-or-later
"""Where fields lie in RDATA of DNSSEC's types: RRSIG (RFC 4034 §3.1), NSEC3 (RFC 5155 §3.2), type bitmaps (§4.1.2).

Compiled modules have the same numbers as constants of C (fields.pxd); a test compares both with the RFCs' fields.
"""

from typing import Final

RRSIG_ALGORITHM_AT: Final = 2
RRSIG_LABELS_AT: Final = 3
RRSIG_EXPIRATION_AT: Final = 8
RRSIG_INCEPTION_AT: Final = 12
RRSIG_KEY_TAG_AT: Final = 16
RRSIG_SIGNER_AT: Final = 18
NSEC3_FLAGS_AT: Final = 1
NSEC3_SALT_LENGTH_AT: Final = 4
NSEC3_SALT_AT: Final = 5
"""Behind the salt come the length of the next hash and that hash, then the bitmap."""
BITMAP_LENGTH_AT: Final = 1
BITMAP_BITS_AT: Final = 2
"""In each window of a bitmap."""
