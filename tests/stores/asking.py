# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a store, and compare what it says with the oracle."""

from collections.abc import Iterable, Sequence

import dns.message
import dns.name
from dns.message import Message

from appliance.compiler.expected import capacity
from appliance.lookup.follow import reply
from appliance.lookup.render import Edns
from appliance.store.store import Store
from appliance.zone import names, types
from appliance.zone.model import Zone
from tests.harness.worlds import compile_zones
from tests.reference import resolver
from tests.reference.zone import ReferenceZone

SEED = 0x0123456789ABCDEF


def store_of(zones: Iterable[Zone]) -> Store:
    """Return a store in memory with these zones."""
    zones = list(zones)
    store = Store.sized(capacity(zones), SEED)
    compile_zones(store, zones)
    return store


def ask(store: Store, qname: bytes, qtype: int, dnssec_ok: bool = False, limit: int = 65535) -> bytes:
    """Return the reply to a query with EDNS and RD."""
    question = qname + qtype.to_bytes(2, "big") + b"\0\1"
    return reply(store, 4711, 0x0100, question, limit, Edns(1232, dnssec_ok))[1]


def asked(store: Store, qname: str, qtype: int, dnssec_ok: bool = False, limit: int = 65535) -> Message:
    """Return the reply, read by dnspython."""
    return dns.message.from_wire(ask(store, names.from_text(qname), qtype, dnssec_ok, limit))


def differences(
    store: Store, reference: Sequence[ReferenceZone], qname: bytes, qtype: int, dnssec_ok: bool
) -> list[str]:
    """Return how the store's reply differs from what the oracle demands."""
    wire = ask(store, qname, qtype, dnssec_ok)
    message = dns.message.from_wire(wire)
    if message.flags & dns.flags.TC:
        return ["TC is set"]
    try:
        expected = resolver.answer(reference, qname, qtype, dnssec_ok)
    except AssertionError as error:
        if unprovable(reference, str(error)):
            return []
        raise
    if qtype in (types.ANY, types.SVCB, types.HTTPS):
        # Optional: those of the RRset that answers ANY, and of the owner where RFC 9460 §2.5 lets "." stand for it.
        expected.additional_optional |= all_addresses(reference)
    sections = [resolver.records_of(section) for section in (message.answer, message.authority, message.additional)]
    wrong = expected.differences(int(message.rcode()), bool(message.flags & dns.flags.AA), *sections)
    count = sum(len(section) for section in sections) + (message.edns >= 0)
    if wire[12 : 12 + len(qname)] != qname:
        wrong.append("the question is not echoed")
    if count != sum(int.from_bytes(wire[at : at + 2], "big") for at in (6, 8, 10)):
        wrong.append("a record is there twice")
    return wrong


def unprovable(reference: Sequence[ReferenceZone], complaint: str) -> bool:
    """Return whether the oracle lacks a proof that opt-out makes impossible.

    The closest encloser is an ENT above insecure delegations, the closest provable one further up has a wildcard.
    """
    opt_out = any(rdataset[0].flags & 1 for zone in reference for rdataset in zone.nsec3.values())
    return opt_out and complaint.startswith("no NSEC3 covers *.")


def all_addresses(reference: Sequence[ReferenceZone]) -> set[resolver.Record]:
    """Return all address records of zones, with their signatures."""
    found = set()
    for zone in reference:
        for owner, rrsets in zone.rrsets.items():
            for rtype in (types.A, types.AAAA):
                for rdataset in (rrsets.get(rtype), zone.signatures.get((owner, rtype))):
                    if rdataset is not None:
                        found |= resolver._records(owner, rdataset)
    return found
