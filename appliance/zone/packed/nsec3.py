# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""NSEC3 hashes of all names of a packed zone, and its chain in hash order; compiled, types in nsec3.pxd.

Of SHA-1 (FIPS 180-4) only the padding is done here, and blocks are libcrypto's, which takes the processor's own
instructions where it has them: a whole call for each of millions of short hashes costs more than the hash.
"""

from __future__ import annotations

from array import array
from functools import partial
from hashlib import sha1
from typing import Any

import cython

from appliance.zone import types
from appliance.zone.packed.flags import DATA, HASHED, MATCH, OCCLUDED
from appliance.zone.packed.names import Packed
from appliance.zone.threads import APART, divided, side_by_side

if cython.compiled:
    from cython.cimports.appliance.zone.libcrypto import SHA1_Transform
    from cython.cimports.appliance.zone.packed import fields, header
    from cython.cimports.appliance.zone.packed.places import cursor_offset, lower, record_offset
else:
    from appliance.zone.packed import fields, header
    from appliance.zone.packed.places import cursor_offset, lower, record_offset


_NSEC3 = types.NSEC3
_DIGEST = 20
_SHA_CTX = 96
"""Octets of libcrypto's state, which begins with the five words."""
_LABEL = 32


class Hasher:
    """Computes NSEC3 hashes (RFC 5155 §5) with room of its own, so that each thread can have one."""

    def __init__(self, iterations: int, salt: bytes) -> None:
        """Take the number of additional iterations and the salt."""
        self.iterations = iterations
        self.salt = array("B", salt + b"\0")
        self.salt_length = len(salt)
        self.block = bytearray(APART + 640)
        self.state = array("I", bytes(APART + _SHA_CTX))

    def hash(self, octets: Any, at: int, length: int) -> None:
        """Leave the hash of a name, folded on the way, in .block."""
        i = 0
        while i < length:
            self.block[i] = lower(octets[at + i])
            i += 1
        self.finish(length)
        done = 0
        while done < self.iterations:
            self.finish(_DIGEST)
            done += 1

    def digest(self, name: bytes) -> bytes:
        """Return the hash of a name, folded on the way."""
        self.hash(name, 0, len(name))
        return bytes(self.block[:_DIGEST])

    def finish(self, length: int) -> None:
        """Replace the first `length` octets of .block by the SHA-1 of them and the salt."""
        i = 0
        while i < self.salt_length:
            self.block[length + i] = self.salt[i]
            i += 1
        length += self.salt_length
        if not cython.compiled:
            self.block[:_DIGEST] = sha1(self.block[:length]).digest()
            return
        end = (length + 72) & ~63
        self.block[length] = 0x80
        i = length + 1
        while i < end:
            self.block[i] = 0
            i += 1
        bits = length * 8
        self.block[end - 2] = bits >> 8
        self.block[end - 1] = bits & 255
        self.state[0] = 0x67452301
        self.state[1] = 0xEFCDAB89
        self.state[2] = 0x98BADCFE
        self.state[3] = 0x10325476
        self.state[4] = 0xC3D2E1F0
        i = 0
        while i < end:
            SHA1_Transform(cython.address(self.state[0]), cython.address(self.block[i]))
            i += 64
        i = 0
        while i < 5:
            word = self.state[i]
            self.block[4 * i] = word >> 24
            self.block[4 * i + 1] = word >> 16 & 255
            self.block[4 * i + 2] = word >> 8 & 255
            self.block[4 * i + 3] = word & 255
            i += 1


