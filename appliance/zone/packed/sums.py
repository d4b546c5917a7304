# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Hashes and sums of octets, eight at a time; compiled, types in sums.pxd. The same source runs uncompiled."""

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.libc.string import memcpy

if cython.compiled:
    from cython.cimports.appliance.zone.packed.places import octet64
else:
    from appliance.zone.packed.places import octet64

_MULTIPLIER = 0x9E3779B97F4A7C15
_M64 = 0xFFFFFFFFFFFFFFFF
_M32 = 0xFFFFFFFF


def hash_octets(octets: memoryview | bytearray, h: int, at: int, size: int) -> int:
    """Return a hash of `size` octets and the number h, in 64 bits; it means nothing outside this process."""
    end = at + size
    while at + 8 <= end:
        h = ((h ^ word(octets, at)) * _MULTIPLIER) & _M64
        h ^= h >> 32
        at += 8
    while at < end:
        h = ((h ^ octets[at]) * _MULTIPLIER) & _M64
        h ^= h >> 32
        at += 1
    return h


def octet_sum(octets: memoryview | bytearray, at: int, size: int) -> int:
    """Return the sum of big-endian 16-bit words mod 65535, the last one padded with zero, as fragments.octet_sum does.

    65536 is 1 mod 65535: words of any even length may be added, and a factor of 256 swaps their octets.
    """
    end = at + size
    total = 0
    while at + 8 <= end:
        number = word(octets, at)
        total += (number & _M32) + (number >> 32)
        at += 8
    k = 0
    while at < end:
        total += octet64(octets[at]) << k
        at += 1
        k += 8
    return total % 65535 * 256 % 65535


def word(octets: memoryview | bytearray, at: int) -> int:
    """Return eight octets as a little-endian number."""
    if not cython.compiled:
        return int.from_bytes(octets[at : at + 8], "little")
    found: int = cython.declare(cython.ulonglong)
    memcpy(cython.address(found), cython.address(octets[at]), 8)
    return found
