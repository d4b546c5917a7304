# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign a zone with dnssec-signzone and a key that follows from the zone's name, so that every run signs alike."""

import base64
import calendar
import hashlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.zone import names, rdata, types
from appliance.zone.dnssec import HEAD, key_tag
from appliance.zone.load import load_zone
from appliance.zone.model import RRset, Zone
from tests.interop.peers import ZoneFile
from tests.stores.signing import signed as chained

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


def _write_key(origin: str, folder: Path) -> Path:
    key = Key.of(origin)
    private, public, tag = key.seed, key.public, key.tag
    stem = folder / f"K{origin}+{_ED25519:03}+{tag:05}"
    dnskey = f"{origin} 3600 IN DNSKEY {_CSK_FLAGS} 3 {_ED25519} {base64.b64encode(public).decode()}\n"
    stem.with_name(f"{stem.name}.key").write_text(dnskey)
    stem.with_name(f"{stem.name}.private").write_text(
        f"Private-key-format: v1.3\nAlgorithm: {_ED25519} (ED25519)\nPrivateKey: {base64.b64encode(private).decode()}\n"
    )
    return stem


@dataclass(frozen=True)
class Key:
    """The key of a zone."""

    seed: bytes
    private: Ed25519PrivateKey
    public: bytes
    tag: int

    @classmethod
    def of(cls, origin: str) -> "Key":
        seed = hashlib.sha256(f"test key of {origin}".encode()).digest()
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(seed, private, public, key_tag(_CSK_FLAGS.to_bytes(2, "big") + bytes([3, _ED25519]) + public))

    def signature(self, zone: Zone, owner: bytes, rrset: RRset, _size: int) -> RRset:
        """Return the signature over an RRset (RFC 4034 §3.1.8.1)."""
        labels = names.label_count(owner) - names.is_wildcard(owner)
        times = [calendar.timegm(time.strptime(text, "%Y%m%d%H%M%S")) for text in (EXPIRATION, INCEPTION)]
        head = HEAD.pack(rrset.rtype, _ED25519, labels, rrset.ttl, *times, self.tag) + zone.origin
        before = owner + rrset.rtype.to_bytes(2, "big") + types.IN.to_bytes(2, "big") + rrset.ttl.to_bytes(4, "big")
        rows = sorted(rdata.fold(rrset.rtype, one) for one in rrset.rdatas)
        records = b"".join(before + len(row).to_bytes(2, "big") + row for row in rows)
        return RRset(types.RRSIG, rrset.ttl, [head + self.private.sign(head + records)])


def sign(zone: ZoneFile, folder: Path, denial: Denial) -> ZoneFile:
    """Write a signed copy of the zone into an existing folder and return it; CalledProcessError holds the reason.

    With NSEC3, dnssec-signzone 9.18 gives up at names below which no wildcard fits; such zones are signed here.
    """
    stem = _write_key(zone.origin, folder)
    name = zone.origin.rstrip(".") or "root"
    unsigned, signed = folder / f"{name}.unsigned", folder / f"{name}.signed"
    unsigned.write_text(zone.path.read_text() + "\n" + stem.with_name(f"{stem.name}.key").read_text())
    command = ["dnssec-signzone", "-q", "-P", "-z", "-x", "-n", "1", "-s", INCEPTION, "-e", EXPIRATION]
    command += ["-O", "full", "-d", str(folder), "-K", str(folder), "-o", zone.origin, "-f", str(signed)]
    command += [*denial.options(), str(unsigned), stem.name]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    except subprocess.CalledProcessError as error:
        if "name too long" not in error.stderr:
            raise
        _sign_here(zone.origin, unsigned, signed, denial)
    return ZoneFile(zone.origin, signed)


def _sign_here(origin: str, unsigned: Path, signed: Path, denial: Denial) -> None:
    model = load_zone(unsigned, names.from_text(origin))
    salt = bytes.fromhex(denial.salt.replace("-", ""))
    made = chained(model, True, denial.opt_out, salt, iterations=denial.iterations, signer=Key.of(origin).signature)
    signed.write_text("".join(lines(made)))


def lines(zone: Zone) -> Iterator[str]:
    """Yield the records of a zone in the notation that every master file parser takes (RFC 3597 §5)."""
    for owner, rrset in zone.rrsets():
        for one in rrset.rdatas:
            yield f"{escaped(owner)} {rrset.ttl} IN TYPE{rrset.rtype} \\# {len(one)} {one.hex()}\n"


def escaped(name: bytes) -> str:
    """Return a name as text in which no octet but letters, digits and hyphens is bare."""
    bare = b"abcdefghijklmnopqrstuvwxyz0123456789-"
    labels = (
        "".join(chr(octet) if octet in bare else f"\\{octet:03}" for octet in label) for label in names.labels(name)
    )
    return "".join(f"{label}." for label in labels) or "."
