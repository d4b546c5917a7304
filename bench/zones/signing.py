# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign zones for real with BIND's dnssec-signzone: the root zone, stripped of what is left of its own signatures."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ZoneError

_LIMIT_S = 300.0
_SIGNING = {"DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "ZONEMD", "CDS", "CDNSKEY"}
_START, _END = "20250101000000", "20350101000000"
_ALGORITHM = "ECDSAP256SHA256"


@dataclass(frozen=True)
class Pair:
    """The same zone without any DNSSEC record, and signed."""

    unsigned: Path
    signed: Path


def root(source: Path, cache: Path, work: Path) -> Pair:
    """Strip the root zone and sign it anew with NSEC; the signed one is kept in `cache` under its content's digest.

    The records of `source` stand one to a line with owner, TTL, class and type, as the root zone is published, or
    without TTL and class.
    """
    lines = source.read_text().splitlines()
    bare = "\n".join(line for line in lines if _type(line) not in _SIGNING) + "\n"
    unsigned = work / "root-unsigned.zone"
    unsigned.write_text("\n".join(line for line in bare.splitlines() if _type(line) != "DS") + "\n")
    return Pair(unsigned, sign(bare, ".", cache, work))


def sign(text: str, origin: str, cache: Path, work: Path, nsec3: bool = False) -> Path:
    """Sign a zone with a new ECDSA P-256 key pair, with NSEC, or NSEC3 without iterations and salt."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    name = origin.rstrip(".") or "root"
    kept = cache / f"signed-{name}-{'nsec3' if nsec3 else 'nsec'}-{digest}.zone"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=work) as place:
        folder = Path(place)
        keys = [_key(folder, origin, flags) for flags in (["-f", "KSK"], [])]
        plain = folder / "plain.zone"
        plain.write_text(text + "".join((folder / f"{key}.key").read_text() for key in keys))
        denial = ["-3", "-", "-H", "0"] if nsec3 else []
        options = ["-q", "-P", "-x", "-n", "2", "-O", "full", "-s", _START, "-e", _END, "-d", place, "-K", place]
        _run(["dnssec-signzone", *options, *denial, "-o", origin, "-f", f"{place}/signed", str(plain), *keys])
        part = shutil.copy(folder / "signed", kept.with_suffix(".part"))
        return Path(part).rename(kept)


def _type(line: str) -> str:
    """Find the type of a record's line: the first field after the owner that is neither TTL nor class."""
    fields = line.split(None, 4)[1:4]
    return next((field.upper() for field in fields if not field.isdigit() and field.upper() != "IN"), "")


def _key(folder: Path, origin: str, flags: list[str]) -> str:
    return _run(["dnssec-keygen", "-q", "-K", str(folder), "-a", _ALGORITHM, *flags, "-n", "ZONE", origin]).strip()


def _run(command: list[str]) -> str:
    if not shutil.which(command[0]):
        raise ZoneError(f"{command[0]} is not installed; install the Debian package bind9-utils")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode:
        raise ZoneError(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout
