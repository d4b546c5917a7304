# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle is held against the examples that the RFCs themselves work out."""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdatatype as rt
import pytest

from tests.reference.data import FOLDER, example_zones
from tests.reference.resolver import Expected, answer
from tests.reference.signing import signed_text
from tests.reference.strategies import EXAMPLE
from tests.reference.zone import ReferenceZone, hash_label, label_hash, nsec3_hash

pytestmark = pytest.mark.unit


def zone(name: str, origin: str) -> ReferenceZone:
    return ReferenceZone.from_file(FOLDER / f"{name}.zone", origin)


def ask(zones: list[ReferenceZone], qname: str, qtype: str, do: bool = False) -> Expected:
    return answer(zones, dns.name.from_text(qname).to_digestable(), rt.from_text(qtype), do)


def owners(records: set[tuple[bytes, int, int, bytes]], rtype: int) -> list[str]:
    return sorted(str(dns.name.from_wire(record[0], 0)[0]) for record in records if record[1] == rtype)


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode", "count"),
    [
        # RFC 4592 §2.2.1: synthesised, and not
        ("host3.example.", "MX", dns.rcode.NOERROR, 1),
        ("host3.example.", "A", dns.rcode.NOERROR, 0),
        ("foo.bar.example.", "TXT", dns.rcode.NOERROR, 1),
        ("host1.example.", "MX", dns.rcode.NOERROR, 0),
        ("sub.*.example.", "MX", dns.rcode.NOERROR, 0),
        ("_telnet._tcp.host1.example.", "SRV", dns.rcode.NXDOMAIN, 0),
        ("ghost.*.example.", "MX", dns.rcode.NXDOMAIN, 0),
        # and beyond
        ("x.a.example.", "A", dns.rcode.NOERROR, 1),
        ("b.a.example.", "A", dns.rcode.NOERROR, 0),
        ("y.x.b.a.example.", "A", dns.rcode.NXDOMAIN, 0),
        ("y.z.b.a.example.", "A", dns.rcode.NOERROR, 1),
        ("any.empty.example.", "A", dns.rcode.NOERROR, 0),
        ("x.any.empty.example.", "A", dns.rcode.NOERROR, 0),
        ("q.star.example.", "A", dns.rcode.NOERROR, 1),
        ("q.alias.example.", "A", dns.rcode.NOERROR, 2),
        ("q.loop.example.", "A", dns.rcode.NOERROR, 2),
        ("q.hop.example.", "A", dns.rcode.NOERROR, 3),
    ],
)
def test_wildcards(qname: str, qtype: str, rcode: int, count: int) -> None:
    expected = ask([zone("wildcards", "example.")], qname, qtype)
    assert (expected.rcode, expected.aa, len(expected.answer)) == (rcode, True, count)
    assert bool(expected.authority) == (count == 0)


def test_a_referral_below_a_cut_beats_the_wildcard() -> None:
    expected = ask([zone("wildcards", "example.")], "host.subdel.example.", "A")
    assert (expected.rcode, expected.aa, expected.answer) == (dns.rcode.NOERROR, False, set())
    assert owners(expected.authority, rt.NS) == ["subdel.example."] * 2


