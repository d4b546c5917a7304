# SPDX-License-Identifier: GPL-3.0-or-later
"""NODATA and NXDOMAIN (RFC 2308), and the proofs that are known when the zone is compiled."""

from typing import Final

from appliance.compiler.answers.assemble import AA, MAX_ANSWER, too_long
from appliance.compiler.context import Context, moving_body, soa_rrs
from appliance.compiler.writer import Answer
from appliance.store.fragments import Body
from appliance.store.layout import ANSWER, DENIAL_COMPLETE, DENIAL_NEXT_CLOSER, DENIAL_NXDOMAIN
from appliance.store.verdict_names import KIND

NXDOMAIN: Final = 3

SOA: Final = 0
"""In the list of an answer: the SOA of the zone's current version, which the zone table knows."""


def prepare(context: Context) -> None:
    """Write the zone's own negative answers and the fragment of SOA and signature that all proofs follow."""
    zone = context.zone
    plain = signed = _soa_body(context, False)
    answers = _denied(context, plain, DENIAL_COMPLETE)
    context.nodata, context.nxdomain = (answers[0], answers[0]), (answers[1], answers[1])
    if context.signed:
        signed = _soa_body(context, True)
        proved = _denied(context, signed, DENIAL_NXDOMAIN if zone.scheme != "unsigned" else DENIAL_COMPLETE)
        context.nodata, context.nxdomain = (answers[0], proved[0]), (answers[1], proved[1])
    context.soa_fragment = context.writer.share(signed.encode())


def _soa_body(context: Context, dnssec: bool) -> Body:
    """Return the SOA as it ends negative answers."""
    body = moving_body(context.zone.origin)
    body.extend(soa_rrs(context.zone, dnssec))
    return body


def _denied(context: Context, soa: Body, denial: int) -> tuple[int, int]:
    """Write NODATA and NXDOMAIN, which quote the same SOA; `denial` is the proof that NXDOMAIN still lacks."""
    size, fragment = len(soa.octets), soa.encode()
    found = []
    for kind, flags, lacks in (("nodata", AA, DENIAL_COMPLETE), ("nxdomain", AA | NXDOMAIN, denial)):
        head = ANSWER.pack(flags, 0, soa.records, 0, size, 1, KIND[kind], lacks, 1 if lacks else 0, 0, 0, 0)
        found.append(context.writer.share(head + fragment if size <= MAX_ANSWER else too_long(flags)))
    return found[0], found[1]


def nodata_with(context: Context, proofs: list[int], denial: int = 0) -> Answer:
    """Return the NODATA answer for DO that ends in these proof fragments; 0, the zone's own, when there are none."""
    if not proofs:
        return 0
    pieces = [context.soa_fragment, *proofs]
    sizes = [context.writer.fragment_size(ref) for ref in pieces]
    length = sum(size for size, _ in sizes)
    count = sum(records for _, records in sizes)
    kind = KIND["nodata"]
    insert = 1 if denial else 0  # a validator takes the first NSEC for the one of the name (see docs/differences.md)
    head = ANSWER.pack(AA, 0, count, 0, length, len(pieces), kind, denial, insert, 0, 0, 0)
    return head + b"".join([ref.to_bytes(4, "little") for ref in (SOA, *proofs)])


def at_name(context: Context, name: bytes) -> tuple[Answer, Answer]:
    """Return `node.other` of a name that exists and is no cut."""
    if context.zone.scheme == "unsigned":
        return 0, 0
    return 0, nodata_with(context, context.proofs.nodata(name))


def at_wildcard(context: Context, wildcard: bytes) -> tuple[Answer, Answer]:
    """Return `node.other` of the node that answers for what a wildcard stands for."""
    if context.zone.scheme == "unsigned":
        return 0, 0
    return 0, nodata_with(context, context.proofs.wildcard_nodata(wildcard), DENIAL_NEXT_CLOSER)
