# SPDX-License-Identifier: GPL-3.0-or-later
"""RRSIGs and DNSKEYs: what is missing, out of time, of the wrong key or simply false is told, and counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.zone import dnssec as dnskey
from appliance.zone import names, types
from appliance.zone.dnssec import distance
from appliance.zone.load import load_zone
from tests.unit.zone.checks.signed_zones import NOW, edited, examine, text, without

pytestmark = pytest.mark.unit

START, END = 1767225600, 2114380800  # 2026-01-01 and 2037-01-01
SIGNED = ["nsec", "nsec3", "optout"]


@pytest.mark.parametrize(
    ("owner", "part", "reason"),
    [
        ("mail.", "RRSIG A", "mail.nsec.example. A: not signed"),
        ("mail.", "RRSIG NSEC 13", "mail.nsec.example. NSEC: not signed"),
        ("secure.", "RRSIG DS", "secure.nsec.example. DS: not signed"),
        ("insecure.nsec", "RRSIG NSEC 13", "insecure.nsec.example. NSEC: not signed"),
    ],
)
def test_a_missing_signature(tmp_path: Path, owner: str, part: str, reason: str) -> None:
    found = examine(tmp_path, "nsec", without(text("nsec"), owner, part))
    assert found.findings == [("warning", "rrsig-missing", reason)]
    assert found.summary is not None
    assert (found.summary.missing, found.summary.findings) == (1, {"rrsig-missing": 1})


def test_a_missing_signature_of_an_nsec3(tmp_path: Path) -> None:
    owner = next(line.split(".")[0] for line in text("optout").splitlines() if "\tNSEC3 15 " in line)
    found = examine(tmp_path, "optout", without(text("optout"), owner, "RRSIG NSEC3"))
    assert found.findings == [("warning", "rrsig-missing", f"{owner.lower()}.optout.example. NSEC3: not signed")]


def test_a_zone_without_any_signature_gets_one_finding(tmp_path: Path) -> None:
    bare = "\n".join(line for line in text("nsec").splitlines() if "RRSIG\t" not in line) + "\n"
    found = examine(tmp_path, "nsec", bare)
    assert found.findings == [("warning", "rrsig-missing", "the apex has a DNSKEY but the zone is not signed")]
    assert found.summary is not None
    assert found.summary.missing == text("nsec").count("RRSIG\t") - 1  # the DNSKEYs had two
    assert found.summary.signatures == 0


@pytest.mark.parametrize(
    ("now", "expired", "early", "reason"),
    [
        (START - 1, False, True, "is not valid before 2026-01-01 00:00:00 UTC"),
        (START, False, False, ""),
        (END, False, False, ""),
        (END + 1, True, False, "expired on 2037-01-01 00:00:00 UTC"),
    ],
)
def test_signatures_have_their_time(tmp_path: Path, now: int, expired: bool, early: bool, reason: str) -> None:
    found = examine(tmp_path, "nsec", text("nsec"), now=now)
    summary = found.summary
    assert summary is not None
    rrsets = text("nsec").count("RRSIG\t") - 1
    assert (summary.expired, summary.not_yet_valid) == (rrsets * expired, rrsets * early)
    assert summary.earliest_expiration == END
    assert found.classes == ({("warning", "rrsig-expired")} if reason else set())
    assert not reason or found.says("rrsig-expired", reason)


def test_one_signature_in_force_is_enough(tmp_path: Path) -> None:
    def add_expired(line: str) -> str:
        return f"{line}\n{line.replace('20370101000000', '20260201000000')}"

    found = examine(tmp_path, "nsec", edited(text("nsec"), add_expired, "mail.", "RRSIG A"))
    assert found.findings == []
    assert found.summary is not None
    assert found.summary.earliest_expiration == END


def test_the_first_to_expire_counts(tmp_path: Path) -> None:
    early = edited(text("nsec"), lambda line: line.replace("20370101", "20300101"), "mail.", "RRSIG A")
    found = examine(tmp_path, "nsec", early)
    assert found.summary is not None
    assert found.summary.earliest_expiration == 1893456000


@pytest.mark.parametrize("moment", [0, 5, 0xFFFFFFFF])
@pytest.mark.parametrize("away", [-0x7FFFFFFF, -1, 0, 1, 0x7FFFFFFF])
def test_times_are_serial_numbers(moment: int, away: int) -> None:
    assert distance((moment + away) & 0xFFFFFFFF, moment) == away


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (r"RRSIG A 13 3 ", "RRSIG A 13 2 ", "counts 2 labels, not 3"),
        (r"RRSIG A 13 3 ", "RRSIG A 8 3 ", "algorithm 8, which is no DNSKEY of the apex"),
        (r" \d+ nsec\.example\.", " 1 nsec.example.", "of key 1, algorithm 13, which is no DNSKEY"),
        (r"(\d+) nsec\.example\.", r"\1 example.", "names example. as signer, not nsec.example."),
        (r"3600 IN RRSIG", "60 IN RRSIG", "has TTL 60, not 3600"),
        (r"RRSIG A ", "RRSIG AAAA ", "RRSIG of AAAA, of which there is none"),
    ],
)
def test_a_signature_that_fits_nothing(tmp_path: Path, old: str, new: str, reason: str) -> None:
    changed = edited(text("nsec"), lambda line: re.sub(old, new, line, count=1), "mail.", "RRSIG A")
    found = examine(tmp_path, "nsec", changed)
    assert found.says("rrsig-mismatch", reason), found.findings
    assert {severity for severity, _ in found.classes} == {"warning"}


def test_a_wildcard_counts_one_label_less(tmp_path: Path) -> None:
    changed = edited(text("nsec"), lambda line: line.replace("TXT 13 3", "TXT 13 4"), "*.wild", "RRSIG TXT")
    assert examine(tmp_path, "nsec", changed).says("rrsig-mismatch", "counts 4 labels, not 3")


def test_a_signed_ns_at_a_cut(tmp_path: Path) -> None:
    changed = edited(text("nsec"), lambda line: f"{line}\n{line.replace(' DS ', ' NS ')}", "secure.", "RRSIG DS")
    assert examine(tmp_path, "nsec", changed).says("rrsig-mismatch", "RRSIG of NS at a cut")


@pytest.mark.parametrize("zone", SIGNED)
@pytest.mark.parametrize(
    ("part", "old", "new"),
    [(" IN SOA ", "2026010101", "2026010102"), (" IN SOA ", "900", "901"), (" RRSIG SOA ", "", "")],
)
def test_a_false_signature_of_the_soa(tmp_path: Path, zone: str, part: str, old: str, new: str) -> None:
    def damage(line: str) -> str:
        if part == " RRSIG SOA ":  # another octet in the middle of the signature
            return line[:-20] + ("B" if line[-20] == "A" else "A") + line[-19:]
        return line.replace(old, new, 1)

    found = examine(tmp_path, zone, edited(text(zone), damage, "", part))
    assert found.says("rrsig-invalid", f"{zone}.example. SOA: its RRSIG does not verify")
    assert not found.says("rrsig-invalid", "DNSKEY: its")


def test_keys_that_are_no_keys_refute(tmp_path: Path) -> None:
    head = "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a.other.\n"
    for algorithm in (8, 13, 14, 15, 16):
        tag = dnskey.key_tag(bytes((1, 1, 3, algorithm, 0)))
        key = f"@ 60 DNSKEY 257 3 {algorithm} AA==\n"
        signature = f"{algorithm} 2 60 20370101000000 20260101000000 {tag} @ AAAA\n"
        found = examine(tmp_path, "x", f"{head}{key}@ 60 RRSIG SOA {signature}@ 60 RRSIG DNSKEY {signature}")
        assert found.says("rrsig-invalid", "x.example. SOA: its RRSIG does not verify"), algorithm
    unknown = f"253 2 60 20370101000000 20260101000000 {dnskey.key_tag(bytes((1, 1, 3, 253, 0)))} @ AAAA\n"
    found = examine(tmp_path, "x", f"{head}@ 60 DNSKEY 257 3 253 AA==\n@ 60 RRSIG SOA {unknown}")
    assert not found.says("rrsig-invalid", "")


def test_a_dnskey_rrset_that_none_of_its_keys_signs(tmp_path: Path) -> None:
    changed = re.sub(r"(RRSIG\tDNSKEY 13 2 3600 \d+ \d+) \d+", r"\1 7", text("nsec"))
    assert examine(tmp_path, "nsec", changed).classes == {("warning", "dnskey-match")}


def test_keys_that_may_not_sign(tmp_path: Path) -> None:
    for flags in ("0 3", "384 3", "257 2"):  # no zone key, revoked, not of DNSSEC
        changed = re.sub(r"DNSKEY\t25[67] 3", f"DNSKEY\t{flags}", text("nsec"))
        found = examine(tmp_path, "nsec", changed)
        assert found.says("dnskey-match", "is a zone key that is not revoked"), flags


def test_signatures_without_keys(tmp_path: Path) -> None:
    keyless = "\n".join(line for line in text("optout").splitlines() if "IN DNSKEY" not in line) + "\n"
    found = examine(tmp_path, "optout", keyless)
    assert found.says("dnskey-match", "zone optout.example. has RRSIGs but no DNSKEY")
    assert found.says("rrsig-mismatch", "RRSIG of DNSKEY, of which there is none")


@pytest.mark.parametrize("zone", SIGNED)
def test_key_tags_are_those_of_the_signer(tmp_path: Path, zone: str) -> None:
    path = tmp_path / "zone"
    path.write_text(text(zone))
    loaded = load_zone(path, names.from_text(f"{zone}.example."))
    signers = {int.from_bytes(one[16:18], "big") for one in loaded.signatures[loaded.origin][types.DNSKEY].rdatas}
    assert {tag for tag, _ in dnskey.Keys.of(loaded).known} == signers
    assert START < NOW < END
