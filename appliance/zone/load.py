# SPDX-License-Identifier: GPL-3.0-or-later
"""From records to a zone: sort them into RRsets and refuse what no zone may hold."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from appliance.errors import WireError, ZoneError
from appliance.zone import names, rdata, types
from appliance.zone.checks import dnssec as check_dnssec
from appliance.zone.checks.findings import Findings
from appliance.zone.checks.levels import DEFAULTS, Levels
from appliance.zone.master import scanner
from appliance.zone.master.records import Record, Records
from appliance.zone.model import RRset, RRsets, Zone
from appliance.zone.packed.cuts import settle
from appliance.zone.packed.flags import MAX_RECORDS, MAX_TTL, MAX_TYPES
from appliance.zone.packed.names import Packed
from appliance.zone.packed.zone import PackedZone, first_record, record_at


def load_zone(
    path: str | Path, origin: bytes, levels: Levels = DEFAULTS, most: int = 0, below: Sequence[str] = ()
) -> Zone:
    """Return the zone in a master file, or raise ZoneError with all that is wrong with it; never half a zone.

    levels says which classes of findings about DNSSEC are errors, most how many octets of records are read at all, and
    below the folders that files are included from, if not that of the file itself.
    """
    records = scanner.scan_file(path, origin, most=most, below=below)
    findings = Findings(records)
    zone = assemble(records, origin, findings)
    if zone is not None:
        zone.dnssec = check_dnssec.check(zone, findings, levels)
        zone.includes = tuple(records.files[1:])
    if zone is None or findings.errors:
        found = findings.finish()
        first = next(finding for finding in found if finding.severity == "error")
        count = sum(finding.severity == "error" for finding in found)
        more = f" (and {count - 1} more {'error' if count == 2 else 'errors'})" if count > 1 else ""
        raise ZoneError(f"zone {names.to_text(origin)} cannot be loaded: {first}{more}", found)
    return zone


def assemble(records: Records, origin: bytes, findings: Findings) -> Zone | None:
    """Return the zone of these records, or None with at least one error among the findings.

    Where syntax errors hide records, only the others are looked at one by one: what follows from gaps would mislead.
    """
    origin = names.fold(origin)
    packed = Packed(records.octets, origin, records.border)
    findings.locate = partial(first_record, packed, records)
    hidden = findings.errors
    if not hidden and not len(records):
        findings.whole("error", "there is no record in it: was it written to its end, and is it the right file?")
        return None
    refused = _refuse(packed, records, findings)
    settle(packed)
    for number in packed.flagged:
        _look_closely(packed, number, records, refused, findings)
    if hidden:
        return None
    _check_apex(packed, set(refused.values()), findings)
    return None if findings.errors else PackedZone.of(packed, origin)


def _refuse(packed: Packed, records: Records, findings: Findings) -> dict[int, tuple[bytes, int]]:
    """Note the records that no zone may hold; return their offsets with owner and type."""
    judge = _Sorter(packed.origin, findings)
    refused = {}
    for at, head in packed.odd_at:
        record = record_at(records, at, head)
        owner = record.owner.lower()
        if not judge.is_acceptable(owner, record):
            refused[at] = owner, record.rtype
    findings.more(packed.odd - len(packed.odd_at))
    return refused


def _look_closely(
    packed: Packed, number: int, records: Records, refused: dict[int, tuple[bytes, int]], findings: Findings
) -> None:
    """Sort the records of one name into RRsets, tell what is wrong, and leave out what is there twice."""
    sorter = _Sorter(packed.origin, findings)
    owner = packed.name(number)
    for at, head in packed.places(number):
        if at in refused:
            continue
        record = record_at(records, at, head)
        if not sorter.add(owner, record):
            packed.drop(at)
        if sorter.too_many:
            return
    for at, _ in packed.places(number):
        if at in refused:
            continue
        rrset = sorter.rrset_of(owner, packed.type_at(at), packed.value(at))
        if packed.ttl_at(at) != rrset.ttl:
            packed.set_ttl(at, rrset.ttl)
    rrsets = sorter.nodes.get(owner, {})
    if types.SOA in rrsets and owner != packed.origin:
        reason = f"SOA at {names.to_text(owner)}, inside zone {names.to_text(packed.origin)}: only the apex has one"
        findings.rrset(owner, types.SOA, "error", reason)
    _check_singletons(packed.origin, owner, rrsets, findings)


class _Sorter:
    """Records go in, RRsets come out: duplicates gone, one TTL each."""

    def __init__(self, origin: bytes, findings: Findings) -> None:
        self.origin = origin
        self.findings = findings
        self.nodes: dict[bytes, RRsets] = {}
        self.signatures: dict[bytes, RRsets] = {}
        self.nsec3: dict[bytes, RRset] = {}
        # Folded RDATA of the RRsets that have more than one record: lists would make a large RRset quadratic.
        self._known: dict[tuple[bytes, int, int], set[bytes]] = {}
        self._uneven: set[tuple[bytes, int, int]] = set()
        self.too_many = False
        """Whether there are more records or types than can be served; the rest of the name is of no interest then."""

    def rrset_of(self, owner: bytes, rtype: int, value: bytes) -> RRset:
        """Return the RRset that a record is in, given its type and RDATA."""
        if rtype == types.RRSIG:
            return self.signatures[owner][int.from_bytes(value[:2], "big")]
        return self.nsec3[owner] if rtype == types.NSEC3 else self.nodes[owner][rtype]

    def add(self, owner: bytes, record: Record) -> bool:
        """Add an acceptable record of a folded owner; return False where the same one is there already."""
        rtype = record.rtype
        covered = 0
        if rtype == types.RRSIG:
            covered = int.from_bytes(record.rdata[:2])
            rrset = self.signatures.setdefault(owner, {}).get(covered)
        elif rtype == types.NSEC3:
            rrset = self.nsec3.get(owner)
        else:
            rrset = self.nodes.setdefault(owner, {}).get(rtype)
        if rrset is not None:
            return self._merge(owner, covered, rrset, record)
        rrset = RRset(rtype, record.ttl, [record.rdata])
        if rtype == types.RRSIG:
            self.signatures[owner][covered] = rrset
        elif rtype == types.NSEC3:
            self.nsec3[owner] = rrset
        else:
            self._add_type(owner, rrset, record)
        return True

    def _add_type(self, owner: bytes, rrset: RRset, record: Record) -> None:
        rrsets = self.nodes[owner]
        rrsets[record.rtype] = rrset
        if len(rrsets) > MAX_TYPES:
            self.too_many = True
            reason = f"{names.to_text(record.owner)}: more than {MAX_TYPES} types at one name"
            self.findings.record(record, "error", reason)

    def is_acceptable(self, owner: bytes, record: Record) -> bool:
        """Return whether a zone may hold a record of a folded owner; note why not."""
        if record.rclass != types.IN:
            reason = f"class {types.class_text(record.rclass)}: only class IN is served"
        elif not names.is_subdomain(owner, self.origin):
            zone = names.to_text(self.origin)
            reason = f"owner {names.to_text(record.owner)} is not in zone {zone}: is a final dot or an $ORIGIN wrong?"
        elif types.is_meta(record.rtype):
            reason = (
                f"{names.to_text(record.owner)} {types.type_text(record.rtype)}: this type cannot be stored in a zone"
            )
        elif record.ttl > MAX_TTL:
            reason = f"TTL {record.ttl} is more than {MAX_TTL} (RFC 2181 §8)"
        else:
            try:
                rdata.check(record.rtype, record.rdata)
            except WireError as error:
                reason = f"{names.to_text(record.owner)} {types.type_text(record.rtype)}: {error}"
            else:
                return True
        self.findings.record(record, "error", reason)
        return False

    def _merge(self, owner: bytes, covered: int, rrset: RRset, record: Record) -> bool:
        key = (owner, record.rtype, covered)
        what = f"{names.to_text(record.owner)} {types.type_text(record.rtype)}"
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = {rdata.fold(record.rtype, rrset.rdatas[0])}
        folded = rdata.fold(record.rtype, record.rdata)
        fresh = folded not in known
        if not fresh:
            self.findings.record(record, "warning", f"{what}: the same record again, left out")
        elif len(known) == MAX_RECORDS:
            self.too_many = True
            self.findings.record(
                record, "error", f"{what}: more than {MAX_RECORDS} records, which is all that a message can count"
            )
        else:
            known.add(folded)
            rrset.rdatas.append(record.rdata)
        if record.ttl != rrset.ttl:
            rrset.ttl = min(rrset.ttl, record.ttl)
            if key not in self._uneven:
                self._uneven.add(key)
                self.findings.record(
                    record, "warning", f"{what}: TTLs differ within the RRset; the lowest is used (RFC 2181 §5.2)"
                )
        return fresh


def _check_apex(packed: Packed, refused: set[tuple[bytes, int]], findings: Findings) -> None:
    origin = packed.origin
    zone = names.to_text(origin)
    number = packed.find_name(origin)
    counts: Counter[int] = Counter()
    if number >= 0:
        counts.update(packed.type_at(at) for at, _ in packed.places(number) if not packed.is_dropped(at))
    missing = {types.SOA, types.NS} - counts.keys() - {rtype for owner, rtype in refused if owner == origin}
    if types.SOA in missing:
        findings.whole(
            "error", f"there is no SOA record at {zone}: add one, or give the file to the zone that it is of"
        )
    if types.NS in missing:
        findings.whole("error", f"there is no NS record at {zone}: name the servers of the zone (RFC 1035 §5.2)")
    if counts[types.SOA] > 1:
        findings.rrset(origin, types.SOA, "error", f"{zone} has {counts[types.SOA]} SOA records: keep one")


def _check_singletons(origin: bytes, owner: bytes, rrsets: RRsets, findings: Findings) -> None:
    """CNAME and DNAME stand alone (RFC 2181 §10.1, RFC 4034 §2.5, RFC 6672 §2.4)."""
    name = names.to_text(owner)
    if types.CNAME in rrsets:
        others = [types.type_text(rtype) for rtype in rrsets if rtype not in (types.CNAME, types.NSEC)]
        if others:
            reason = f"{name} has a CNAME and other data ({', '.join(others)}): keep one or the other"
            findings.rrset(owner, types.CNAME, "error", reason)
        if len(rrsets[types.CNAME].rdatas) > 1:
            findings.rrset(owner, types.CNAME, "error", f"{name} has several CNAME records: keep one")
    if types.DNAME in rrsets:
        if len(rrsets[types.DNAME].rdatas) > 1:
            findings.rrset(owner, types.DNAME, "error", f"{name} has several DNAME records: keep one (RFC 6672 §2.4)")
        if types.NS in rrsets and owner != origin:
            reason = f"{name} has DNAME and NS: at a cut the DNAME belongs in the child zone (RFC 6672 §2.3)"
            findings.rrset(owner, types.DNAME, "error", reason)
