# SPDX-License-Identifier: GPL-3.0-or-later
"""Which findings keep a zone out: as configured, and how many of them are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import ZoneError
from appliance.zone import names
from appliance.zone.check import check_zone
from appliance.zone.checks.levels import CLASSES, DEFAULTS, MAX_OF_A_CLASS, CheckClass, Level
from appliance.zone.load import load_zone
from tests.unit.zone.checks.signed_zones import edited, text, without

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("nsec.example.")
BROKEN = without(text("nsec"), "mail.nsec.example.", "IN NSEC")
WRONG_BITMAP = edited(text("nsec"), lambda line: line.replace(" A ", " AAAA "), "mail.nsec.example.", "IN NSEC")
UNSIGNED_RRSET = without(text("nsec"), "mail.nsec.example.", "RRSIG A")


def write(folder: Path, content: str) -> Path:
    path = folder / "zone"
    path.write_text(content, "ascii")
    return path


def test_every_class_has_a_level() -> None:
    assert set(DEFAULTS) == set(CLASSES)
    assert {DEFAULTS[kind] for kind in ("nsec-chain", "nsec3-chain", "nsec3-parameters", "zonemd-mismatch")} == {
        "error"
    }
    assert {DEFAULTS[kind] for kind in ("rrsig-missing", "rrsig-expired", "dnskey-match")} == {"warning"}


def test_a_broken_chain_keeps_a_zone_out(tmp_path: Path) -> None:
    path = write(tmp_path, BROKEN)
    with pytest.raises(ZoneError, match=r"cannot be loaded: .*mail\.nsec\.example\. has no NSEC") as caught:
        load_zone(path, ORIGIN)
    assert all(finding.file == str(path) and finding.line for finding in caught.value.findings)
    assert check_zone(path, ORIGIN) == caught.value.findings


@pytest.mark.parametrize(
    ("content", "kind"),
    [(BROKEN, "nsec-chain"), (WRONG_BITMAP, "type-bitmap"), (UNSIGNED_RRSET, "rrsig-missing")],
)
def test_the_levels_decide(tmp_path: Path, content: str, kind: CheckClass) -> None:
    path = write(tmp_path, content)
    levels: dict[CheckClass, Level] = {**DEFAULTS, "nsec-chain": "warning"}
    levels[kind] = "error"
    with pytest.raises(ZoneError):
        load_zone(path, ORIGIN, levels)
    levels[kind] = "warning"
    zone = load_zone(path, ORIGIN, levels)
    assert zone.dnssec is not None
    assert zone.dnssec.findings[kind] > 0
    assert any(kind in finding.reason for finding in check_zone(path, ORIGIN, levels))
    levels[kind] = "off"
    zone = load_zone(path, ORIGIN, levels)
    assert zone.dnssec is not None
    assert kind not in zone.dnssec.findings
    assert not any(kind in finding.reason for finding in check_zone(path, ORIGIN, levels))


def test_there_is_an_end_to_findings_of_a_class(tmp_path: Path) -> None:
    more = "".join(f"h{number}.nsec.example. 60 A 192.0.2.1\n" for number in range(1000))
    path = write(tmp_path, text("nsec") + more)
    found = check_zone(path, ORIGIN)
    for kind, count in (("nsec-chain", 1001), ("rrsig-missing", 1000)):
        told = [finding for finding in found if finding.reason.endswith(f"[{kind}]")]
        assert len(told) == MAX_OF_A_CLASS + 1
        assert sum(finding.reason.startswith(f"{count - MAX_OF_A_CLASS} more") for finding in told) == 1
    with pytest.raises(ZoneError):
        load_zone(path, ORIGIN)


def test_warnings_do_not_hide_an_error(tmp_path: Path) -> None:
    more = "".join(f"h{number}.nsec.example. 0 A 192.0.2.1\n" for number in range(1500))
    path = write(tmp_path, text("nsec") + more)
    found = check_zone(path, ORIGIN)
    assert sum(finding.severity == "error" and finding.line > 0 for finding in found) == MAX_OF_A_CLASS
