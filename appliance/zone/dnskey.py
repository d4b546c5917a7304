# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a zone: key tags, and do they verify the signatures of the DNSKEY and the SOA RRset."""

from dataclasses import dataclass
from typing import Final

from appliance.zone import names, types
from appliance.zone.checks import Judge
from appliance.zone.model import Zone

_RSAMD5: Final = 1
_ZONE_KEY: Final = 0x0100
_REVOKED: Final = 0x0080


def key_tag(rdata: bytes) -> int:
    """Return the key tag of DNSKEY RDATA (RFC 4034 appendix B)."""
    if rdata[3] == _RSAMD5:
        return int.from_bytes(rdata[-3:-1], "big")
    total = sum(rdata[0::2]) * 256 + sum(rdata[1::2])
    return (total + (total >> 16)) & 0xFFFF


@dataclass(frozen=True, slots=True)
class Keys:
    """Tag and algorithm of the keys at the apex that may sign the zone (RFC 4034 §2.1)."""

    known: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, zone: Zone) -> "Keys":
        """Return the keys of a zone; a revoked one still signs the DNSKEY RRset (RFC 5011 §2.1)."""
        rrset = zone.rrset(zone.origin, types.DNSKEY)
        return cls(
            frozenset((key_tag(rdata), rdata[3]) for rdata in (rrset.rdatas if rrset else ()) if _may_sign(rdata))
        )


def check(zone: Zone, keys: Keys, judge: Judge) -> None:
    """Note an apex without usable keys, and signatures of DNSKEY and SOA that do not verify."""
    rrset = zone.rrset(zone.origin, types.DNSKEY)
    zone_name = names.to_text(zone.origin)
    if rrset is None:
        if zone.signatures:
            judge.note("dnskey-match", zone.origin, types.SOA, f"zone {zone_name} has RRSIGs but no DNSKEY")
        return
    if not zone.signatures:
        judge.note("rrsig-missing", zone.origin, types.DNSKEY, "the apex has a DNSKEY but the zone is not signed")
        return
    if all(int.from_bytes(rdata[:2], "big") & _REVOKED or not _may_sign(rdata) for rdata in rrset.rdatas):
        reason = f"no DNSKEY of {zone_name} is a zone key that is not revoked (RFC 4034 §2.1)"
        judge.note("dnskey-match", zone.origin, types.DNSKEY, reason)
    if judge.wants("rrsig-invalid"):
        from appliance.zone import verify  # imports cryptography, which unsigned zones do without

        for rtype in (types.DNSKEY, types.SOA):
            if verify.is_refuted(zone, rtype, keys.known):
                reason = f"{zone_name} {types.type_text(rtype)}: its RRSIG does not verify with the DNSKEY of the apex"
                judge.note("rrsig-invalid", zone.origin, rtype, reason)


def _may_sign(rdata: bytes) -> bool:
    return bool(int.from_bytes(rdata[:2], "big") & _ZONE_KEY) and rdata[2] == 3
