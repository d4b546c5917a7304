# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The canonical order of names, as keys that sort octet by octet; compiled by Cython, types in order.pxd."""

from __future__ import annotations

from array import array
from typing import Any

import cython

from appliance.zone.threads import APART

if cython.compiled:
    from cython.cimports.appliance.zone.packed.places import lower
else:
    from appliance.zone.packed.places import lower


class CanonicalOrder:
    """Writes and compares keys of names; each thread has its own."""

    def __init__(self) -> None:
        """Make room for the places of a name's labels."""
        self.starts = array("B", bytes(APART + 128))

    def write_key(self, octets: Any, at: int, length: int, keys: bytearray, k: int) -> int:
        """Write what sorts as the first `length` octets of a name do (RFC 4034 §6.1), and return where it ends.

        Labels from the last to the first, each with a 0 behind it; the octets 0 and 1 follow a 1.
        """
        labels = 0
        place = 0
        while place < length:
            self.starts[labels] = place
            labels += 1
            place += 1 + octets[at + place]
        while labels:
            labels -= 1
            place = at + self.starts[labels]
            end = place + octets[place]
            while place < end:
                place += 1
                octet = lower(octets[place])
                if octet < 2:
                    keys[k] = 1
                    k += 1
                    octet += 1
                keys[k] = octet
                k += 1
            keys[k] = 0
            k += 1
        return k

    def compare_two(self, one: bytearray, size: int, other: bytearray, other_size: int) -> int:
        """Return -1, 0 or 1 as one key sorts before, like or behind another."""
        i = 0
        while i < size and i < other_size:
            if one[i] != other[i]:
                return -1 if one[i] < other[i] else 1
            i += 1
        if i < size:
            return 1
        return -1 if i < other_size else 0
