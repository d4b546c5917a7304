# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading and the model: RRsets, signatures, NSEC3s, cuts, and what no zone may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import WireError, ZoneError
from appliance.zone import names, rdata, types
from appliance.zone.check import check_zone
from appliance.zone.load import load_zone
from appliance.zone.model import RRset, Zone

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("example.")
APEX = "@ 3600 SOA ns.other. host.other. 7 7200 900 90000 300\n@ 3600 NS ns.other.\n@ 3600 NS ns2.other.\n"


def at(text: str) -> bytes:
    return names.from_text(text, ORIGIN)


def load(folder: Path, text: str, origin: bytes = ORIGIN) -> Zone:
    path = folder / "zone"
    path.write_text(APEX + text, "ascii")
    return load_zone(path, origin)


def found(folder: Path, text: str) -> list[tuple[int, str, str]]:
    path = folder / "zone"
    path.write_text(APEX + text, "ascii")
    return [(finding.line, finding.severity, finding.reason) for finding in check_zone(path, ORIGIN)]


def test_a_zone_knows_its_soa(tmp_path: Path) -> None:
    zone = load(tmp_path, "", names.from_text("EXAMPLE."))
    assert (zone.origin, zone.serial, zone.negative_ttl, zone.scheme) == (ORIGIN, 7, 300, "unsigned")
    assert zone.soa.ttl == 3600


def test_owners_are_folded_and_rdata_is_not(tmp_path: Path) -> None:
    zone = load(tmp_path, "WWW 60 MX 1 Mail.EXAMPLE.\n")
    assert zone.rrset(at("www"), types.MX) == RRset(types.MX, 60, [b"\x00\x01\x04Mail\x07EXAMPLE\x00"])
    assert zone.rrset(at("WWW"), types.MX) is None


def test_duplicates_go_and_the_first_stays(tmp_path: Path) -> None:
    text = "a 60 MX 1 Mail\nA 60 MX 1 mAIL\na 60 TXT x\na 60 TXT X\na 60 MX 2 mail\n"
    zone = load(tmp_path, text)
    assert zone.nodes[at("a")] == {
        types.MX: RRset(types.MX, 60, [b"\x00\x01" + at("Mail"), b"\x00\x02" + at("mail")]),
        types.TXT: RRset(types.TXT, 60, [b"\x01x", b"\x01X"]),
    }
    assert found(tmp_path, text) == [(5, "warning", "A.example. MX: the same record again, left out")]


def test_the_lowest_ttl_of_an_rrset_counts(tmp_path: Path) -> None:
    text = "a 60 TXT x\na 30 TXT y\na 90 TXT z\na 5 TXT x\nb 70 TXT x\n"
    zone = load(tmp_path, text)
    rrset = zone.rrset(at("a"), types.TXT)
    assert rrset is not None
    assert (rrset.ttl, len(rrset.rdatas)) == (5, 3)
    assert [line for line, severity, reason in found(tmp_path, text) if "TTLs differ" in reason] == [5]


def test_rrsigs_stand_apart_by_the_type_they_cover(tmp_path: Path) -> None:
    signature = "8 2 60 20300101000000 20200101000000 1 example. AAAA"
    text = f"a 60 A 192.0.2.1\na 60 RRSIG A {signature}\na 50 RRSIG TXT {signature}\na 60 RRSIG A {signature}\n"
    zone = load(tmp_path, text)
    assert set(zone.nodes[at("a")]) == {types.A}
    signatures = zone.signatures[at("a")]
    assert {covered: (rrset.rtype, rrset.ttl, len(rrset.rdatas)) for covered, rrset in signatures.items()} == {
        types.A: (types.RRSIG, 60, 1),
        types.TXT: (types.RRSIG, 50, 1),
    }


def test_nsec3_owners_are_no_names(tmp_path: Path) -> None:
    owner = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"
    text = f"@ 0 NSEC3PARAM 1 0 0 -\n{owner} 60 NSEC3 1 1 0 - {owner} NS SOA NSEC3PARAM\n"
    zone = load(tmp_path, text)
    assert zone.scheme == "nsec3"
    assert list(zone.nsec3) == [at(owner)]
    assert not zone.exists(at(owner))
    assert zone.children == {}
    assert at(owner) in {name for name, _ in zone.rrsets()}


