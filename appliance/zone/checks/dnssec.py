# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of signed zones when they are loaded: chains, signatures, keys and the zone's digest, and their summary."""

import time

from appliance.zone import names, nsec3, types
from appliance.zone.checks import dnskey, zonemd
from appliance.zone.checks import nsec as check_nsec
from appliance.zone.checks import nsec3 as check_nsec3
from appliance.zone.checks.findings import Findings
from appliance.zone.checks.levels import DEFAULTS, Judge, Levels
from appliance.zone.checks.nsec3param import NIC_ITERATIONS, NIC_SALT_OCTETS
from appliance.zone.checks.rrsig import Signatures
from appliance.zone.checks.signed_data import Surface
from appliance.zone.dnssec import Keys
from appliance.zone.model import DnssecSummary, Zone


def check(zone: Zone, findings: Findings, levels: Levels = DEFAULTS, now: int | None = None) -> DnssecSummary | None:
    """Note what is wrong with the DNSSEC records of a zone; return a summary, or None where there are no such records.

    now (seconds since 1970) is what the times of signatures are compared with, the clock unless given. A zone
    without DNSKEY or without RRSIGs is unsigned to everybody, so nothing about its chain is an error.
    """
    apex = zone.nodes[zone.origin]
    lenient = types.DNSKEY not in apex or not zone.signatures
    judge = Judge(findings, levels, lenient)
    if not _has_dnssec(zone):
        _check_digest(zone, False, judge)
        judge.close()
        return None
    surface = Surface.of(zone)
    _check_chain(surface, judge)
    keys = Keys.of(zone)
    dnskey.check(zone, keys, judge)
    signatures = Signatures(surface, keys, int(time.time()) if now is None else now, judge)
    signatures.check()
    _check_digest(zone, signatures.missing > 0, judge)
    chosen = nsec3.parameters(apex[types.NSEC3PARAM].rdatas[0] if zone.scheme == "nsec3" else bytes(5))
    return DnssecSummary(
        scheme=zone.scheme,
        iterations=chosen.iterations,
        salt_length=len(chosen.salt),
        proofs_from_userspace=chosen.iterations > NIC_ITERATIONS or len(chosen.salt) > NIC_SALT_OCTETS,
        signatures=signatures.count,
        missing=signatures.missing,
        expired=signatures.expired,
        not_yet_valid=signatures.not_yet_valid,
        earliest_expiration=signatures.earliest_expiration,
        findings=judge.close(),
    )


def _has_dnssec(zone: Zone) -> bool:
    if zone.signatures or zone.nsec3:
        return True
    return any(map(zone.has_type, (types.NSEC, types.DNSKEY, types.NSEC3PARAM)))


def _check_chain(surface: Surface, judge: Judge) -> None:
    """Check the chain that answers are taken from; a second one beside it is on its way in or out (RFC 5155 §10.4)."""
    zone = surface.zone
    if zone.scheme == "nsec" or (
        zone.has_type(types.NSEC) and any(types.NSEC in found for found in surface.signed.values())
    ):
        if zone.scheme != "nsec3":
            check_nsec.check(surface, judge)
    elif zone.scheme == "unsigned" and types.DNSKEY in zone.nodes[zone.origin] and zone.signatures:
        reason = f"zone {names.to_text(zone.origin)} is signed but has neither NSEC nor NSEC3 at its apex"
        judge.note("nsec-chain", zone.origin, types.SOA, reason, mild=True)
    check_nsec3.check(surface, judge)


def _check_digest(zone: Zone, stripped: bool, judge: Judge) -> None:
    """Check ZONEMD; the digest of an unsigned zone counts as much as that of a signed one."""
    lenient, judge.lenient = judge.lenient, False
    zonemd.check(zone, stripped, judge)
    judge.lenient = lenient
