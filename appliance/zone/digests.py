# SPDX-License-Identifier: GPL-3.0-or-later
"""What a zone was made of, in sixteen octets: of its text, or of its records where no single text has them all."""

import hashlib
from typing import Final

from appliance.zone.diff.listing import Listing
from appliance.zone.packed.zone import PackedZone

OCTETS: Final = 16


def of_text(text: bytes | memoryview) -> bytes:
    """Return the digest of a text, or of a whole listing; other threads run while a large one is read."""
    return hashlib.blake2b(text, digest_size=OCTETS).digest()


def of_records(zone: PackedZone) -> bytes:
    """Return the digest of the listing of a zone."""
    digest = hashlib.blake2b(digest_size=OCTETS)
    for piece in Listing(zone.packed):
        digest.update(piece)
    return digest.digest()
