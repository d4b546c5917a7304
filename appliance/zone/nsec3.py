# SPDX-License-Identifier: GPL-3.0-or-later
"""NSEC3 RDATA and hashes (RFC 5155 §3 and §5)."""

import base64
import hashlib
import re
from typing import NamedTuple

SHA1 = 1
DIGEST_OCTETS = 20
OPT_OUT = 1

_HASH_LABEL = re.compile(rb"\x20[0-9a-v]{32}", re.DOTALL)


class Parameters(NamedTuple):
    """What the hash of a name depends on."""

    algorithm: int
    iterations: int
    salt: bytes

    def __str__(self) -> str:
        return f"algorithm {self.algorithm}, {self.iterations} iterations, salt {self.salt.hex() or '-'}"


class Nsec3(NamedTuple):
    """The fields of one NSEC3 RR; following is the next hashed owner, raw."""

    parameters: Parameters
    flags: int
    following: bytes
    bitmap: bytes


def parameters(rdata: bytes) -> Parameters:
    """Return the parameters in well-formed RDATA of an NSEC3 or NSEC3PARAM."""
    return Parameters(rdata[0], int.from_bytes(rdata[2:4], "big"), rdata[5 : 5 + rdata[4]])


def read(rdata: bytes) -> Nsec3:
    """Return the fields of well-formed RDATA."""
    at = 5 + rdata[4]
    end = at + 1 + rdata[at]
    return Nsec3(parameters(rdata), rdata[1], rdata[at + 1 : end], rdata[end:])


def digest(name: bytes, iterations: int, salt: bytes) -> bytes:
    """Return the SHA-1 hash of a folded name (RFC 5155 §5)."""
    sha1 = hashlib.sha1
    found = sha1(name + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        found = sha1(found + salt, usedforsecurity=False).digest()
    return found


def owner_digest(owner: bytes, origin: bytes) -> bytes | None:
    """Return the hash in a folded owner name, or None where there is none or it does not stand right at the apex."""
    if owner[33:] != origin or not _HASH_LABEL.match(owner):
        return None
    return int(owner[1:33], 32).to_bytes(DIGEST_OCTETS, "big")


def text(hashed: bytes) -> str:
    """Return a hash as it stands in owner names."""
    return base64.b32hexencode(hashed).decode("ascii").lower().rstrip("=")
