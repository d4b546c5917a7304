# SPDX-License-Identifier: GPL-3.0-or-later
"""Halves of a zone sorted and settled by the sources as they stand: what the compiled modules find in one go."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.zone import names, threads
from appliance.zone.checks.findings import Findings
from appliance.zone.load import assemble
from appliance.zone.master import scanner
from appliance.zone.master.records import Records
from appliance.zone.packed.size import weigh
from tests.harness.uncompiled import uncompiled
from tests.unit.compiler.bulk.test_bulk import MODULES, registry

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("tld.")
BENEATH = (*(name for name in MODULES if name.startswith("appliance.zone.")), "appliance.zone.packed.zone")


def known(zone: Any, weight: int) -> Any:
    data = zone.packed
    rows = [(data.name(i), data.flags_of(i), list(data.places(i))) for i in range(data.count)]
    return rows, data.ent_names, data.wildcards, data.flagged, weight


def test_the_same_source_settles_halves_uncompiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zone"
    path.write_text(registry(6, 60) + "zzz NS ns\nZZZ NS ns2\nAaa.bbb.ccc TXT x\nBBB.ccc TXT x\n")
    records = scanner.scan_file(path, ORIGIN)
    zone: Any = assemble(records, ORIGIN, Findings(records))
    compiled = known(zone, weigh(zone.packed, 1, 1, 9))

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(threads, "_LEAST", 2)
    load: Any = uncompiled("appliance.zone.load", BENEATH)
    plain_packed = load.Packed
    monkeypatch.setitem(plain_packed.sort.__globals__, "SPLIT", 0)
    assert plain_packed.sort.__code__.co_filename.endswith("names.py")
    for border in middle(records):
        halves = replace(scanner.scan_file(path, ORIGIN), border=border)
        found = load.assemble(halves, ORIGIN, Findings(halves))
        plain_weigh = uncompiled("appliance.zone.packed.size", ()).weigh
        assert known(found, plain_weigh(found.packed, 1, 1, 9)) == compiled


def middle(records: Records) -> list[int]:
    """Return some places of records that have their owner."""
    found = []
    at = records.after(0)
    while at < len(records.octets):
        if records.octets[at + 14]:
            found.append(at)
        at = records.after(at)
    return found[:: len(found) // 5]
