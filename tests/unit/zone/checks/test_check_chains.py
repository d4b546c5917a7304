# SPDX-License-Identifier: GPL-3.0-or-later
"""NSEC and NSEC3 chains: what dnssec-signzone makes is right, and each way to break it is found and told apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.config.load import load_config
from appliance.zone import names, nsec3
from appliance.zone.checks.nsec3param import NIC_ITERATIONS, NIC_SALT_OCTETS
from appliance.zone.load import load_zone
from tests.unit.zone.checks.signed_zones import FOLDER, edited, examine, text, without

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[4]
NSEC, NSEC3, OPT_OUT = "nsec", "nsec3", "optout"


def hash_of(zone: str, name: str) -> str:
    """Return the first label, as the file has it, of the NSEC3 of a name."""
    _, iterations, salt = (1, 2, b"\xaa\xbb") if zone == NSEC3 else (1, 0, b"")
    return nsec3.text(
        nsec3.digest(names.from_text(name, names.from_text(f"{zone}.example.")), iterations, salt)
    ).upper()


def test_hashes_are_those_of_rfc_5155_appendix_a() -> None:
    salt = bytes.fromhex("aabbccdd")
    assert nsec3.text(nsec3.digest(names.from_text("example."), 12, salt)) == "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"
    wildcard = names.from_text("*.w.example.")
    assert nsec3.text(nsec3.digest(wildcard, 12, salt)) == "r53bq7cc2uvmubfu5ocmm6pers9tk9en"


@pytest.mark.parametrize(
    ("zone", "scheme", "iterations", "salt", "classes"),
    [
        (NSEC, "nsec", 0, 0, set()),
        (NSEC3, "nsec3", 2, 2, {("warning", "nsec3-iterations")}),
        (OPT_OUT, "nsec3", 0, 0, set()),
    ],
)
def test_signed_zones_are_in_order(
    tmp_path: Path, zone: str, scheme: str, iterations: int, salt: int, classes: set[tuple[str, str]]
) -> None:
    found = examine(tmp_path, zone, text(zone))
    assert found.classes == classes
    summary = found.summary
    assert summary is not None
    assert (summary.scheme, summary.iterations, summary.salt_length) == (scheme, iterations, salt)
    assert summary.signatures == text(zone).count("RRSIG\t")
    assert (summary.missing, summary.expired, summary.not_yet_valid) == (0, 0, 0)
    assert summary.earliest_expiration == 2114380800  # 2037-01-01
    assert not summary.proofs_from_userspace
    loaded = load_zone(FOLDER / f"{zone}.zone", names.from_text(f"{zone}.example."))
    assert loaded.dnssec is not None
    assert loaded.dnssec.scheme == scheme


def test_an_unsigned_zone_has_no_summary(tmp_path: Path) -> None:
    unsigned = "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a.other.\n"
    assert examine(tmp_path, "x", unsigned).summary is None


@pytest.mark.parametrize(
    ("parts", "old", "new", "kind", "reason"),
    [
        (("mail.nsec.example.", "IN NSEC"), "", None, "nsec-chain", "mail.nsec.example. has no NSEC"),
        (("insecure.deep", "IN NSEC"), "", None, "nsec-chain", "insecure.deep.nsec.example. has no NSEC"),
        (("nsec.example.", "IN NSEC"), "", None, "nsec-chain", "nsec.example. has no NSEC"),
        (("mail.nsec", "IN NSEC"), "ns1.", "old.", "nsec-chain", "the next name is ns1.nsec.example."),
        (("WWW", "IN NSEC"), "NSEC nsec", "NSEC zz.nsec", "nsec-chain", "the next name is nsec.example."),
        (("mail.nsec", "IN NSEC"), "mail", "mail2", "nsec-chain", "nothing but an NSEC"),
        (("x.ent", "IN NSEC"), "x.ent", "ent", "nsec-chain", "x.ent.nsec.example. has no NSEC"),
        (("mail.nsec", "IN NSEC"), "mail", "a.secure", "nsec-chain", "below a cut or a DNAME"),
        (("mail.nsec", "IN NSEC"), "mail", "alias", "nsec-chain", "alias.nsec.example. has 2 NSEC records"),
        (("mail.nsec", "IN NSEC"), " A", "", "type-bitmap", "the bitmap leaves out A"),
        (("mail.nsec", "IN NSEC"), " A", " A AAAA", "type-bitmap", "lists AAAA, of which there is none"),
        (("secure.nsec", "IN NSEC"), " DS", "", "type-bitmap", "leaves out DS"),
        (("insecure.nsec", "IN NSEC"), " RRSIG", "", "type-bitmap", "leaves out RRSIG"),
        (("WWW.nsec", "IN NSEC"), "TYPE65280", "TYPE65281", "type-bitmap", "leaves out TYPE65280 and lists TYPE65281"),
    ],
)
def test_a_broken_nsec_chain(
    tmp_path: Path, parts: tuple[str, str], old: str, new: str | None, kind: str, reason: str
) -> None:
    changed = edited(text(NSEC), lambda line: None if new is None else line.replace(old, new, 1), *parts)
    found = examine(tmp_path, NSEC, changed)
    assert found.says(kind, reason), found.findings
    assert ("error", kind) in found.classes


@pytest.mark.parametrize("zone", [NSEC3, OPT_OUT])
@pytest.mark.parametrize("owner", ["@", "mail", "ent", "*.wild", "secure"])
def test_a_name_without_its_nsec3(tmp_path: Path, zone: str, owner: str) -> None:
    found = examine(tmp_path, zone, without(text(zone), hash_of(zone, owner), "IN NSEC3"))
    assert found.says("nsec3-chain", "has no NSEC3; its hash is")
    assert found.says("nsec3-chain", "leads to")
    assert ("error", "nsec3-chain") in found.classes


@pytest.mark.parametrize(
    ("owner", "old", "new", "kind", "reason"),
    [
        ("mail", "IN NSEC3 1 0 2 AABB ", "IN NSEC3 1 0 2 AABB 0", "nsec3-chain", "leads to"),
        ("mail", " A RRSIG", " A AAAA RRSIG", "type-bitmap", "lists AAAA, of which there is none"),
        ("mail", " A RRSIG", " A", "type-bitmap", "leaves out RRSIG"),
        ("secure", " NS DS RRSIG", " NS RRSIG", "type-bitmap", "leaves out DS"),
        ("ent", "", " A", "type-bitmap", "lists A"),
        ("insecure", "", " RRSIG", "type-bitmap", "lists RRSIG"),
        ("mail", "1 0 2 AABB", "1 0 3 AABB", "nsec3-parameters", "different parameters"),
        ("mail", "1 0 2 AABB", "1 0 2 -", "nsec3-parameters", "different parameters"),
        ("mail", "1 0 2 AABB", "2 0 2 AABB", "nsec3-parameters", "different parameters"),
        ("mail", "1 0 2 AABB", "1 2 2 AABB", "nsec3-parameters", "NSEC3 flags 2"),
        ("mail", "1 0 2 AABB", "1 1 2 AABB", "nsec3-opt-out", "lacks the opt-out flag"),
    ],
)
def test_a_broken_nsec3(tmp_path: Path, owner: str, old: str, new: str, kind: str, reason: str) -> None:
    label = hash_of(NSEC3, owner)

    def change(line: str) -> str:
        changed = line.replace(old, new, 1) if old else line + new
        if new.endswith("AABB 0"):  # another next hash of the same length
            changed = re.sub(r"(AABB 0)(\w)(\w+)", r"\1\3", changed)
        return changed

    found = examine(tmp_path, NSEC3, edited(text(NSEC3), change, label, "IN NSEC3"))
    assert found.says(kind, reason), found.findings


def test_an_nsec3_twice(tmp_path: Path) -> None:
    label = hash_of(NSEC3, "mail")
    doubled = edited(text(NSEC3), lambda line: line + "\n" + line.replace(" A RRSIG", " A"), label, "IN NSEC3")
    found = examine(tmp_path, NSEC3, doubled)
    assert found.says("nsec3-chain", "has 2 NSEC3 records")


def test_an_nsec3_of_no_name(tmp_path: Path) -> None:
    found = examine(tmp_path, NSEC3, without(text(NSEC3), "x.ent", "IN A "))
    assert found.says("nsec3-chain", "is the hash of no name of this zone")


def test_an_nsec3_owner_that_is_no_hash(tmp_path: Path) -> None:
    label = hash_of(NSEC3, "mail")
    line = next(line for line in text(NSEC3).splitlines() if line.startswith(label) and "RRSIG\tNSEC3" not in line)
    for wrong in ("z" * 32, label[:31], f"{label}.deeper", label[:31] + "_"):
        changed = text(NSEC3).replace(line, line.replace(label, wrong, 1), 1)
        assert examine(tmp_path, NSEC3, changed).says("nsec3-chain", "no hash of a name of this zone")


@pytest.mark.parametrize("cut", ["insecure", "insecure.deep"])
def test_an_insecure_cut_needs_an_opt_out_span(tmp_path: Path, cut: str) -> None:
    assert hash_of(OPT_OUT, cut) not in text(OPT_OUT)
    strict = text(OPT_OUT).replace("NSEC3\t1 1 0 -", "NSEC3\t1 0 0 -")
    assert strict != text(OPT_OUT)
    found = examine(tmp_path, OPT_OUT, strict)
    assert found.says("nsec3-chain", f"the cut at {cut}.optout.example. has no NSEC3")


def test_parameters_that_contradict_the_chain(tmp_path: Path) -> None:
    def param(new: str | None) -> str:
        change = "0 IN NSEC3PARAM 1 0 2 AABB"
        return edited(text(NSEC3), lambda line: new and line.replace(change, new), "nsec3.example.", "IN NSEC3PARAM")

    assert examine(tmp_path, NSEC3, param("0 IN NSEC3PARAM 1 0 1 AABB")).says("nsec3-parameters", "NSEC3PARAM says")
    assert examine(tmp_path, NSEC3, param("0 IN NSEC3PARAM 1 1 2 AABB")).says("nsec3-parameters", "flags 1")
    twice = "0 IN NSEC3PARAM 1 0 2 AABB\nnsec3.example. 0 IN NSEC3PARAM 1 0 0 -"
    assert examine(tmp_path, NSEC3, param(twice)).says("nsec3-parameters", "2 NSEC3PARAM records")
    none = examine(tmp_path, NSEC3, param(None))
    assert none.says("nsec3-parameters", "without NSEC3PARAM at the apex")
    assert ("warning", "nsec3-parameters") in none.classes


def test_an_unknown_hash_and_too_many_iterations(tmp_path: Path) -> None:
    unknown = re.sub(r"(NSEC3(?:PARAM)?\t)1 0 2", r"\g<1>7 0 2", text(NSEC3))
    assert examine(tmp_path, NSEC3, unknown).says("nsec3-parameters", "hash algorithm 7 is unknown")
    many = re.sub(r"(NSEC3(?:PARAM)?\t)1 0 2", r"\g<1>1 0 2501", text(NSEC3))
    assert examine(tmp_path, NSEC3, many).says("nsec3-parameters", "2501 NSEC3 iterations")


def test_the_number_of_iterations_that_is_told_is_configured(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[checks]\nnsec3-iterations = "error"\nnsec3-iterations-from = 51\n')
    levels = load_config(tmp_path / "a.toml").checks.levels
    for count, classes in ((50, set()), (51, {("error", "nsec3-iterations")})):
        changed = re.sub(r"(NSEC3(?:PARAM)?\t)1 0 2", rf"\g<1>1 0 {count}", text(NSEC3))
        found = examine(tmp_path, NSEC3, changed, levels).classes
        assert {one for one in found if one[1] == "nsec3-iterations"} == classes


def test_iterations_beyond_the_nic_path_are_told(tmp_path: Path) -> None:
    many = re.sub(r"(NSEC3(?:PARAM)?\t)1 0 2", r"\g<1>1 0 11", text(NSEC3))
    found = examine(tmp_path, NSEC3, many)
    assert found.says("nsec3-iterations", "proofs come from userspace")
    assert found.summary is not None
    assert found.summary.proofs_from_userspace


def test_the_bounds_are_those_of_the_nic_path() -> None:
    header = (ROOT / "ebpf/nsec3.h").read_text()
    defined = {name: int(value) for name, value in re.findall(r"#define (\w+_MAX) (\d+)", header)}
    assert (defined["ITERATIONS_MAX"], defined["SALT_MAX"]) == (NIC_ITERATIONS, NIC_SALT_OCTETS)


def test_a_zone_whose_name_is_too_long_to_hash(tmp_path: Path) -> None:
    name = ".".join(["l" * 63] * 3 + ["l" * 21])  # with ".example." 223 octets: 33 more are too many
    origin = names.from_text(f"{name}.example.")
    assert len(origin) == 223
    soa = "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a.other.\n@ 60 DNSKEY 257 3 15 AAAA\n"
    signature = "@ 60 RRSIG SOA 15 5 60 20370101000000 20260101000000 1 @ AAAA\n"
    found = examine(tmp_path, name, f"{soa}@ 0 NSEC3PARAM 1 0 0 -\n{signature}")
    assert found.says("nsec3-parameters", "too long for NSEC3")


def test_a_signed_zone_without_any_denial(tmp_path: Path) -> None:
    bare = "\n".join(line for line in text(NSEC).splitlines() if "IN NSEC" not in line and "RRSIG\tNSEC" not in line)
    found = examine(tmp_path, NSEC, bare + "\n")
    assert found.classes == {("warning", "nsec-chain")}
    assert found.says("nsec-chain", "neither NSEC nor NSEC3")


def test_a_chain_that_nobody_validates_gets_warnings_only(tmp_path: Path) -> None:
    keyless = "\n".join(line for line in text(NSEC).splitlines() if "IN DNSKEY" not in line) + "\n"
    found = examine(tmp_path, NSEC, without(keyless, "mail.nsec.example.", "IN NSEC"))
    assert ("warning", "nsec-chain") in found.classes
    assert ("warning", "dnskey-match") in found.classes
    assert all(severity == "warning" for severity, _ in found.classes)