class Chain:
    """The NSEC3s of a zone in the order of their hashes, which is the canonical order of their owners.

    .regular tells whether all of them have one record, a hash right below the apex as owner, and the same parameters.
    """

    def __init__(self, packed: Packed) -> None:
        """Read the chain of a settled zone."""
        self.packed = packed
        self.numbers = packed.numbers(HASHED, 0)
        self.count = len(self.numbers)
        self.hashes = bytearray(_DIGEST * (self.count + 1))
        self.records = array("I", bytes(4 * (self.count + 1)))
        self.flags = bytearray(self.count + 1)
        self.steps = array("I", bytes(4 * 65537))
        self.places = array("I", b"\xff" * (4 * (packed.count + 1)))
        self.matches = 0
        self.regular = self.count > 0 and self.read()
        self.head = self.parameters() if self.count else b""

    def read(self) -> int:
        """Fill .hashes, .records and .flags; tell whether the chain is regular."""
        if not self.read_one(0):
            return False
        works = [partial(self.read_slice, low, high) for low, high in divided(self.count)]
        if not all(side_by_side(works)):
            return False
        bucket = 0
        k = 0
        while bucket < 65536:
            while k < self.count and (self.hashes[_DIGEST * k] << 8 | self.hashes[_DIGEST * k + 1]) < bucket:
                k += 1
            self.steps[bucket] = k
            bucket += 1
        self.steps[65536] = self.count
        return True

    def read_slice(self, low: int, high: int) -> int:
        """Read the NSEC3s from one place up to another, while other threads run; are all like the first?."""
        regular: int = True
        with cython.nogil:
            while low < high and regular:
                regular = self.read_one(low)
                low += 1
        return regular

    def read_one(self, k: int) -> int:
        """Decode the owner of one NSEC3 and find its record."""
        at = self.packed.first_record(self.numbers[k])
        if self.packed.octets[at + header.OWNER_LENGTH_AT] != self.packed.apex_length + _LABEL + 1:
            return False
        if self.packed.octets[at + header.SIZE] != _LABEL or not self.decode(
            self.packed.octets, at + header.SIZE + 1, _DIGEST * k
        ):
            return False
        found = self.find_record(self.numbers[k])
        if not found:
            return False
        self.records[k] = found >> 2
        self.flags[k] = self.packed.octets[self.packed.rdata(found) + fields.NSEC3_FLAGS_AT]
        return k == 0 or self.same_head(self.records[0], self.records[k])

    def find_record(self, i: int) -> int:
        """Return the only NSEC3 record of a name, 0 where there are several."""
        found = 0
        cursor = self.packed.first_of(i)
        while cursor:
            at = cursor_offset(cursor)
            if self.packed.rtype(at) == _NSEC3 and not self.packed.dropped(at):
                if found:
                    return 0
                found = at
            cursor = self.packed.next_of(i, cursor)
        # A record at the very start of the octets is the SOA, or the zone has none.
        return found

    def decode(self, octets: Any, at: int, to: int) -> int:
        """Decode 32 octets of base32hex to 20; tell whether that is what they are."""
        bits = 0
        value = 0
        i = 0
        while i < _LABEL:
            octet = octets[at + i]
            if 48 <= octet <= 57:
                octet -= 48
            elif 97 <= octet <= 118:
                octet -= 87
            elif 65 <= octet <= 86:
                octet -= 55
            else:
                return False
            value = (value << 5 | octet) & 0xFFFF
            bits += 5
            if bits >= 8:
                bits -= 8
                self.hashes[to] = value >> bits & 255
                to += 1
            i += 1
        return True

    def same_head(self, one: int, other: int) -> int:
        """Return whether two NSEC3s have the same algorithm, flags and parameters."""
        a = self.packed.rdata(record_offset(one))
        b = self.packed.rdata(record_offset(other))
        i = 0
        while i < fields.NSEC3_SALT_AT + self.packed.octets[a + fields.NSEC3_SALT_LENGTH_AT]:
            if self.packed.octets[a + i] != self.packed.octets[b + i]:
                return False
            i += 1
        return True

    def parameters(self) -> bytes:
        """Return algorithm, flags, iterations and salt of the first NSEC3, as they stand in its RDATA."""
        at = self.packed.rdata(record_offset(self.records[0]))
        end = at + fields.NSEC3_SALT_AT + self.packed.octets[at + fields.NSEC3_SALT_LENGTH_AT]
        return bytes(self.packed.memory[at:end])

    def find(self, block: bytes | bytearray) -> int:
        """Return the place of a hash, with MATCH, or of the one before it around the circle."""
        bucket = block[0] << 8 | block[1]
        low = self.steps[bucket]
        high = self.steps[bucket + 1]
        while low < high:
            middle = (low + high) >> 1
            order = 0
            i = 0
            while i < _DIGEST and order == 0:
                order = self.hashes[_DIGEST * middle + i] - block[i]
                i += 1
            if order == 0:
                return middle | MATCH
            if order < 0:
                low = middle + 1
            else:
                high = middle
        return low - 1 if low else self.count - 1

    def place_names(self, hasher: Hasher, low: int, high: int) -> int:
        """Find the places of the hashes of names, from one number up to another; return how many match."""
        matches = 0
        i = low
        while i < high:
            if self.packed.flags[i] & DATA and not self.packed.flags[i] & OCCLUDED:
                at = self.packed.first_record(i)
                hasher.hash(self.packed.octets, at + header.SIZE, self.packed.octets[at + header.OWNER_LENGTH_AT])
                self.places[i] = self.find(hasher.block)
                matches += self.places[i] >> 31
            i += 1
        return matches

    def place_slice(self, hasher: Hasher, low: int, high: int) -> int:
        """Do place_names while other threads run."""
        matches = 0
        with cython.nogil:
            matches += self.place_names(hasher, low, high)
        return matches

    def place_of(self, hasher: Hasher, name: bytes) -> int:
        """Return the place of the hash of any name."""
        hasher.hash(name, 0, len(name))
        return self.find(hasher.block)

    def place_of_hash(self, digest: bytes) -> int:
        """Return the place of a hash."""
        return self.find(digest)

    def place(self, i: int) -> int:
        """Return the place of the hash of name number i."""
        return self.places[i]

    def leads_on(self, low: int, high: int) -> int:
        """Return whether each NSEC3 from one place up to another leads to the next one, the last of all to the first.

        Other threads run meanwhile.
        """
        right: int = True
        with cython.nogil:
            while low < high and right:
                right = self.leads_to(low, low + 1 if low + 1 < self.count else 0)
                low += 1
        return right

    def leads_to(self, k: int, following: int) -> int:
        """Return whether an NSEC3 names the hash at another place as the next one."""
        at = self.packed.rdata(record_offset(self.records[k]))
        at += fields.NSEC3_SALT_AT + self.packed.octets[at + fields.NSEC3_SALT_LENGTH_AT]
        if self.packed.octets[at] != _DIGEST:
            return False
        i = 0
        while i < _DIGEST:
            if self.packed.octets[at + 1 + i] != self.hashes[_DIGEST * following + i]:
                return False
            i += 1
        return True

    def flags_at(self, k: int) -> int:
        """Return the flags field of an NSEC3."""
        return self.flags[k]

    def owner(self, k: int) -> bytes:
        """Return the owner of an NSEC3, folded."""
        found: bytes = self.packed.name(self.numbers[k])
        return found

    def digest_at(self, k: int) -> bytes:
        """Return a hash of the chain."""
        return bytes(self.hashes[_DIGEST * k : _DIGEST * k + _DIGEST])