@pytest.mark.parametrize(
    ("qname", "links", "last", "rcode", "authority"),
    [
        ("c5", 15, rt.A, dns.rcode.NOERROR, False),
        ("c4", 16, rt.A, dns.rcode.NOERROR, False),
        ("c3", 16, rt.CNAME, dns.rcode.NOERROR, False),
        ("self", 1, rt.CNAME, dns.rcode.NOERROR, False),
        ("two-a", 2, rt.CNAME, dns.rcode.NOERROR, False),
        ("three-b", 3, rt.CNAME, dns.rcode.NOERROR, False),
        ("tail", 4, rt.CNAME, dns.rcode.NOERROR, False),
        ("to-nowhere", 1, rt.CNAME, dns.rcode.NXDOMAIN, True),
        ("to-outside", 1, rt.CNAME, dns.rcode.NOERROR, False),
        ("to-root", 1, rt.CNAME, dns.rcode.NOERROR, False),
        ("to-apex", 1, rt.CNAME, dns.rcode.NOERROR, True),
        ("to-wildcard", 1, rt.A, dns.rcode.NOERROR, False),
        ("to-dname", 2, rt.A, dns.rcode.NOERROR, False),
        ("to-below-cut", 1, rt.CNAME, dns.rcode.NOERROR, False),
    ],
)
def test_chains(qname: str, links: int, last: int, rcode: int, authority: bool) -> None:
    expected = ask([zone("cname", "cname.example.")], f"{qname}.cname.example.", "A")
    assert (expected.rcode, expected.aa, bool(expected.authority)) == (rcode, True, authority)
    assert len(owners(expected.answer, rt.CNAME)) == links
    assert bool(owners(expected.answer, rt.A)) == (last == rt.A)
    assert bool(expected.authority_optional) == (qname == "to-below-cut")


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode", "types"),
    [
        ("www.plain", "A", dns.rcode.NOERROR, [rt.A, rt.CNAME, rt.DNAME]),
        ("plain", "A", dns.rcode.NOERROR, [rt.A]),
        ("plain", "DNAME", dns.rcode.NOERROR, [rt.DNAME]),
        ("hidden.plain", "A", dns.rcode.NOERROR, [rt.CNAME, rt.DNAME]),
        ("a.b.plain", "TXT", dns.rcode.NOERROR, [rt.CNAME, rt.TXT, rt.DNAME]),
        ("www.plain", "CNAME", dns.rcode.NOERROR, [rt.CNAME, rt.DNAME]),
        ("www.out", "A", dns.rcode.NOERROR, [rt.CNAME, rt.DNAME]),
        ("long-enough-to-be-too-long-then.long", "A", dns.rcode.YXDOMAIN, [rt.DNAME]),
        ("www.twice", "A", dns.rcode.NOERROR, [rt.A, rt.CNAME, rt.CNAME, rt.DNAME, rt.DNAME]),
        ("x.ping", "A", dns.rcode.NOERROR, [rt.CNAME, rt.CNAME, rt.DNAME, rt.DNAME]),
    ],
)
def test_dnames(qname: str, qtype: str, rcode: int, types: list[int]) -> None:
    expected = ask([zone("dname", "dname.example.")], f"{qname}.dname.example.", qtype)
    assert (expected.rcode, expected.aa) == (rcode, True)
    assert sorted(record[1] for record in expected.answer) == types


def test_a_synthesised_cname_has_the_ttl_of_the_dname() -> None:
    expected = ask([zone("dname", "dname.example.")], "www.out.dname.example.", "A")
    assert {record[2] for record in expected.answer} == {3600}


def test_glue_is_required_where_the_server_is_in_the_child() -> None:
    cuts = [zone("delegations", "cuts.example.")]
    expected = ask(cuts, "x.in-domain.cuts.example.", "A")
    assert owners(expected.additional_required, rt.A) == ["ns1.in-domain.cuts.example.", "ns2.in-domain.cuts.example."]
    assert expected.additional_optional == set()
    sibling = ask(cuts, "sibling.cuts.example.", "A")
    assert sibling.additional_required == set()
    assert len(sibling.additional_optional) == 3
    assert owners(ask(cuts, "x.inner.outer.cuts.example.", "A").authority, rt.NS) == ["outer.cuts.example."]
    assert len(ask(cuts, "signed.cuts.example.", "DS").answer) == 2
    assert ask(cuts, "own.cuts.example.", "DS").aa
    assert not ask(cuts, "x.own.cuts.example.", "DS").aa


def test_zones_side_by_side() -> None:
    zones = [ReferenceZone.from_file(data.path, dns.name.from_wire(data.origin, 0)[0]) for data in example_zones()]
    child = [known for known in zones if len(known.origin) > 1]
    assert ask(zones, "www.example.org.", "A").aa
    assert not ask(zones, "www.other.org.", "A").aa
    assert owners(ask(zones, "example.org.", "DS").authority, rt.NS) == ["org.", "org."]
    assert owners(ask(child, "example.org.", "DS").authority, rt.SOA) == ["example.org."]
    assert ask(child, "org.", "A").rcode == dns.rcode.REFUSED
    assert not ask(child, "org.", "A").aa


def test_minimal_any_is_one_rrset() -> None:
    expected = ask([zone("wildcards", "example.")], "q.example.", "ANY")
    assert [sorted(record[1] for record in choice) for choice in expected.choices] == [[rt.TXT], [rt.MX]]
    assert expected.differences(0, True, expected.choices[0], set(), set()) == []
    assert expected.differences(0, True, expected.choices[0] | expected.choices[1], set(), set()) != []
    assert expected.differences(0, True, set(), set(), set()) != []


def test_differences_are_noticed_in_every_section() -> None:
    expected = ask([zone("delegations", "cuts.example.")], "x.in-domain.cuts.example.", "A")
    right = (expected.rcode, expected.aa, expected.answer, expected.authority, expected.additional_required)
    stray = {(b"\x00", 1, 1, b"\x01\x02\x03\x04")}
    assert expected.differences(*right) == []
    assert len(expected.differences(3, True, stray, set(), stray)) == 6


