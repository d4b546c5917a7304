# SPDX-License-Identifier: GPL-3.0-or-later
"""NSEC3 parameters: one set, known, the same in NSEC3PARAM and in every NSEC3 (RFC 5155 §4 and §7.3, RFC 9276)."""

from itertools import islice

from appliance.zone import names, nsec3, types
from appliance.zone.checks.levels import Judge
from appliance.zone.model import Zone
from appliance.zone.nsec3 import Parameters
from appliance.zone.packed.zone import PackedZone

MAX_ITERATIONS = 2500
"""No validator accepts more (RFC 5155 §10.3)."""
NIC_ITERATIONS = 10
NIC_SALT_OCTETS = 32
"""More are not computed on the NIC path: ITERATIONS_MAX and SALT_MAX in ebpf/nsec3.h."""


def chain_parameters(zone: Zone, judge: Judge) -> Parameters | None:
    """Return the parameters of the zone's chain, or None, with a finding, where there is no telling."""
    declared = _declared(zone, judge)
    used = _used(zone, judge)
    if len(zone.origin) + 1 + 32 > names.MAX_NAME:
        reason = f"{names.to_text(zone.origin)} is too long for NSEC3: a hash does not fit before it; sign it with NSEC"
        judge.note("nsec3-parameters", zone.origin, types.NSEC3PARAM, reason)
        return None
    if not (declared and used):
        _note_half(zone, bool(declared), judge)
        return None
    if len(used) > 1:
        owner = next(owner for parameters, owner in used.items() if parameters not in declared or len(declared) > 1)
        listed = "; ".join(str(parameters) for parameters in used)
        judge.note("nsec3-parameters", owner, types.NSEC3, f"NSEC3 records of different parameters: {listed}")
        return None
    (parameters,) = used
    if set(declared) != {parameters}:
        reason = f"NSEC3PARAM says {'; '.join(map(str, declared))}, but the NSEC3 records have {parameters}"
        judge.note("nsec3-parameters", zone.origin, types.NSEC3PARAM, reason)
    if parameters.algorithm != nsec3.SHA1:
        reason = f"NSEC3 hash algorithm {parameters.algorithm} is unknown: only 1 (SHA-1) is defined"
        judge.note("nsec3-parameters", zone.origin, types.NSEC3PARAM, reason)
        return None
    return parameters if _has_sane_iterations(zone, parameters, judge) else None


def _declared(zone: Zone, judge: Judge) -> list[Parameters]:
    """Return what the NSEC3PARAM RRs say; those with flags do not count (RFC 5155 §4.1.2)."""
    rrset = zone.rrset(zone.origin, types.NSEC3PARAM)
    rdatas = rrset.rdatas if rrset else []
    if len(rdatas) > 1:
        reason = f"{len(rdatas)} NSEC3PARAM records: keep that of the chain"
        judge.note("nsec3-parameters", zone.origin, types.NSEC3PARAM, reason)
    for rdata in rdatas:
        if rdata[1]:
            reason = f"NSEC3PARAM with flags {rdata[1]} is ignored by everybody: they must be 0 (RFC 5155 §4.1.2)"
            judge.note("nsec3-parameters", zone.origin, types.NSEC3PARAM, reason)
    return [nsec3.parameters(rdata) for rdata in rdatas]


def _used(zone: Zone, judge: Judge) -> dict[Parameters, bytes]:
    """Return the parameters of the NSEC3 RRs, each with one owner that has them."""
    heads: dict[bytes, bytes] = {}
    regular = isinstance(zone, PackedZone) and zone.chain.regular
    for owner, rrset in islice(zone.nsec3.items(), 1) if regular else zone.nsec3.items():
        for rdata in rrset.rdatas:
            heads.setdefault(rdata[: 5 + rdata[4]], owner)
    used: dict[Parameters, bytes] = {}
    for head, owner in heads.items():
        used.setdefault(nsec3.parameters(head), owner)
        if head[1] & ~nsec3.OPT_OUT:
            reason = f"NSEC3 flags {head[1]}: validators ignore records with unknown flags (RFC 5155 §8.2)"
            judge.note("nsec3-parameters", owner, types.NSEC3, reason)
    return used


def _note_half(zone: Zone, declared: bool, judge: Judge) -> None:
    """A chain that is being built or taken down (RFC 5155 §10.4) denies nothing, so it cannot deny wrongly."""
    if declared:
        judge.note("nsec3-parameters", zone.origin, types.NSEC3PARAM, "NSEC3PARAM without any NSEC3 record", mild=True)
    elif zone.nsec3:
        reason = "NSEC3 records without NSEC3PARAM at the apex are not used"
        judge.note("nsec3-parameters", next(iter(zone.nsec3)), types.NSEC3, reason, mild=True)


def _has_sane_iterations(zone: Zone, parameters: Parameters, judge: Judge) -> bool:
    count = parameters.iterations
    if count > MAX_ITERATIONS:
        reason = f"{count} NSEC3 iterations: no validator computes more than {MAX_ITERATIONS} (RFC 5155 §10.3)"
        judge.note("nsec3-parameters", zone.origin, types.NSEC3PARAM, reason)
        return False
    if count >= judge.iterations_from:
        more = f"; above {NIC_ITERATIONS}, proofs come from userspace" if count > NIC_ITERATIONS else ""
        reason = f"{count} additional NSEC3 iterations: RFC 9276 §3.1 asks for 0{more}"
        judge.note("nsec3-iterations", zone.origin, types.NSEC3PARAM, reason)
    return True