def test_an_nsec_at_the_apex_makes_the_scheme(tmp_path: Path) -> None:
    assert load(tmp_path, "@ 60 NSEC a.example. NS SOA\n").scheme == "nsec"


def test_cnames_may_have_an_nsec_beside_them(tmp_path: Path) -> None:
    assert set(load(tmp_path, "a 60 CNAME b\na 60 NSEC b.example. CNAME NSEC\n").nodes[at("a")]) == {5, 47}


def test_cuts_hide_what_lies_below(tmp_path: Path) -> None:
    text = "sub 60 NS ns.sub\nns.sub 60 A 192.0.2.1\nx.y.sub 60 NS ns\nd 60 DNAME e\nd 60 NS ns\nq.d 60 A 192.0.2.1\n"
    zone = load(tmp_path, text.replace("d 60 NS ns\n", ""))
    assert zone.delegations == {at("sub")}
    assert zone.dnames == {at("d")}
    assert zone.occluded() == {at("ns.sub"), at("x.y.sub"), at("q.d")}
    assert zone.ents == set()
    assert zone.cut_for(at("sub")) == zone.cut_for(at("x.y.z.sub")) == at("sub")
    assert zone.cut_for(at("other")) is None
    assert zone.dname_for(at("a.q.d")) == at("d")
    assert zone.dname_for(at("d")) is None
    assert [zone.is_authoritative(at(name)) for name in ("@", "sub", "ns.sub", "d", "q.d", "none")] == [
        *(True, False, False),
        *(True, False, True),
    ]
    assert not zone.is_authoritative(names.from_text("other."))
    assert [rrset.rtype for rrset in zone.addresses(at("ns.sub"))] == [types.A]


def test_a_dname_at_the_apex_hides_all_else(tmp_path: Path) -> None:
    zone = load(tmp_path, "@ 60 DNAME other.\na 60 A 192.0.2.1\nsub 60 NS ns.other.\n")
    assert zone.dnames == {ORIGIN}
    assert zone.delegations == set()
    assert zone.occluded() == {at("a"), at("sub")}


def test_a_refusal_names_zone_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ZoneError) as caught:
        load(tmp_path, "a 60 CNAME b\na 60 CNAME c\nb 60 CNAME a\nb 60 A 192.0.2.1\n")
    path = tmp_path / "zone"
    assert str(caught.value) == (
        f"zone example. cannot be loaded: {path}:4: error: a.example. has several CNAME records: keep one"
        " (and 1 more error)"
    )
    assert [finding.line for finding in caught.value.findings] == [4, 6]


