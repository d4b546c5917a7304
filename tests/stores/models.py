# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone models of zone texts, read by dnspython, so that these tests need no scanner."""

import dns.name
import dns.rdatatype
import dns.zone

from appliance.zone import names
from appliance.zone.model import RRset, RRsets, Zone


def model_of(text: str, origin: dns.name.Name | str) -> Zone:
    """Return the model of an unsigned zone."""
    read = dns.zone.from_text(text, origin, relativize=False, allow_include=False)
    assert read.origin is not None
    nodes: dict[bytes, RRsets] = {}
    for owner, node in read.nodes.items():
        for rdataset in node:
            rdatas = [rdata.to_wire() for rdata in rdataset]
            rrset = RRset(int(rdataset.rdtype), rdataset.ttl, [rdata for rdata in rdatas if rdata is not None])
            nodes.setdefault(names.fold(owner.to_wire() or b""), {})[rrset.rtype] = rrset
    return Zone.build(names.fold(read.origin.to_wire() or b""), nodes)
