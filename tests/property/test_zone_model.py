# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones drawn at random: the model agrees with what dnspython reads and with the oracle's literal definitions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import dns.name
import dns.rcode
import dns.rdatatype as rt
import pytest
from dns.name import Name
from hypothesis import given
from hypothesis import strategies as st

from appliance.zone import names
from appliance.zone.check import check_zone
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from tests.reference import strategies
from tests.reference.compare import model_records, reference_records
from tests.reference.resolver import answer
from tests.reference.signing import Scheme, signed_text
from tests.reference.zone import ReferenceZone

pytestmark = pytest.mark.property

ORIGIN = names.from_text("example.")


def load(text: str, origin: bytes = ORIGIN) -> Zone:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "zone")
        path.write_text(text, "ascii")
        assert not [finding for finding in check_zone(path, origin) if finding.severity == "error"]
        return load_zone(path, origin)


@strategies.deterministic
@given(strategies.zone_texts())
def test_records_are_those_that_dnspython_reads(text: str) -> None:
    assert model_records(load(text)) == reference_records(ReferenceZone.from_text(text, "example."))


def hidden_by(zone: ReferenceZone, name: Name) -> bool:
    """Literal definition of occlusion: some name strictly above, inside the zone, has NS or DNAME."""
    above = [Name(name.labels[count:]) for count in range(1, len(name) - len(zone.origin) + 1)]
    return any(
        zone.get(ancestor, rt.DNAME) is not None or (ancestor != zone.origin and zone.get(ancestor, rt.NS) is not None)
        for ancestor in above
    )


@strategies.deterministic
@given(strategies.zone_texts())
def test_cuts_and_ents_are_those_of_the_definitions(text: str) -> None:
    zone, reference = load(text), ReferenceZone.from_text(text, "example.")
    visible = [name for name in reference.rrsets if not hidden_by(reference, name)]
    cuts = {name for name in visible if name != reference.origin and reference.get(name, rt.NS) is not None}
    dnames = {name for name in visible if reference.get(name, rt.DNAME) is not None} - cuts
    between = {Name(name.labels[count:]) for name in visible for count in range(len(name) - len(reference.origin) + 1)}
    assert zone.delegations == {name.to_digestable() for name in cuts}
    assert zone.dnames == {name.to_digestable() for name in dnames}
    assert zone.ents == {name.to_digestable() for name in between if name not in reference.rrsets}
    assert zone.occluded() == {name.to_digestable() for name in reference.rrsets if hidden_by(reference, name)}
    for name in reference.rrsets:
        wire = name.to_digestable()
        assert zone.is_authoritative(wire) == (name in visible and name not in cuts)
        assert zone.exists(wire) == (name in visible)


@strategies.deterministic
@given(strategies.zone_texts())
def test_children_make_up_the_name_space_in_canonical_order(text: str) -> None:
    zone = load(text)
    walked = []
    todo = [zone.origin]
    while todo:
        name = todo.pop()
        walked.append(name)
        todo.extend(reversed(zone.children.get(name, [])))
    existing = {name for name in (*zone.nodes, *zone.ents) if zone.exists(name)}
    assert walked == sorted(existing, key=names.canonical_key)


@strategies.deterministic
@given(strategies.zone_texts(dns.name.root))
def test_the_root_zone_is_a_zone_like_any_other(text: str) -> None:
    zone = load(text, names.ROOT)
    assert model_records(zone) == reference_records(ReferenceZone.from_text(text, "."))
    assert names.ROOT in zone.nodes


@strategies.deterministic
@given(strategies.zone_texts(), st.sampled_from(("nsec", "nsec3", "opt-out")), st.data())
def test_signed_zones_load_and_every_denial_has_its_proof(text: str, scheme: Scheme, data: st.DataObject) -> None:
    signed = signed_text(text, strategies.EXAMPLE, scheme)
    zone, reference = load(signed), ReferenceZone.from_text(signed, "example.")
    assert model_records(zone) == reference_records(reference)
    assert zone.scheme == ("nsec" if scheme == "nsec" else "nsec3")
    assert set(zone.delegations) == set(load(text).delegations)
    for _ in range(5):
        qname, qtype = data.draw(strategies.questions([reference]))
        plain, secure = (answer([reference], qname, qtype, do) for do in (False, True))
        assert (plain.rcode, plain.aa) == (secure.rcode, secure.aa)
        assert plain.answer <= secure.answer
        assert plain.authority <= secure.authority
        proofs = {record for record in secure.authority if record[1] in (rt.NSEC, rt.NSEC3)}
        denied = plain.rcode == dns.rcode.NXDOMAIN or (plain.aa and plain.authority)
        assert not denied or proofs
        assert {record[0] for record in proofs} <= {record[0] for record in secure.authority if record[1] == rt.RRSIG}


@strategies.deterministic
@given(strategies.zone_sets())
def test_sets_of_zones_are_all_valid(zones: list[tuple[Name, str]]) -> None:
    for origin, text in zones:
        zone = load(text, origin.to_digestable())
        assert model_records(zone) == reference_records(ReferenceZone.from_text(text, origin))


@strategies.deterministic
@given(strategies.zone_texts())
def test_a_zone_taken_from_the_model_is_the_same_reference(text: str) -> None:
    direct, taken = ReferenceZone.from_text(text, "example."), ReferenceZone.from_model(load(text))
    assert reference_records(direct) == reference_records(taken)
    for name in direct.rrsets:
        wire = name.to_digestable()
        assert answer([direct], wire, rt.TXT, False) == answer([taken], wire, rt.TXT, False)
