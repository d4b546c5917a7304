# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a zone: whether they verify the signatures of the DNSKEY and the SOA RRset."""

from typing import Final

from appliance.zone import names, types
from appliance.zone.checks.levels import Judge
from appliance.zone.dnssec import Keys, may_sign
from appliance.zone.model import Zone

_REVOKED: Final = 0x0080


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
    if all(int.from_bytes(rdata[:2], "big") & _REVOKED or not may_sign(rdata) for rdata in rrset.rdatas):
        reason = f"no DNSKEY of {zone_name} is a zone key that is not revoked (RFC 4034 §2.1)"
        judge.note("dnskey-match", zone.origin, types.DNSKEY, reason)
    if judge.wants("rrsig-invalid"):
        from appliance.zone.checks import verify  # imports cryptography, which unsigned zones do without

        for rtype in (types.DNSKEY, types.SOA):
            if verify.is_refuted(zone, rtype, keys.known):
                reason = f"{zone_name} {types.type_text(rtype)}: its RRSIG does not verify with the DNSKEY of the apex"
                judge.note("rrsig-invalid", zone.origin, rtype, reason)
