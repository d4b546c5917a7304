# SPDX-License-Identifier: GPL-3.0-or-later
"""From references to offsets, as compiled modules have it inline (places.pxd)."""


def heap_offset(ref: int) -> int:
    """Return the offset in octets of a reference, which counts granules."""
    return ref << 4


def heap_word(ref: int) -> int:
    """Return the first word of 32 bits of a reference."""
    return ref << 2
