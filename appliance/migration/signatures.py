# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that the old server signs itself: whether their file has the signatures, without which they would be bogus."""

from typing import Final

from appliance.migration.sources import regular

SIGNED_ALREADY: Final = (
    "signatures in its file are served, and nobody here renews them: sign the zone elsewhere before they end"
)
UNSIGNED: Final = (
    "the old server signs it ({what}), and its file {file} has no signatures: without them validators refuse the zone. "
    "Write the signed zone into a file, and name that one"
)
_SEARCHED: Final = 64 << 20
_CHUNK: Final = 1 << 20


def has_signatures(path: str) -> bool:
    """Return whether there are RRSIGs in the first 64 MiB of a zone file."""
    try:
        with regular(path) as file:
            before = b""
            for _ in range(_SEARCHED // _CHUNK):
                chunk = file.read(_CHUNK)
                if b"RRSIG" in (before + chunk).upper():
                    return True
                before = chunk[-8:]
    except (OSError, ValueError):
        pass
    return False
