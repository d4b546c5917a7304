# SPDX-License-Identifier: GPL-3.0-or-later
"""Which zones and names the bulk writer takes, and the proofs that it leaves for the others."""

import struct
from array import array
from collections.abc import Iterable, Iterator

from appliance.compiler.bulk.cuts import Bulk
from appliance.compiler.context import Context
from appliance.compiler.denial.evidence import Evidence, PackedNsec3Evidence
from appliance.compiler.denial.proofs import Nsec3Proofs, NsecProofs, Proofs, proofs_for
from appliance.compiler.neighbours import family
from appliance.compiler.writer import Writer
from appliance.errors import ApplianceError
from appliance.store.layout import DENIAL_BLOCK, NSEC3, NSEC3_HASH
from appliance.zone import names, nsec3
from appliance.zone.model import Zone
from appliance.zone.packed.discard import SpentRecords
from appliance.zone.packed.flags import MATCH
from appliance.zone.packed.names import Packed
from appliance.zone.packed.zone import PackedZone


class RecordsSpent(ApplianceError):
    """Records that were let go of are needed: read the zone again, and keep them this time."""


def bulk_for(writer: Writer, zone: Zone) -> Bulk | None:
    """Return what writes the common names of a zone; None where its data are not packed, or it has none of them."""
    if not isinstance(zone, PackedZone) or (zone.scheme == "unsigned" and not zone.delegations):
        return None
    return Bulk(writer, zone.packed)


def bulk_proofs(writer: Writer, zone: Zone, evidence: Evidence | None, bulk: Bulk | None) -> Proofs:
    """Return the proofs of a zone's scheme, NSEC3s written in bulk where their chain allows it."""
    if bulk is not None and isinstance(zone, PackedZone) and isinstance(evidence, PackedNsec3Evidence):
        return PackedNsec3Proofs(writer, zone, evidence, bulk)
    return proofs_for(writer, zone, evidence)


class PackedNsec3Proofs(Nsec3Proofs):
    """The same proofs from a chain that is packed."""

    def __init__(self, writer: Writer, zone: PackedZone, evidence: PackedNsec3Evidence, bulk: Bulk) -> None:
        self._writer = writer
        self._zone = zone
        self._evidence = evidence
        self._chain = zone.chain
        iterations, salt = evidence.parameters
        self._references = bulk.prove_by_chain(zone.chain)
        table = memoryview(bulk.slots(zone.chain))
        size = DENIAL_BLOCK * NSEC3_HASH.size
        blocks = [writer.arena.put(table[at : at + size]) for at in range(0, len(table), size)]
        scale = zone.chain.count * 3 // 2
        counts = (len(table) // NSEC3_HASH.size, iterations, len(salt), 0, len(blocks), scale)
        head = NSEC3.pack(*counts, salt.ljust(256, b"\0"))
        self.zone_material = writer.arena.put(head + struct.pack(f"<{len(blocks)}I", *blocks))

    def piece(self, owner: bytes) -> int:
        digest = nsec3.owner_digest(owner, self._zone.origin)
        assert digest is not None
        return int(self._references[self._chain.place_of_hash(digest) & ~MATCH])


class BulkNames:
    """Writes the cuts of a packed zone that can be written in bulk."""

    def __init__(self, context: Context, bulk: Bulk) -> None:
        """Write what belongs to one version."""
        assert isinstance(context.zone, PackedZone)
        self._context = context
        self._zone = context.zone
        self._bulk = bulk

    def take(self, found: Iterable[bytes]) -> Iterator[bytes]:
        """Write cuts, found in the packed records; yield all other owners and ENTs, most of them before.

        Where the zone may be spent, its records go meanwhile; RecordsSpent tells of a cut that is left then.
        """
        bulk, zone, packed = self._bulk, self._zone, self._zone.packed
        _prepare(self._context, bulk, zone)
        number = bulk.next_other(0)
        while number < packed.count:
            yield packed.name(number)
            number = bulk.next_other(number + 1)
        yield from sorted(zone.ents)
        if zone.may_be_spent and not self._context.below:
            if zone.until_read is not None:
                zone.until_read()
            spent = SpentRecords(packed, parents=zone.scheme == "nsec3")
            if spent.begin():
                zone.is_spent = True
                _write_and_forget(bulk, spent, packed)
                return
        number = bulk.run(0, packed.count)
        while number < packed.count:
            yield packed.name(number)
            number = bulk.run(number + 1, packed.count)


def _write_and_forget(bulk: Bulk, spent: SpentRecords, packed: Packed) -> None:
    number = 0
    while number < packed.count:
        spent.written(number)
        end = spent.end_of_step(number)
        number = bulk.run(number, end)
        if number < end:
            raise RecordsSpent(f"{names.to_text(packed.name(number))} has to be written by itself")


def _prepare(context: Context, bulk: Bulk, zone: PackedZone) -> None:
    """Say what is shared, and which names are Python's: those at or above other loaded zones, or below them."""
    packed = zone.packed
    bulk.prepare(context.signed, context.soa_fragment, context.shares_ds)
    if zone.dnames or (zone.scheme != "unsigned" and not isinstance(context.proofs, NsecProofs | PackedNsec3Proofs)):
        bulk.leave_out(0, packed.count)
    if isinstance(context.proofs, NsecProofs):
        covers = array("I", bytes(4 * (packed.count + 1)))
        for number in range(packed.count):
            covers[number] = context.proofs.own(packed.name(number))
        bulk.prove_by_name(covers)
    for name in family.borders(zone, context.below):
        number = packed.find_name(name)
        if number >= 0:
            bulk.leave_out(number, number + 1)
    for child in context.below:
        start = end = packed.position(child)
        while end < packed.count and names.is_subdomain(packed.name(end), child):
            end += 1
        bulk.leave_out(start, end)
