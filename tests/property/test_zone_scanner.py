# SPDX-License-Identifier: GPL-3.0-or-later
"""Files drawn at random: whatever stands in them, the scanner reads on, stays in its bounds and reports."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.errors import ZoneError
from appliance.zone import names
from appliance.zone.check import check_zone
from appliance.zone.load import load_zone
from appliance.zone.master.records import Records
from appliance.zone.master.scanner import MAX_FINDINGS, scan_file
from tests.reference import strategies

pytestmark = pytest.mark.property

ORIGIN = names.from_text("example.")
WORDS = (
    b"a $ORIGIN $TTL $INCLUDE zone x. .. ( ) ; \\ \\0 \\255 IN CH A 192.0.2.1 TXT MX NS SOA \\# 1 00 60 TYPE1 @ *"
    b" RRSIG DNSKEY"
)
SPACES = [b"\n", b"\n ", b"\r\n", b"\t", b'"', b"\x00", b"\xff", b"a" * 64, b"1" * 20]
PIECES = st.sampled_from([*WORDS.split(), *SPACES])


def scan(octets: bytes) -> Records:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "zone")
        path.write_bytes(octets)
        return scan_file(path, ORIGIN)


def check_bounds(octets: bytes, records: Records) -> None:
    assert len(records.findings) <= MAX_FINDINGS + 1
    lines = octets.count(b"\n") + 2
    assert all(0 <= finding.line <= lines for finding in records.findings)
    for record in records:
        assert names.read(record.owner) == (record.owner, len(record.owner))
        assert 1 <= record.line <= lines


@strategies.deterministic
@given(st.binary(max_size=400))
def test_arbitrary_octets(octets: bytes) -> None:
    check_bounds(octets, scan(octets))


@strategies.deterministic
@given(st.lists(PIECES, max_size=60).map(b" ".join))
@example(b"$ORIGIN a..b.\nc A 192.0.2.1")
@example(b"$ORIGIN a.\n$ORIGIN b\n$ORIGIN c..\n$ORIGIN d\ne 1 IN A 192.0.2.1")
@example(b"( \n" * 10)
def test_arbitrary_pieces_of_master_files(octets: bytes) -> None:
    check_bounds(octets, scan(octets))


@strategies.deterministic
@given(strategies.zone_texts(), st.data())
def test_a_damaged_zone_is_loaded_whole_or_not_at_all(text: str, data: st.DataObject) -> None:
    octets = bytearray(text, "ascii")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 30))] = data.draw(PIECES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "zone")
        path.write_bytes(octets)
        errors = [finding for finding in check_zone(path, ORIGIN) if finding.severity == "error"]
        if errors:
            with pytest.raises(ZoneError) as caught:
                load_zone(path, ORIGIN)
            assert [finding for finding in caught.value.findings if finding.severity == "error"] == errors
        else:
            zone = load_zone(path, ORIGIN)
            assert all(zone.contains(owner) for owner, _ in zone.rrsets())


@strategies.deterministic
@given(strategies.zone_texts())
def test_line_ends_make_no_difference(text: str) -> None:
    plain = list(scan(text.encode()))
    assert list(scan(text.replace("\n", "\r\n").encode())) == plain
    assert list(scan(text.rstrip("\n").encode())) == plain


@strategies.deterministic
@given(strategies.zone_texts(), st.integers(0, 3))
def test_each_record_carries_the_line_it_begins_on(text: str, kind: int) -> None:
    filler = ["", "; comment\n", "\n  \n; comment\n", "$TTL 60\n\n"][kind]
    lines = text.splitlines()
    octets = "".join(f"{filler}{line} (\n)\n" for line in lines).encode()
    height = filler.count("\n") + 2
    records = list(scan(octets))
    assert [record.line for record in records] == [at * height + height - 1 for at in range(len(lines))]