# RFC 5155 appendix A: the hashes of the example zone.
@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("example", b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
        ("a.example", b"35mthgpgcu1qg68fab165klnsnk3dpvl"),
        ("ai.example", b"gjeqe526plbf1g8mklp59enfd789njgi"),
        ("ns1.example", b"2t7b4g4vsa5smi47k61mv5bv1a22bojr"),
        ("x.y.w.example", b"2vptu5timamqttgl4luu9kg21e0aor3s"),
        ("*.w.example", b"r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
        ("XX.example", b"t644ebqk9bibcna874givr6joj62mlhv"),
    ],
)
def test_nsec3_hashes(name: str, label: bytes) -> None:
    digest = nsec3_hash(dns.name.from_text(name), bytes.fromhex("aabbccdd"), 12)
    assert hash_label(digest) == label
    assert label_hash(label) == digest


# A zone with the shape of the example in RFC 4035 appendix A, whose answers are in its appendix B.
SHAPE = """
example. 3600 SOA ns1.example. bugs.x.w.example. 1081539377 3600 300 3600000 3600
example. 3600 NS ns1.example.
example. 3600 MX 1 xx.example.
a.example. 3600 NS ns1.a.example.
a.example. 3600 DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B
ns1.a.example. 3600 A 192.0.2.5
ai.example. 3600 A 192.0.2.9
b.example. 3600 NS ns1.b.example.
ns1.b.example. 3600 A 192.0.2.7
ns1.example. 3600 A 192.0.2.1
*.w.example. 3600 MX 1 ai.example.
x.w.example. 3600 MX 1 xx.example.
x.y.w.example. 3600 MX 1 xx.example.
xx.example. 3600 A 192.0.2.10
"""


@pytest.mark.parametrize(
    ("qname", "qtype", "nsec"),
    [
        ("ml.example.", "A", ["b.example.", "example."]),  # B.2
        ("ns1.example.", "MX", ["ns1.example."]),  # B.3
        ("mc.a.example.", "MX", []),  # B.4: a DS
        ("mc.b.example.", "MX", ["b.example."]),  # B.5
        ("a.z.w.example.", "MX", ["x.y.w.example."]),  # B.6
        ("a.z.w.example.", "AAAA", ["*.w.example.", "x.y.w.example."]),  # B.7
        ("example.", "DS", ["example."]),  # B.8
        ("y.w.example.", "MX", ["x.w.example."]),  # an ENT
    ],
)
def test_nsec_proofs_are_those_of_rfc_4035(qname: str, qtype: str, nsec: list[str]) -> None:
    signed = ReferenceZone.from_text(signed_text(SHAPE, EXAMPLE, "nsec"), EXAMPLE)
    expected = ask([signed], qname, qtype, do=True)
    assert owners(expected.authority, rt.NSEC) == nsec
    assert bool(owners(expected.authority, rt.DS)) == (qname == "mc.a.example.")
    assert owners(ask([signed], qname, qtype).authority, rt.NSEC) == []


@pytest.mark.parametrize(
    ("qname", "qtype", "count"),
    [
        ("a.c.x.w.example.", "A", 3),  # RFC 5155 B.1 (there, two of the three are one)
        ("ns1.example.", "MX", 1),  # B.2
        ("y.w.example.", "A", 1),  # B.2.1: an ENT
        ("mc.b.example.", "MX", 1),  # B.3
        ("a.z.w.example.", "MX", 1),  # B.4
        ("a.z.w.example.", "AAAA", 3),  # B.5
        ("example.", "DS", 1),  # B.6
    ],
)
def test_nsec3_proofs_have_the_parts_of_rfc_5155(qname: str, qtype: str, count: int) -> None:
    signed = ReferenceZone.from_text(signed_text(SHAPE, EXAMPLE, "nsec3"), EXAMPLE)
    proof = owners(ask([signed], qname, qtype, do=True).authority, rt.NSEC3)
    assert 1 <= len(proof) <= count
    assert proof == sorted(set(proof))
    assert count > 1 or len(proof) == 1


def test_an_opt_out_span_proves_the_encloser_of_an_unsigned_cut() -> None:
    signed = ReferenceZone.from_text(signed_text(SHAPE, EXAMPLE, "opt-out"), EXAMPLE)
    proof = owners(ask([signed], "mc.b.example.", "MX", do=True).authority, rt.NSEC3)
    apex = hash_label(nsec3_hash(EXAMPLE, *signed.nsec3_parameters or (b"", 0))).decode() + ".example."
    assert apex in proof
    assert len(proof) <= 2


def test_the_owner_of_an_nsec3_does_not_exist() -> None:
    signed = ReferenceZone.from_text(signed_text(SHAPE, EXAMPLE, "nsec3"), EXAMPLE)
    assert ask([signed], str(next(iter(signed.nsec3))), "NSEC3").rcode == dns.rcode.NXDOMAIN
