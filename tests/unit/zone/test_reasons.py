# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator is told of a zone file that cannot be loaded: the line, what is wrong there, and what mends it."""

from pathlib import Path

import pytest

from appliance.errors import ZoneError
from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.master.excerpt import _MENDED, in_words

pytestmark = pytest.mark.unit

HEAD = b"$TTL 300\n@ SOA ns r 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n"
TAIL = HEAD[9:]

REASONS: dict[str, tuple[bytes, str]] = {
    # A file, and what the first error says; a line of the file where it stands behind HEAD is the fifth.
    "empty": (b"", "error: there is no record in it: was it written to its end"),
    "comments": (b"; nothing\n\n", "error: there is no record in it: was it written to its end"),
    "no SOA": (b"$TTL 1\n@ NS ns\n", "error: there is no SOA record at example.: add one"),
    "no NS": (HEAD.replace(b"@ NS ns\n", b""), "error: there is no NS record at example.: name the servers"),
    "two SOA": (HEAD + b"@ SOA ns r 2 3 4 5 6\n", "2: error: example. has 2 SOA records: keep one"),
    "short SOA": (b"@ 1 SOA ns r 1 3600 900\n", "1: error: a number or a time such as 3600 or 1h is expected: is a"),
    "serial": (b"@ 1 SOA ns r x 1 1 1 1\n", "1: error: a number is expected: @ 1 SOA ns r x 1 1 1 1"),
    "large serial": (b"@ 1 SOA ns r 4294967296 1 1 1 1\n", "1: error: a number is above 4294967295: @ 1 SOA"),
    "inner SOA": (HEAD + b"www SOA ns r 1 2 3 4 5\n", "5: error: SOA at www.example., inside zone example.: only the"),
    "type": (HEAD + b"www AAA ::1\n", "5: error: unknown record type AAA; did you mean AAAA? www AAA ::1"),
    "type without owner": (HEAD + b" 60 IN QQQ x\n", "5: error: unknown record type QQQ; write one that has no word"),
    "no type at all": (HEAD + b"www quux bar\n", "5: error: unknown record type QUUX; "),
    "question": (HEAD + b"www ANY \\# 0\n", "5: error: ANY is a type of questions: no record of a zone has it"),
    "class": (HEAD + b"www CH A 192.0.2.1\n", "5: error: class CH: only class IN is served: www CH A"),
    "address": (HEAD + b"www A 192.0.2.999\n", "5: error: invalid IPv4 address: www A 192.0.2.999"),
    "no address": (HEAD + b"www A\n", "5: error: an address is missing, or has a character that cannot stand in one: "),
    "two addresses": (HEAD + b"www A 192.0.2.1 192.0.2.2\n", "5: error: more stands here than the record takes: "),
    "no preference": (HEAD + b"@ MX mail\n", "5: error: a number is expected: @ MX mail"),
    "preference": (HEAD + b"@ MX 65536 mail\n", "5: error: a number is above 65535: @ MX 65536 mail"),
    "quote": (HEAD + b'www TXT "abc\n', "5: error: a text is not closed with a quote, or has an octet"),
    "TTL": (HEAD + b"www 4294967296 A 192.0.2.1\n", "5: error: a number is above 4294967295: www 4294967296"),
    "TTL of 32 bits": (HEAD + b"www 2147483648 A 192.0.2.1\n", "5: error: TTL 2147483648 is more than 2147483647"),
    "default TTL": (b"$TTL\n" + TAIL, "1: error: $TTL takes a number of seconds, or a time such as 1h: $TTL"),
    "long label": (HEAD + b"x" * 64 + b" A 192.0.2.1\n", "5: error: a label has more than 63 octets, or its name"),
    "long name": (HEAD + b".".join([b"x" * 60] * 5) + b" A 192.0.2.1\n", "5: error: a name has more than 255 octets"),
    "empty label": (HEAD + b"a..b A 192.0.2.1\n", "5: error: a name has an empty label or a character that cannot"),
    "not ASCII": (HEAD + "bücher A 192.0.2.1\n".encode(), "5: error: a name has an empty label or a character"),
    "not UTF-8": (HEAD + b"w\xfcw A 192.0.2.1\n", "5: error: a name has an empty label or a character that cannot"),
    "NUL": (HEAD + b"w\0w A 192.0.2.1\n", "5: error: a name has an empty label or a character that cannot"),
    "open": (HEAD + b'www TXT ( "a"\nx A 192.0.2.1\n', "5: error: a parenthesis is opened, and not closed up to"),
    "close": (HEAD + b'www TXT "a" )\n', '5: error: a parenthesis is closed that was not opened: www TXT "a" )'),
    "nested": (HEAD + b'www TXT ( ( "a" ) )\n', "5: error: a parenthesis is opened inside another one: leave"),
    "origin": (HEAD + b"$ORIGIN a..b.\n", "5: error: $ORIGIN takes a domain name: $ORIGIN a..b."),
    "another origin": (
        HEAD + b"$ORIGIN other.\nw A 192.0.2.1\n",
        "6: error: owner w.other. is not in zone example.: is",
    ),
    "included": (HEAD + b"$INCLUDE no.zone\n", "5: error: {}/no.zone cannot be read: No such file or directory"),
    "generated": (HEAD + b"$GENERATE 1-3 h$ A 192.0.2.$\n", "5: error: unknown directive: known are $ORIGIN, $TTL and"),
    "alias": (HEAD + b"w CNAME ns\nw A 192.0.2.1\n", "5: error: w.example. has a CNAME and other data (A): keep one"),
    "byte order mark": (b"\xef\xbb\xbf" + HEAD, "1: error: the file begins with a byte order mark: save it without"),
    "UTF-16": (HEAD.decode().encode("utf-16"), "1: error: the file is UTF-16: save it as ASCII or UTF-8: "),
    "CR": (HEAD.replace(b"\n", b"\r"), "1: error: a carriage return inside the line: lines end with LF or CR LF: "),
    "HTML": (b"<html></html>\n", "1: error: neither a record nor a directive begins like this: is this a zone file? <"),
    "no owner yet": (b" " + TAIL[2:], "1: error: a line that begins with a space has the owner of the line before"),
    "length": (HEAD + b"w TYPE65400 \\# 3 00\n", "5: error: the data have another length than \\# says (RFC 3597"),
}