def test_a_missing_file_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(ZoneError, match="No such file"):
        load_zone(tmp_path / "zone", ORIGIN)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a 60 NS a\n", 4, "no glue"),
        ("@ 60 NS ns3\n", 2, "has no address in this zone"),
        ("@ 60 NS ns3\nns3 60 CNAME b.other.\n", 2, "the target is an alias"),
        ("a 60 MX 1 b\nb 60 CNAME c.other.\n", 4, "the target is an alias"),
        ("a 60 SRV 1 1 1 b\nb 60 CNAME c.other.\n", 4, "the target is an alias"),
        ("a 60 MX 1 192.0.2.1\n", 4, "a name is needed here, not an address"),
        ("a 60 NS 192.0.2.1.\na 60 NS ns.other.\n", 4, "a name is needed here, not an address"),
        ("a 60 MX 1 b.example\n", 4, "is a final dot missing"),
        ("a.example 60 A 192.0.2.1\n", 4, "is a final dot missing"),
        ("a 60 CNAME b\nb 60 CNAME c.other.\n", 4, "the target is an alias itself"),
        ("a 60 CNAME b\nb 60 CNAME a\n", 5, "the chain is a loop"),
        ("a 60 CNAME none\n", 4, "the target does not exist"),
        ("a 0 A 192.0.2.1\n", 4, "TTL 0 is never cached"),
        ("a 604801 A 192.0.2.1\n", 4, "is more than a week"),
        ("a 60 DS 1 13 2 " + "ab" * 32 + "\n", 4, "where there is no NS"),
        ("@ 60 DS 1 13 2 " + "ab" * 32 + "\n", 4, "belongs into the parent zone"),
        ("*.a 60 NS ns.other.\n", 4, "NS at wildcard *.a.example. has no defined meaning"),
        ("*.a 60 DNAME b.other.\n", 4, "DNAME at wildcard *.a.example. has no defined meaning"),
        ("a 60 NS ns.other.\nb.a 60 TXT x\n", 5, "is occluded by the cut at a.example."),
        ("a 60 NS ns.other.\na 60 TXT x\n", 5, "is occluded by the cut at a.example."),
        ("a 60 NS ns.other.\nb.a 60 A 192.0.2.1\n", 5, "is occluded by the cut at a.example."),
        ("a 60 DNAME b.other.\nc.a 60 A 192.0.2.1\n", 5, "is occluded by a DNAME"),
        ("a 60 NS ns.other.\n", 4, "only one name server"),
        ("@ 60 DNSKEY 257 3 13 AAAA\n", 4, "the zone is not signed"),
    ],
)
def test_doubts_are_warnings(tmp_path: Path, text: str, line: int, reason: str) -> None:
    assert any(
        where == line and reason in why for where, severity, why in found(tmp_path, text) if severity == "warning"
    )
    load(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "a 60 NS ns.a\na 60 NS ns.b\nns.a 60 A 192.0.2.1\nb 60 NS ns.a\nb 60 NS ns.b\nns.b 60 A 192.0.2.2\n",
        "@ 60 NS x.w\n*.w 60 A 192.0.2.1\n",
        "a 60 CNAME x.w\n*.w 60 A 192.0.2.1\n",
        "a 60 CNAME x.sub\nsub 60 NS ns1.other.\nsub 60 NS ns2.other.\n",
        "a 60 CNAME ent\nx.ent 60 A 192.0.2.1\n",
        "@ 60 NS ns.sub\nsub 60 NS a.other.\nsub 60 NS b.other.\nns.sub 60 A 192.0.2.1\n",
    ],
)
def test_what_is_right_is_not_doubted(tmp_path: Path, text: str) -> None:
    assert [doubt for doubt in found(tmp_path, text) if "TTLs differ" not in doubt[2]] == []


def test_there_is_an_end_to_findings(tmp_path: Path) -> None:
    findings = found(tmp_path, "".join(f"a{number} 0 A 192.0.2.1\n" for number in range(1500)))
    assert len(findings) == 1001
    assert findings[-1] == (0, "warning", "500 more findings are not shown")


def test_rdata_names_are_found_and_folded() -> None:
    soa = at("A") + at("B") + bytes(20)
    assert rdata.names_in(types.SOA, soa) == [at("A"), at("B")]
    assert rdata.fold(types.SOA, soa) == at("a") + at("b") + bytes(20)
    assert rdata.names_in(types.TXT, b"\x01a") == []
    assert rdata.fold(types.MINFO, at("A") + at("B")) == at("a") + at("b")
    assert rdata.fold(types.NSEC, at("A") + b"\x00\x01\x40") == at("A") + b"\x00\x01\x40"
    assert rdata.bitmap_types(b"\x00\x01\x60\x04\x02\x00\x80") == {1, 2, 1032}


@pytest.mark.parametrize(
    ("rtype", "octets"),
    [
        (types.A, b"abc"),
        (types.A, b"abcde"),
        (types.AAAA, bytes(15)),
        (types.MX, b"\x00"),
        (types.MX, b"\x00\x01\x01a"),
        (types.NS, b"\x01a\x00\x00"),
        (types.SOA, b"\x00\x00" + bytes(19)),
        (types.TXT, b""),
        (types.TXT, b"\x02a"),
        (types.HINFO, b"\x01a"),
        (types.NAPTR, bytes(7)),
        (types.NSEC, b"\x00\x00\x00"),
        (types.NSEC, b"\x00\x01\x01\x80\x01\x01\x80"),
        (types.NSEC, b"\x00\x00\x21" + bytes(33)),
        (types.NSEC, b"\x00\x00\x04\x80"),
        (types.CAA, b"\x00\x05ab"),
        (types.DNAME, b"\xc0\x0c"),
    ],
)
def test_malformed_rdata_is_refused(rtype: int, octets: bytes) -> None:
    with pytest.raises(WireError):
        rdata.check(rtype, octets)
