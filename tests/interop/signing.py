# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign a zone with dnssec-signzone and a key that follows from the zone's name, so that every run signs alike."""

import base64
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.interop.peers import ZoneFile

INCEPTION, EXPIRATION = "20260101000000", "20360101000000"
_ED25519 = 15  # RFC 8080: its signatures follow from key and data, no random number enters
_CSK_FLAGS = 257


@dataclass(frozen=True)
class Denial:
    """How a signed zone denies names: NSEC, or NSEC3 with these parameters (RFC 5155 §3)."""

    nsec3: bool = False
    opt_out: bool = False
    iterations: int = 0
    salt: str = "-"

    def options(self) -> list[str]:
        """Return the arguments of dnssec-signzone."""
        if not self.nsec3:
            return []
        return ["-3", self.salt, "-H", str(self.iterations), *(["-A"] if self.opt_out else [])]


def _key_tag(rdata: bytes) -> int:
    """Return the key tag of DNSKEY RDATA (RFC 4034 appendix B)."""
    total = sum(octet << 8 if position % 2 == 0 else octet for position, octet in enumerate(rdata))
    return (total + (total >> 16)) & 0xFFFF


def _write_key(origin: str, folder: Path) -> Path:
    private = hashlib.sha256(f"test key of {origin}".encode()).digest()
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    tag = _key_tag(_CSK_FLAGS.to_bytes(2, "big") + bytes([3, _ED25519]) + public)
    stem = folder / f"K{origin}+{_ED25519:03}+{tag:05}"
    dnskey = f"{origin} 3600 IN DNSKEY {_CSK_FLAGS} 3 {_ED25519} {base64.b64encode(public).decode()}\n"
    stem.with_name(f"{stem.name}.key").write_text(dnskey)
    stem.with_name(f"{stem.name}.private").write_text(
        f"Private-key-format: v1.3\nAlgorithm: {_ED25519} (ED25519)\nPrivateKey: {base64.b64encode(private).decode()}\n"
    )
    return stem


def sign(zone: ZoneFile, folder: Path, denial: Denial) -> ZoneFile:
    """Write a signed copy of the zone into an existing folder and return it; CalledProcessError holds the reason."""
    stem = _write_key(zone.origin, folder)
    name = zone.origin.rstrip(".") or "root"
    unsigned, signed = folder / f"{name}.unsigned", folder / f"{name}.signed"
    unsigned.write_text(zone.path.read_text() + "\n" + stem.with_name(f"{stem.name}.key").read_text())
    command = ["dnssec-signzone", "-q", "-P", "-z", "-x", "-n", "1", "-s", INCEPTION, "-e", EXPIRATION]
    command += ["-O", "full", "-d", str(folder), "-K", str(folder), "-o", zone.origin, "-f", str(signed)]
    command += [*denial.options(), str(unsigned), stem.name]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return ZoneFile(zone.origin, signed)
