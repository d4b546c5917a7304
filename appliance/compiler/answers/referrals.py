# SPDX-License-Identifier: GPL-3.0-or-later
"""Referrals at delegation points, and DS, which the parent answers there (RFC 4035 §3.1.4)."""

from typing import NamedTuple

from appliance.compiler.answers import negatives
from appliance.compiler.answers.assemble import AA, MAX_ANSWER, Group, Sections, build
from appliance.compiler.answers.positive import addresses
from appliance.compiler.context import Context, exact_body, moving_body, rrset_rrs, signed_rrs
from appliance.compiler.writer import Answer, Entry
from appliance.store import rdata_names
from appliance.store.fragments import RR, encode
from appliance.store.layout import ANSWER
from appliance.store.verdict_names import KIND
from appliance.zone import names, types
from appliance.zone.model import Zone

_RR_HEAD = 12
"""Octets of a record whose owner is a pointer, up to its RDATA."""

_LEAST = 8
"""Octets that a fragment has at least: what the program copies at a time."""

MAX_COMPOSED = 2
"""Proofs of a composed referral: what the program takes from its list at once."""

_MAX_PARTS = 2048
"""Octets of DS and signatures, as counted by ds_parts, that are kept apart."""


def glue(zone: Zone, cut: bytes, dnssec: bool) -> list[Group]:
    """Return the addresses of a cut's servers; in-domain glue is required, the rest is not (RFC 9471 §3)."""
    rrset = zone.nodes[cut][types.NS]
    return [
        group
        for target in rdata_names.targets(types.NS, rrset.rdatas, cut)
        for group in addresses(zone, target, dnssec, required=names.is_subdomain(target, cut))
    ]


def ds_parts(context: Context, cut: bytes) -> list[int]:
    """Return a signed DS RRset as fragments: the head of its first record, the rest of it, its signatures.

    The referral with DO set and both answers for DS list them, so that a signature stands in the store once. The head
    is apart because an answer of one fragment holds it itself. Empty where that does not pay or there is nothing.
    """
    zone, writer = context.zone, context.writer
    if not context.shares_ds:
        return []
    rrset = zone.nodes[cut].get(types.DS)
    signature = zone.signatures.get(cut, {}).get(types.DS)
    if not rrset or not signature or len(rrset.rdatas[0]) < _LEAST:
        return []
    if sum(_RR_HEAD + len(rdata) for rdata in (*rrset.rdatas, *signature.rdatas)) > _MAX_PARTS:
        return []
    body, behind = moving_body(cut), moving_body(cut)
    body.extend(rrset_rrs(cut, rrset))
    behind.extend(rrset_rrs(cut, signature))
    moves = [(offset - _RR_HEAD, value) for offset, value in body.moves[1:]]
    return [
        writer.share(body.encode(_RR_HEAD, 1, 0)),
        writer.share(encode(body.octets[_RR_HEAD:], moves, len(cut), body.records)),
        writer.share(behind.encode()),
    ]


def ds_rrs(zone: Zone, cut: bytes) -> list[RR]:
    """Return a cut's DS RRset and its signature, for a referral with DO set."""
    rrset = zone.nodes[cut].get(types.DS)
    return signed_rrs(zone, cut, cut, rrset, True) if rrset and zone.signatures else []


def referral_parts(context: Context, cut: bytes, dnssec: bool) -> tuple[list[RR], list[int], list[Group]]:
    """Return authority records, proof fragments and glue of a referral."""
    zone = context.zone
    authority = rrset_rrs(cut, zone.nodes[cut][types.NS])
    proofs: list[int] = []
    if dnssec:
        proofs = ds_parts(context, cut)
        ds = [] if proofs else ds_rrs(zone, cut)
        authority += ds
        if not ds and not proofs:
            proofs = context.proofs.nodata(cut)
    return authority, proofs, glue(zone, cut, dnssec)


def referral(context: Context, cut: bytes, dnssec: bool) -> int:
    """Return the reference of a cut's referral; cuts of the same length with the same servers share one."""
    authority, proofs, additional = referral_parts(context, cut, dnssec)
    sections = Sections(KIND["referral"], 0, authority=authority, proofs=proofs, additional=additional)
    with context.placing(dnssec):
        return context.writer.refer(build(context.writer, moving_body(cut), sections))


