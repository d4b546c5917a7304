# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones drawn at random and signed: their chains are right as they are, and wrong with any record of them changed."""

from __future__ import annotations

from collections.abc import Sequence

import dns.zone
import pytest
from dns.zonetypes import DigestHashAlgorithm
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Finding
from appliance.zone import names, nsec3, rdata, types
from appliance.zone.checks.dnssec import check
from appliance.zone.checks.findings import Findings
from appliance.zone.checks.zonemd import digests
from appliance.zone.master.records import Records
from appliance.zone.model import RRset, RRsets, Zone
from tests.property.test_zone_model import load
from tests.reference import strategies
from tests.reference.signing import Scheme, signed_text

pytestmark = pytest.mark.property

SCHEMES: Sequence[Scheme] = ("nsec", "nsec3", "opt-out")
CHAIN = ("nsec-chain", "nsec3-chain", "nsec3-parameters", "nsec3-opt-out", "type-bitmap")
NOW = 1_800_000_000


def signed(text: str, scheme: Scheme) -> Zone:
    return load(signed_text(text, strategies.EXAMPLE, scheme))


def chain_findings(zone: Zone) -> list[Finding]:
    findings = Findings(Records(memoryview(b""), 0, [], []))
    check(zone, findings, now=NOW)
    return [one for one in findings.finish() if one.reason.endswith(tuple(f"[{kind}]" for kind in CHAIN))]


@strategies.deterministic
@given(strategies.zone_texts(), st.sampled_from(SCHEMES))
def test_a_signed_zone_has_no_finding_about_its_chain(text: str, scheme: Scheme) -> None:
    zone = signed(text, scheme)
    assert chain_findings(zone) == []
    assert zone.dnssec is not None
    assert zone.dnssec.missing == 0
    assert zone.dnssec.iterations == (0 if scheme == "nsec" else 1)


def changed(zone: Zone, owner: bytes, rrset: RRset | None) -> Zone:
    """Return a copy with the NSEC or NSEC3 of an owner replaced or taken away."""
    nodes: dict[bytes, RRsets] = {name: dict(rrsets) for name, rrsets in zone.nodes.items()}
    hashed = dict(zone.nsec3)
    if owner in hashed:
        if rrset is None:
            del hashed[owner]
        else:
            hashed[owner] = rrset
    elif rrset is None:
        del nodes[owner][types.NSEC]
    else:
        nodes[owner][types.NSEC] = rrset
    return Zone.build(zone.origin, nodes, zone.signatures, hashed)


def altered(old: RRset, flip: int, where: str) -> RRset:
    """Return an NSEC or NSEC3 RRset whose one record differs in one field."""
    value = old.rdatas[0]
    if where == "twice":
        other = altered(old, flip, "bitmap").rdatas[0]
        return RRset(old.rtype, old.ttl, [value, other])
    if old.rtype == types.NSEC:
        _, end = names.read(value)
        if where == "next":  # a name that no zone drawn here has
            return RRset(old.rtype, old.ttl, [names.from_text(f"z{flip}.example.") + value[end:]])
    else:
        fields = nsec3.read(value)
        end = len(value) - len(fields.bitmap)
        if where == "next":
            at = end - 1 - flip % nsec3.DIGEST_OCTETS
            return RRset(old.rtype, old.ttl, [value[:at] + bytes((value[at] ^ (1 << flip % 8),)) + value[at + 1 :]])
        if where == "parameters":
            at = (0, 2, 3, 5)[flip % 4]
            return RRset(old.rtype, old.ttl, [value[:at] + bytes((value[at] ^ 4,)) + value[at + 1 :]])
    listed = rdata.bitmap_types(value[end:]) ^ {(1, 16, 43, 46, 1234)[flip % 5]}
    return RRset(old.rtype, old.ttl, [value[:end] + rdata.bitmap(listed)])


@strategies.deterministic
@given(strategies.zone_texts(), st.sampled_from(SCHEMES), st.data())
def test_no_record_of_a_chain_can_be_taken_away_or_changed(text: str, scheme: Scheme, data: st.DataObject) -> None:
    zone = signed(text, scheme)
    chain = zone.nsec3 or {owner: found[types.NSEC] for owner, found in zone.nodes.items() if types.NSEC in found}
    owner = data.draw(st.sampled_from(sorted(chain)))
    assert chain_findings(changed(zone, owner, None))
    ways = ("next", "bitmap", "twice") if scheme == "nsec" else ("next", "bitmap", "twice", "parameters")
    new = altered(chain[owner], data.draw(st.integers(0, 1000)), data.draw(st.sampled_from(ways)))
    assert new.rdatas != chain[owner].rdatas
    broken = changed(zone, owner, new)
    assert chain_findings(broken), names.to_text(owner)


@strategies.deterministic
@given(strategies.zone_texts(), st.sampled_from(SCHEMES))
def test_digests_are_those_of_dnspython(text: str, scheme: Scheme) -> None:
    content = signed_text(text, strategies.EXAMPLE, scheme)
    zone = load(content)
    reference = dns.zone.from_text(content, strategies.EXAMPLE, relativize=False)
    found = digests(zone, (1, 2))
    assert found[1] == reference.compute_digest(DigestHashAlgorithm.SHA384).digest
    assert found[2] == reference.compute_digest(DigestHashAlgorithm.SHA512).digest