def told(path: Path) -> str:
    with pytest.raises(ZoneError) as caught:
        load_zone(path, names.from_text("example."))
    return str(caught.value)


@pytest.mark.parametrize("kind", REASONS)
def test_a_reason_names_the_place_and_the_mend(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "zone"
    octets, reason = REASONS[kind]
    path.write_bytes(octets)
    place = f"{path}:" if reason[0].isdigit() else f"{path}: "
    said = told(path)
    assert said.startswith(f"zone example. cannot be loaded: {place}{reason.replace('{}', str(tmp_path))}")
    assert said.isprintable()
    assert said.count("zone example. ") == 1 or "inside zone" in said


@pytest.mark.parametrize(
    "octets", [HEAD + b"w A 192.0.2.1", HEAD.replace(b"\n", b"\r\n"), HEAD + b"$ORIGIN sub\nw A 192.0.2.1"]
)
def test_what_is_no_mistake(tmp_path: Path, octets: bytes) -> None:
    """A last line without its end, lines that end with CR LF, a relative origin."""
    path = tmp_path / "zone"
    path.write_bytes(octets)
    assert load_zone(path, names.from_text("example.")).serial == 1


def test_what_is_no_file(tmp_path: Path) -> None:
    assert told(tmp_path) == f"zone example. cannot be loaded: {tmp_path}: error: not a regular file"
    missing = tmp_path / "none"
    assert told(missing).endswith(f"{missing}: error: cannot be read: No such file or directory")


def test_words_without_a_better_one_stay() -> None:
    assert in_words("invalid bitmap") == "invalid bitmap"
    assert not any(reason in _MENDED for reason in _MENDED.values())
