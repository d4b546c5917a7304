# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones as plain sets of records, so that what two readers made of one file can be compared."""

from __future__ import annotations

from appliance.zone import rdata
from appliance.zone.model import Zone
from tests.reference.resolver import Record
from tests.reference.zone import ReferenceZone


def model_records(zone: Zone) -> set[Record]:
    """Return every record of a loaded zone, names in RDATA folded as for canonical comparison (RFC 4034 §6.2)."""
    return {
        (owner, rrset.rtype, rrset.ttl, rdata.fold(rrset.rtype, value))
        for owner, rrset in zone.rrsets()
        for value in rrset.rdatas
    }


def reference_records(zone: ReferenceZone) -> set[Record]:
    """Return every record that dnspython read, in the same form."""
    rdatasets = [(owner, rdataset) for owner, rrsets in zone.rrsets.items() for rdataset in rrsets.values()]
    rdatasets += [(owner, rdataset) for (owner, _), rdataset in zone.signatures.items()]
    rdatasets += zone.nsec3.items()
    return {
        (owner.to_digestable(), int(rdataset.rdtype), rdataset.ttl, value.to_digestable())
        for owner, rdataset in rdatasets
        for value in rdataset
    }
