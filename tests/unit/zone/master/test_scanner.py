# SPDX-License-Identifier: GPL-3.0-or-later
"""The scanner: records with their lines, includes, and files that are none."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from appliance.errors import WireError
from appliance.zone import names, rdata, types
from appliance.zone.master import scanner, source
from appliance.zone.master.records import Record
from appliance.zone.master.scanner import MAX_FINDINGS, MAX_INCLUDE_DEPTH, scan_file

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("example.")


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    return tmp_path / "zone"


def test_a_record_is_packed_as_it_stands(zone: Path) -> None:
    zone.write_text("\nWww 60 IN MX 10 Mail\n   (\n)\n \\000 IN 1h TYPE65280 \\# 2 abcd")
    records = scan_file(zone, ORIGIN)
    www = names.from_text("Www", ORIGIN)
    assert records[0] == Record(www, types.MX, types.IN, 60, b"\x00\x0a\x04Mail" + ORIGIN, 0, 2)
    assert len(records) == 1
    assert [str(finding) for finding in records.findings] == [
        f"{zone}:5: error: unknown record type \\000; write one that has no word here as TYPE and its number: "
        "\\000 IN 1h TYPE65280 \\# 2 abcd"
    ]


def test_records_are_reached_by_number(zone: Path) -> None:
    zone.write_text("".join(f"n{number} 1 A 192.0.2.{number % 256}\n" for number in range(5000)))
    records = scan_file(zone, ORIGIN)
    assert len(records) == 5000
    assert records[4999] == list(records)[4999]
    assert records[1234].owner == names.from_text("n1234", ORIGIN)
    assert records[1234].line == 1235
    assert records.findings == []


def test_large_records_fit(zone: Path) -> None:
    strings = " ".join(f'"{"x" * 255}"' for _ in range(255))
    zone.write_text(f"big TXT {strings}\nsmall TXT a\n")
    first, second = scan_file(zone, ORIGIN)
    assert len(first.rdata) == 256 * 255
    assert second.rdata == b"\x01a"
    rdata.check(types.TXT, first.rdata)


def test_default_ttl_holds_until_there_is_another(zone: Path) -> None:
    zone.write_text("a A 192.0.2.1\n$TTL 7\na A 192.0.2.2\na 9 A 192.0.2.3\na A 192.0.2.4\n")
    assert [record.ttl for record in scan_file(zone, ORIGIN, default_ttl=5)] == [5, 7, 9, 7]


def test_relative_origins_follow_one_another(zone: Path) -> None:
    zone.write_text(
        "$ORIGIN a\n$ORIGIN b ; comment\nx 1 A 192.0.2.1\n$ORIGIN c.\n$origin d\n 1 A 192.0.2.2\ny 1 A 192.0.2.3"
    )
    records = scan_file(zone, ORIGIN)
    assert records.findings == []
    assert [names.to_text(record.owner) for record in records] == ["x.b.a.example.", "x.b.a.example.", "y.d.c."]
    assert [record.line for record in records] == [3, 6, 7]


@pytest.mark.parametrize("text", ["", "\n", "   \n\t; comment\n", "; comment without an end", "\r\n\r\n"])
def test_files_without_records(zone: Path, text: str) -> None:
    zone.write_text(text, newline="")
    records = scan_file(zone, ORIGIN)
    assert list(records) == []
    assert records.findings == []


def reasons(path: Path) -> list[str]:
    return [finding.reason for finding in scan_file(path, ORIGIN).findings]


def test_what_is_no_file_is_reported(tmp_path: Path, zone: Path) -> None:
    assert reasons(zone) == ["cannot be read: No such file or directory"]
    assert reasons(tmp_path) == ["not a regular file"]
    os.mkfifo(zone)
    assert reasons(zone) == ["not a regular file"]
    assert reasons(Path("/dev/zero")) == ["not a regular file"]
    dangling = tmp_path / "dangling"
    dangling.symlink_to("nowhere")
    assert reasons(dangling) == ["cannot be read: No such file or directory"]


def test_garbage_is_reported_within_bounds(zone: Path) -> None:
    zone.write_bytes(bytes(range(256)) * 4000)
    findings = scan_file(zone, ORIGIN).findings
    assert len(findings) == MAX_FINDINGS + 1
    assert findings[-1].reason == f"more than {MAX_FINDINGS} errors: reading stops here"
    assert all(finding.reason.isprintable() and len(finding.reason) < 400 for finding in findings)


@pytest.mark.parametrize("start", [b"", b";", b'a TXT "', b"a TXT ", b"$INCLUDE ", b"a A ("])
def test_an_endless_line_ends(zone: Path, start: bytes) -> None:
    zone.write_bytes(start + b"a" * 3_000_000)
    records = scan_file(zone, ORIGIN)
    assert list(records) == []
    assert bool(records.findings) == (start != b";")
    assert all(finding.line == 1 for finding in records.findings)


def test_includes_have_a_depth(tmp_path: Path) -> None:
    for depth in range(20):
        (tmp_path / f"{depth}").write_text(f"n{depth} A 192.0.2.{depth}\n$INCLUDE {depth + 1}\n")
    records = scan_file(tmp_path / "0", ORIGIN)
    assert len(records) == MAX_INCLUDE_DEPTH + 1
    assert records.files == [str(tmp_path / f"{depth}") for depth in range(MAX_INCLUDE_DEPTH + 1)]
    assert [(finding.file, finding.line) for finding in records.findings] == [(str(tmp_path / "10"), 2)]


def test_includes_that_multiply_are_bounded(tmp_path: Path) -> None:
    for depth in range(11):
        (tmp_path / f"{depth}").write_text(f"$INCLUDE {depth + 1}\n" * 4)
    (tmp_path / "11").write_text("")
    assert len(scan_file(tmp_path / "0", ORIGIN).files) <= 1000


def test_a_symlinked_loop_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x A 192.0.2.1\n$INCLUDE b\n")
    (tmp_path / "b").symlink_to("a")
    assert [finding.reason for finding in scan_file(tmp_path / "a", ORIGIN).findings] == [
        f"{tmp_path / 'b'}: includes itself"
    ]


def test_include_takes_a_relative_origin(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('$TTL 5\n$INCLUDE "b c" sub ; comment\nafter A 192.0.2.2\n$INCLUDE nowhere sub\n')
    (tmp_path / "b c").write_text("x A 192.0.2.1\n")
    records = scan_file(tmp_path / "a", ORIGIN)
    assert [names.to_text(record.owner) for record in records] == ["x.sub.example.", "after.example."]
    assert [record.ttl for record in records] == [5, 5]
    assert [finding.line for finding in records.findings] == [4]


def test_an_origin_that_is_no_name_is_refused(zone: Path) -> None:
    zone.write_text("a A 192.0.2.1\n")
    with pytest.raises(WireError):
        scan_file(zone, b"\x01" * 300 + b"\x00")


def test_files_of_the_process_stay_as_they_are(zone: Path) -> None:
    zone.write_text("$ORIGIN a\n$INCLUDE nowhere b\n$TTL never\na A 192.0.2.1\n")
    with Path(os.devnull).open() as mine:
        links = [Path("/proc/self/fd", str(fd)) for fd in (0, 1, 2, mine.fileno())]
        before = [link.readlink() for link in links]
        assert len(scan_file(zone, ORIGIN)) == 1
        assert [link.readlink() for link in links] == before


def test_threads_scan_side_by_side(zone: Path) -> None:
    zone.write_text("".join(f"n{number} 1 TXT {number}\n" for number in range(20000)))
    expected = scan_file(zone, ORIGIN).octets
    found: list[memoryview] = []
    threads = [threading.Thread(target=lambda: found.append(scan_file(zone, ORIGIN).octets)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3


def pieces(count: int) -> str:
    """Return a file with everything that a window may end in."""
    lines = []
    for number in range(count):
        lines += [
            f"n{number} A 192.0.2.{number % 256}",
            f'  TXT ( "a{number}',
            f' b" ; comment ( "\n   c{number} )',
            "",
            ";x",
        ]
        lines += [f"broken{number} A 192.0.2"] if number % 50 == 7 else []
        lines += ["$TTL 77", "$ORIGIN sub"] if number == count // 2 else []
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("margin", [700, 1024, 3000])
def test_windows_change_nothing(zone: Path, monkeypatch: pytest.MonkeyPatch, margin: int, newline: str) -> None:
    zone.write_text(pieces(600), newline=newline)
    whole = scan_file(zone, ORIGIN)
    assert len(whole) == 1200
    assert len(whole.findings) == 12
    monkeypatch.setattr(source, "WINDOW", 4096)
    monkeypatch.setattr(scanner, "MARGIN", margin)
    found = scan_file(zone, ORIGIN)
    assert list(found) == list(whole)
    assert found.findings == whole.findings


@pytest.mark.parametrize("middle", ["", "$TTL 9\n", "bad A x\n"])
def test_halves_of_an_included_file(zone: Path, monkeypatch: pytest.MonkeyPatch, middle: str) -> None:
    lines = [f"n{number // 3} A 192.0.2.{number % 256}\n" for number in range(1800)]
    zone.with_name("included").write_text("$TTL 5\n" + "".join(lines[:600]) + middle + "".join(lines[600:]))
    whole = {}
    for after in (*range(290, 360), 599):  # among them the last owner of the first half, and that of the second
        zone.write_text(f"@ 60 NS n1\nn0 60 TXT x\n$INCLUDE included\nn{after} 60 TXT y\n")
        whole[after] = scan_file(zone, ORIGIN)
    monkeypatch.setattr(scanner, "SPLIT", 1000)
    monkeypatch.setattr(scanner, "MARGIN", 2000)
    for after, expected in whole.items():
        zone.write_text(f"@ 60 NS n1\nn0 60 TXT x\n$INCLUDE included\nn{after} 60 TXT y\n")
        found = scan_file(zone, ORIGIN)
        assert list(found) == list(expected)
        assert found.findings == expected.findings
        assert not found.border or found.octets[found.border + 14]


@pytest.mark.parametrize("start", ['a TXT "', "a TXT (\n", "a TXT ", "a"])
def test_a_record_that_outgrows_the_window_is_the_last(zone: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    monkeypatch.setattr(source, "WINDOW", 8192)
    monkeypatch.setattr(scanner, "MARGIN", 4096)
    zone.write_text("first A 192.0.2.1\n" + start + "x" * 100_000)
    found = scan_file(zone, ORIGIN)
    assert [record.owner[:6] for record in found] == [b"\x05first"]
    assert found.findings
    assert all(finding.line == 2 for finding in found.findings)


@pytest.mark.parametrize("middle", ["", "$TTL 9\n", "$ORIGIN deeper\n", "bad A x\n", "$INCLUDE nowhere\n", "o TXT (\n"])
def test_halves_are_what_one_thread_reads(zone: Path, monkeypatch: pytest.MonkeyPatch, middle: str) -> None:
    lines = [f"n{number // 3} A 192.0.2.{number % 256}\n" for number in range(9000)]
    zone.write_text("$TTL 5\n" + "".join(lines[:3000]) + middle + "".join(lines[3000:]))
    whole = scan_file(zone, ORIGIN)
    monkeypatch.setattr(scanner, "SPLIT", 1000)
    monkeypatch.setattr(scanner, "MARGIN", 2000)
    found = scan_file(zone, ORIGIN)
    assert list(found) == list(whole)
    assert found.findings == whole.findings
