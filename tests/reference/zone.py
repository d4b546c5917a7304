# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone as dnspython reads it: the oracle's own view of the data, independent of appliance.zone."""

from __future__ import annotations

import hashlib
from base64 import b32decode, b32encode
from dataclasses import dataclass, field
from pathlib import Path

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype as rt
import dns.zone
from dns.name import Name
from dns.rdataset import Rdataset

from appliance.zone.model import Zone

_BASE32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")
_BASE32HEX = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


@dataclass
class ReferenceZone:
    """RRsets by owner and type; RRSIGs by owner and covered type; NSEC3 RRsets apart, for their owners do not exist."""

    origin: Name
    rrsets: dict[Name, dict[int, Rdataset]] = field(default_factory=dict)
    signatures: dict[tuple[Name, int], Rdataset] = field(default_factory=dict)
    nsec3: dict[Name, Rdataset] = field(default_factory=dict)

    @classmethod
    def from_text(cls, text: str, origin: str | Name) -> ReferenceZone:
        """Read a zone with dnspython; it must be a valid one."""
        return cls._from_zone(dns.zone.from_text(text, origin, relativize=False, allow_include=False))

    @classmethod
    def from_file(cls, path: Path, origin: str | Name) -> ReferenceZone:
        """Read a master file with dnspython, $INCLUDEs too."""
        return cls._from_zone(dns.zone.from_file(str(path), origin, relativize=False, allow_include=True))

    @classmethod
    def _from_zone(cls, zone: dns.zone.Zone) -> ReferenceZone:
        assert zone.origin is not None
        made = cls(zone.origin)
        for owner, node in zone.nodes.items():
            for rdataset in node:
                made.add(owner, rdataset)
        return made

    @classmethod
    def from_model(cls, zone: Zone) -> ReferenceZone:
        """Take the data of a loaded zone: for zones that are too large to be read twice."""
        made = cls(dns.name.from_wire(zone.origin, 0)[0])
        for owner, rrset in zone.rrsets():
            rdatas = [
                dns.rdata.from_wire(dns.rdataclass.IN, rt.RdataType(rrset.rtype), r, 0, len(r)) for r in rrset.rdatas
            ]
            made.add(dns.name.from_wire(owner, 0)[0], dns.rdataset.from_rdata_list(rrset.ttl, rdatas))
        return made

    def add(self, owner: Name, rdataset: Rdataset) -> None:
        if rdataset.rdtype == rt.RRSIG:
            self.signatures[owner, rdataset.covers] = rdataset
        elif rdataset.rdtype == rt.NSEC3:
            self.nsec3[owner] = rdataset
        else:
            self.rrsets.setdefault(owner, {})[rdataset.rdtype] = rdataset

    def get(self, owner: Name, rtype: int) -> Rdataset | None:
        return self.rrsets.get(owner, {}).get(rtype)

    def exists(self, name: Name) -> bool:
        """Return whether a name owns something or has descendants that do (RFC 4592 §2.2.2): the slow, literal way."""
        return name in self.rrsets or any(owner.is_subdomain(name) for owner in self.rrsets)

    @property
    def nsec3_parameters(self) -> tuple[bytes, int] | None:
        """Salt and iterations of the chain in use."""
        parameters = self.get(self.origin, rt.NSEC3PARAM)
        if parameters is None or not self.nsec3:
            return None
        return parameters[0].salt, parameters[0].iterations

    @property
    def is_signed(self) -> bool:
        return self.nsec3_parameters is not None or self.get(self.origin, rt.NSEC) is not None


def nsec3_hash(name: Name, salt: bytes, iterations: int) -> bytes:
    """Return the hash of a name (RFC 5155 §5)."""
    digest = hashlib.sha1(name.to_digestable() + salt).digest()
    for _ in range(iterations):
        digest = hashlib.sha1(digest + salt).digest()
    return digest


def hash_label(digest: bytes) -> bytes:
    return b32encode(digest).translate(_BASE32).lower()


def label_hash(label: bytes) -> bytes:
    return b32decode(label.upper().translate(_BASE32HEX))
