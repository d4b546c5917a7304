# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator is told about the signatures of a served zone: in words, at the level of the configuration."""

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.served.signatures import doubts, moment
from appliance.zone.checks.levels import CLASSES, DEFAULTS, Level
from appliance.zone.model import DnssecSummary
from tests.harness.served import configuration, decoded, serving
from tests.unit.zone.checks.signed_zones import edited, text, without

pytestmark = pytest.mark.unit

NOW = 1_800_000_000.0
GOOD = DnssecSummary("nsec", 0, 0, False, 30, 0, 0, 0, 2_114_380_800, {})


def said(summary: DnssecSummary, now: float = NOW, **levels: Level) -> list[tuple[Level, str]]:
    changed = {kind.replace("_", "-"): level for kind, level in levels.items()}
    assert set(changed) <= set(CLASSES)
    return doubts(summary, {**DEFAULTS, **changed}, now)  # type: ignore[dict-item]


def test_nothing_to_say() -> None:
    assert said(GOOD) == []
    assert said(replace(GOOD, earliest_expiration=None, signatures=0)) == []


def test_what_ran_out_after_the_load_is_seen() -> None:
    assert said(GOOD, now=2_114_380_799.0) == []
    ((level, told),) = said(GOOD, now=2_114_380_800.0)
    assert level == "warning"
    assert told == "signatures expire since 2037-01-01 00:00 UTC; sign the zone again and reload it"
    assert said(GOOD, now=2_114_380_800.0, rrsig_expired="error")[0][0] == "error"
    assert said(GOOD, now=2_114_380_800.0, rrsig_expired="off") == []


def test_each_kind_has_its_words() -> None:
    bad = replace(
        GOOD,
        scheme="nsec3",
        iterations=100,
        salt_length=8,
        proofs_from_userspace=True,
        missing=3,
        expired=1,
        not_yet_valid=2,
        findings={"nsec3-iterations": 1, "rrsig-missing": 3, "rrsig-expired": 3},
    )
    assert [told for _, told in said(bad)] == [
        "1 RRset with expired signatures",
        "2 RRsets with signatures that are not valid yet; is the clock right?",
        "3 RRsets without a signature",
        "check-zone finds nsec3-iterations 1",
        "proofs come from userspace: 100 NSEC3 iterations, 8 octets of salt (RFC 9276 asks for none)",
    ]
    quiet = said(bad, rrsig_expired="off", rrsig_missing="off")
    assert [told.split()[0] for _, told in quiet] == ["check-zone", "proofs"]


def zone(expired: bool = False, early: bool = False) -> str:
    """Return a signed zone; the signature of one RRset has run out, that of another has not begun."""
    content = text("nsec")
    if expired:
        content = edited(content, lambda line: line.replace("20370101", "20260201"), "nsec.example.", "RRSIG MX")
    if early:
        content = edited(content, lambda line: line.replace("20260101", "20360101"), "nsec.example.", "RRSIG NS ")
    return content


def test_status_shows_them(tmp_path: Path) -> None:
    """Every zone, with how it is signed and until when; doubts below, for people and for programs."""
    (tmp_path / "appliance.toml").write_text(configuration("nsec.example.", "plain."))
    (tmp_path / "nsec.example.zone").write_text(zone())
    (tmp_path / "plain.zone").write_text("@ 300 SOA ns root 1 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n")
    with serving(tmp_path) as server:
        shown = server.command("status", "--zones")
        rows = {line.split()[0]: line.split() for line in shown.stdout.splitlines() if line.startswith(("nsec", "pl"))}
        assert rows["nsec.example."][4:] == ["NSEC", "2037-01-01", "00:00", "UTC"]
        assert rows["plain."][4:] == ["no"]
        assert "?" not in shown.stdout
        (tmp_path / "nsec.example.zone").write_text(zone(expired=True, early=True))
        assert server.command("reload").returncode == 0
        shown = server.command("status", "--zones")
        assert shown.returncode == 0
        assert "? zone nsec.example.: 1 RRset with expired signatures\n" in shown.stdout
        assert (
            "? zone nsec.example.: 1 RRset with signatures that are not valid yet; is the clock right?" in shown.stdout
        )
        assert "2026-02-01 00:00 UTC" in shown.stdout
        told = decoded(server.command("status", "--json"))
        assert told["healthy"]
        assert [one.partition(": ")[2][:7] for one in told["warnings"]] == ["1 RRset", "1 RRset"]


def test_without_signed_zones_there_are_no_columns_for_them(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration("plain."))
    (tmp_path / "plain.zone").write_text("@ 300 SOA ns root 1 3600 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n")
    with serving(tmp_path) as server:
        shown = server.command("status", "--zones").stdout
    assert "signed" not in shown
    assert "signatures" not in shown


def test_check_zone_judges_as_the_configuration_says(tmp_path: Path) -> None:
    """The same file, refused and taken; the server and the command agree."""
    (tmp_path / "nsec.example.zone").write_text(without(text("nsec"), "mail.nsec.example.", "IN NSEC"))
    for level, status in (("error", 1), ("warning", 0)):
        more = f'[checks]\nnsec-chain = "{level}"'
        (tmp_path / "appliance.toml").write_text(configuration("nsec.example.", more=more))
        with serving(tmp_path) as server:
            done = server.command("check-zone", "nsec.example.", str(tmp_path / "nsec.example.zone"))
            assert done.returncode == status
            assert f": {level}: mail.nsec.example. has no NSEC" in done.stdout + done.stderr
            (told,) = decoded(server.command("status", "--json", "--zones"))["zones"]
            assert told["state"] == ("not loaded" if status else "serving")


def test_moments_are_in_utc() -> None:
    assert moment(0) == "1970-01-01 00:00 UTC"
    assert moment(2**32) == "2106-02-07 06:28 UTC"
