# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of signed records: a real NSEC3 chain (hashed, sorted, closed) without iterations and salt; made-up signatures.

A signature is 64 random octets, the length of ECDSA P-256's: what answers cost depends on lengths, not on validity.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator, Mapping

from bench.traffic.packets import wire

_TIMES = "20350101000000 20250101000000"
_KEY_TAG = 34567
_ALGORITHM = 13
_OPT_OUT = 1


class Signer:
    """Makes up signatures and keys of one zone, the same ones on each run."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._rng = random.Random(f"signatures of {origin}")

    def rrsig(self, covered: str, labels: int, ttl: int) -> str:
        """Write an RRSIG record without its owner."""
        signature = self._octets(64)
        return f" {ttl} IN RRSIG {covered} {_ALGORITHM} {labels} {ttl} {_TIMES} {_KEY_TAG} {self.origin} {signature}\n"

    def dnskey(self, flags: int) -> str:
        """Write a DNSKEY record without its owner."""
        return f" 3600 IN DNSKEY {flags} 3 {_ALGORITHM} {self._octets(64)}\n"

    def ds(self) -> str:
        """Write the DS record of a key that nobody has, without its owner."""
        return f" 3600 IN DS {self._rng.randrange(65_536)} {_ALGORITHM} 2 {self._rng.randbytes(32).hex()}\n"

    def _octets(self, count: int) -> str:
        return base64.b64encode(self._rng.randbytes(count)).decode()


def head(origin: str, signer: Signer) -> Iterator[str]:
    """Write the apex of a signed zone with its name server."""
    depth = origin.count(".")
    yield f"$ORIGIN {origin}\n$TTL 3600\n"
    yield f"@ 3600 IN SOA ns.dns hostmaster 2026010101 1800 900 604800 600\n@{signer.rrsig('SOA', depth, 3600)}"
    yield f"@ 3600 IN NS ns.dns\n@{signer.rrsig('NS', depth, 3600)}"
    yield f"@{signer.dnskey(257)}@{signer.dnskey(256)}@{signer.rrsig('DNSKEY', depth, 3600)}"
    yield f"@ 0 IN NSEC3PARAM 1 0 0 -\n@{signer.rrsig('NSEC3PARAM', depth, 0)}"
    yield f"ns.dns 3600 IN A 192.0.2.53\nns.dns{signer.rrsig('A', depth + 2, 3600)}"


def head_types(origin: str) -> dict[str, str]:
    """List the names of `head` with their types: apex, the empty non-terminal above its name server, name server."""
    return {origin: "NS SOA RRSIG DNSKEY NSEC3PARAM", f"dns.{origin}": "", f"ns.dns.{origin}": "A RRSIG"}


def nsec3(types: Mapping[str, str], signer: Signer, opt_out: bool) -> Iterator[str]:
    """Write the chain for these absolute names, each given with its types."""
    hashed = sorted((hashlib.sha1(wire(name), usedforsecurity=False).digest(), held) for name, held in types.items())
    owners = [base64.b32hexencode(digest).decode().lower() for digest, _ in hashed]
    labels = signer.origin.count(".") + 1
    flags = _OPT_OUT if opt_out else 0
    for at, (owner, (_, held)) in enumerate(zip(owners, hashed, strict=True)):
        following = owners[(at + 1) % len(owners)]
        yield f"{owner} 600 IN NSEC3 1 {flags} 0 - {following} {held}\n{owner}{signer.rrsig('NSEC3', labels, 600)}"