def referrals(context: Context, cut: bytes) -> tuple[Answer, Answer]:
    """Return a cut's referrals without and with DNSSEC; of a composed one the answer for DS, which lists its end."""
    insecure = types.DS not in context.zone.nodes[cut]
    if context.signed and (insecure or context.shares_ds) and not glue(context.zone, cut, True):
        if insecure:
            return _without_glue(context, cut)
        if (parts := ds_parts(context, cut)) and (servers := _servers(context, cut)):
            return servers.plain, _listed(context, parts)
    plain = referral(context, cut, False)
    return plain, referral(context, cut, True) if context.signed else plain


def is_composed(cut: tuple[Answer, Answer]) -> bool:
    """Return whether a cut's referral with DO is the one without and what its answer for DS lists."""
    return isinstance(cut[1], bytes)


class _Servers(NamedTuple):
    """The referral without DNSSEC of a cut without addresses: its reference, its fragment, what this holds."""

    plain: int
    fragment: bytes
    octets: int
    records: int


def _servers(context: Context, cut: bytes) -> _Servers | None:
    """Lay the servers of a cut without addresses out, once; None if that is very long."""
    rrset = context.zone.nodes[cut][types.NS]
    body = moving_body(cut)
    body.extend(rrset_rrs(cut, rrset))
    length, count = len(body.octets), body.records
    if length > MAX_ANSWER // 2:
        return None
    head = ANSWER.pack(0, 0, count, 0, length, 1, KIND["referral"], 0, 0, 0, 0, 0)
    fragment = body.encode()
    return _Servers(context.writer.share(head + fragment), fragment, length, count)


def _without_glue(context: Context, cut: bytes) -> tuple[Answer, Answer]:
    """Return the referrals of an insecure cut whose servers have no addresses in the zone: one body, laid out once."""
    writer = context.writer
    servers = _servers(context, cut)
    if servers is None:
        return referral(context, cut, False), referral(context, cut, True)
    plain, fragment, length, count = servers
    proofs = context.proofs.nodata(cut)
    if not proofs:
        return plain, plain
    if context.shares_ds and len(proofs) <= MAX_COMPOSED:
        return plain, negatives.nodata_with(context, proofs)
    with writer.placing_aside():
        refs = [writer.share(fragment), *proofs]
    sizes = [writer.fragment_size(ref) for ref in proofs]
    length += sum(size for size, _ in sizes)
    count += sum(records for _, records in sizes)
    head = ANSWER.pack(0, 0, count, 0, length, len(refs), KIND["referral"], 0, 0, 0, 0, 0)
    with writer.placing_aside():
        return plain, writer.share(head + b"".join([ref.to_bytes(4, "little") for ref in refs]))


def ds_entry(context: Context, cut: bytes) -> list[Entry]:
    """Return the type table of a cut: DS, or in a signed zone the proof that there is none."""
    zone = context.zone
    rrset = zone.nodes.get(cut, {}).get(types.DS)
    if not rrset:
        _, proved = negatives.at_name(context, cut)
        return [(types.DS, 0, proved)] if proved else []
    if parts := ds_parts(context, cut):
        return [(types.DS, _listed(context, parts[:-1]), _listed(context, parts))]
    answers: list[Answer] = []
    for dnssec in (False, True):
        sections = Sections(KIND["positive"], answer=signed_rrs(zone, cut, cut, rrset, dnssec))
        with context.placing(True):
            answers.append(build(context.writer, exact_body(cut), sections))
    return [(types.DS, answers[0], answers[1] if zone.signatures.get(cut, {}).get(types.DS) else 0)]


def _listed(context: Context, parts: list[int]) -> bytes:
    """Return the answer that fragments are."""
    sizes = [context.writer.fragment_size(ref) for ref in parts]
    length, count = (sum(column) for column in zip(*sizes, strict=True))
    head = ANSWER.pack(AA, count, 0, 0, length, len(parts), KIND["positive"], 0, 0, 0, 0, 0)
    return head + b"".join([ref.to_bytes(4, "little") for ref in parts])
