# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found about a signed zone reaches the status, and the levels of the configuration reach the checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config.load import load_config
from appliance.errors import ZoneError
from appliance.served.zone_set import wanted
from appliance.served.zones import ServedZone
from tests.unit.zone.checks.signed_zones import text, without

pytestmark = pytest.mark.unit

BROKEN = without(text("nsec"), "mail.nsec.example.", "IN NSEC")


def served(folder: Path, content: str, checks: str = "") -> ServedZone:
    (folder / "zone").write_text(content, "ascii")
    (folder / "a.toml").write_text(f'[checks]\n{checks}\n[[zone]]\nname = "nsec.example."\nfile = "zone"\n')
    (zone,) = wanted(load_config(folder / "a.toml")).zones.values()
    return zone


def test_the_summary_of_what_is_served_is_shown(tmp_path: Path) -> None:
    zone = served(tmp_path, text("nsec"))
    assert zone.described()["dnssec"] is None
    zone.published(zone.read())
    shown = zone.described()["dnssec"]
    assert (shown["scheme"], shown["missing"], shown["earliest_expiration"]) == ("nsec", 0, 2114380800)
    assert shown["findings"] == {}


def test_a_broken_chain_does_not_replace_what_is_served(tmp_path: Path) -> None:
    zone = served(tmp_path, text("nsec"))
    zone.published(zone.read())
    Path(zone.file).write_text(BROKEN, "ascii")
    with pytest.raises(ZoneError):
        zone.read()
    shown = zone.described()
    assert shown["state"] == "serving"
    assert "mail.nsec.example. has no NSEC" in shown["error"]
    assert shown["dnssec"]["findings"] == {}


def test_the_configuration_decides(tmp_path: Path) -> None:
    zone = served(tmp_path, BROKEN, 'nsec-chain = "warning"')
    zone.published(zone.read())
    assert zone.described()["dnssec"]["findings"]["nsec-chain"] == 1
    assert zone.described()["error"] == ""
