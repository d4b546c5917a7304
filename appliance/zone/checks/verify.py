# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification of signatures at the apex (RFC 4034 §3.1.8.1 and §6); times are judged elsewhere."""

from collections.abc import Callable, Collection

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from appliance.zone import names, rdata, types
from appliance.zone.dnssec import HEAD, key_tag, read
from appliance.zone.model import RRset, Zone

Verifier = Callable[[bytes, bytes, bytes], None]
"""Takes key, signature and data; raises InvalidSignature, or ValueError where the key's octets are no key."""


def is_refuted(zone: Zone, rtype: int, keys: Collection[tuple[int, int]]) -> bool:
    """Return whether an apex RRset has signatures by these keys (tag, algorithm) none of which verifies.

    False where nothing can be said: no such signature, or an algorithm that is not supported here.
    """
    rrset = zone.rrset(zone.origin, rtype)
    signatures = zone.signatures.get(zone.origin, {}).get(rtype)
    dnskeys = zone.rrset(zone.origin, types.DNSKEY)
    if rrset is None or signatures is None or dnskeys is None:
        return False
    refuted = False
    for signature in signatures.rdatas:
        fields = read(signature)
        chosen = (fields.key_tag, fields.algorithm)
        if chosen not in keys:
            continue
        verify = _VERIFIERS.get(fields.algorithm)
        if verify is None:
            return False
        data, octets = _signed_data(zone.origin, rrset, signature)
        for key in dnskeys.rdatas:
            if (key_tag(key), key[3]) == chosen:
                try:
                    verify(key[4:], octets, data)
                except UnsupportedAlgorithm:
                    return False
                except (InvalidSignature, ValueError):
                    refuted = True
                else:
                    return False
    return refuted


def _signed_data(owner: bytes, rrset: RRset, signature: bytes) -> tuple[bytes, bytes]:
    """Return what was signed, and the signature's octets; the owner is no wildcard."""
    signer, end = names.read(signature, HEAD.size)
    head = owner + rrset.rtype.to_bytes(2, "big") + types.IN.to_bytes(2, "big") + signature[4:8]  # the original TTL
    rows = sorted(rdata.fold(rrset.rtype, one) for one in rrset.rdatas)
    records = [head + len(row).to_bytes(2, "big") + row for row in rows]
    return signature[: HEAD.size] + signer.lower() + b"".join(records), signature[end:]


def _rsa(chosen: hashes.HashAlgorithm) -> Verifier:
    """Return the verifier of RFC 3110 and RFC 5702 keys with a hash."""

    def verify(key: bytes, signature: bytes, data: bytes) -> None:
        if len(key) < 3:
            raise ValueError("the key is cut off")
        at, length = (1, key[0]) if key[:1] != b"\0" else (3, int.from_bytes(key[1:3], "big"))
        exponent, modulus = int.from_bytes(key[at : at + length], "big"), int.from_bytes(key[at + length :], "big")
        public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        public.verify(signature, data, padding.PKCS1v15(), chosen)

    return verify


def _ecdsa(curve: ec.EllipticCurve, chosen: hashes.HashAlgorithm) -> Verifier:
    """Return the verifier of RFC 6605 keys on a curve."""

    def verify(key: bytes, signature: bytes, data: bytes) -> None:
        public = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + key)
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        public.verify(encode_dss_signature(r, s), data, ec.ECDSA(chosen))

    return verify


def _ed25519(key: bytes, signature: bytes, data: bytes) -> None:
    ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, data)


def _ed448(key: bytes, signature: bytes, data: bytes) -> None:
    ed448.Ed448PublicKey.from_public_bytes(key).verify(signature, data)


_VERIFIERS: dict[int, Verifier] = {
    5: _rsa(hashes.SHA1()),
    7: _rsa(hashes.SHA1()),
    8: _rsa(hashes.SHA256()),
    10: _rsa(hashes.SHA512()),
    13: _ecdsa(ec.SECP256R1(), hashes.SHA256()),
    14: _ecdsa(ec.SECP384R1(), hashes.SHA384()),
    15: _ed25519,
    16: _ed448,
}
