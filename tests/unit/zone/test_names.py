# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: escapes, limits, order and relations, by example."""

from __future__ import annotations

import pytest

from appliance.errors import WireError
from appliance.zone import names

pytestmark = pytest.mark.unit

ORIGIN = b"\x07example\x00"


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (".", b"\x00"),
        ("@", ORIGIN),
        ("", ORIGIN),
        ("www", b"\x03www" + ORIGIN),
        ("Www.Example.", b"\x03Www\x07Example\x00"),
        ("\\@", b"\x01@" + ORIGIN),
        ("a\\.b.c.", b"\x03a.b\x01c\x00"),
        ("\\000\\255\\065.", b"\x03\x00\xffA\x00"),
        ("a\\\\.", b"\x02a\\\x00"),
        ("x" * 63 + ".", b"\x3f" + b"x" * 63 + b"\x00"),
    ],
)
def test_from_text(text: str, wire: bytes) -> None:
    assert names.from_text(text, ORIGIN) == wire


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a..b", "empty label"),
        (".a", "empty label"),
        ("..", "empty label"),
        ("x" * 64, "a label has 64 octets"),
        ("\\256", "000 to 255"),
        ("\\25", "three of them"),
        ("\\25x", "three of them"),
        ("\\\u0661\u0661\u0661", "nothing that can be escaped"),
        ("\\1²3", "is not ASCII"),
        ("a\\", "nothing that can be escaped"),
        ("bücher", "is not ASCII"),
        (".".join(["x" * 63] * 4) + ".", "257 octets"),
        (".".join(["x" * 63] * 3) + "." + "y" * 54, "256 octets"),
    ],
)
def test_from_text_refuses(text: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        names.from_text(text, ORIGIN)


def test_the_longest_names_fit() -> None:
    assert len(names.from_text(".".join(["x" * 63] * 3) + "." + "y" * 53, ORIGIN)) == 255
    assert names.label_count(names.from_text(".".join("x" * 127) + ".")) == 127


def test_to_text_escapes_what_master_files_treat_specially() -> None:
    assert names.to_text(b'\x0b"().;\\@$ \x00\xff\x01a\x00') == '\\"\\(\\)\\.\\;\\\\\\@\\$\\032\\000\\255.a.'
    assert names.to_text(names.ROOT) == "."


def test_canonical_order_is_that_of_rfc_4034() -> None:
    texts = ["example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example"]
    texts += ["\\001.z.example", "*.z.example", "\\200.z.example"]
    wires = [names.from_text(text + ".") for text in texts]
    assert sorted(set(wires), key=names.canonical_key) == wires


def test_fold_leaves_other_octets_alone() -> None:
    assert names.fold(b"\x04AZ[@\x03\xc0\xc1\xdb\x00") == b"\x04az[@\x03\xc0\xc1\xdb\x00"


def test_a_common_end_is_not_a_common_ancestor() -> None:
    assert not names.is_subdomain(names.from_text("notexample."), ORIGIN)
    assert not names.is_subdomain(names.from_text("a\\007example."), ORIGIN)
    assert names.is_subdomain(names.from_text("a.example."), ORIGIN)
    assert names.is_subdomain(ORIGIN, ORIGIN)
    assert names.is_subdomain(ORIGIN, names.ROOT)
    assert not names.is_subdomain(names.ROOT, ORIGIN)


def test_wildcards() -> None:
    assert names.is_wildcard(names.from_text("*.example."))
    assert names.is_wildcard(names.from_text("\\042.example."))
    assert not names.is_wildcard(names.from_text("**.example."))
    assert not names.is_wildcard(names.from_text("a.*.example."))
    assert names.wildcard_of(ORIGIN) == b"\x01*" + ORIGIN


@pytest.mark.parametrize("octets", [b"", b"\x01", b"\x01a", b"\x40" + b"a" * 64 + b"\x00", b"\xc0\x0c", b"\x3fa\x00"])
def test_read_refuses(octets: bytes) -> None:
    with pytest.raises(WireError):
        names.read(octets)


def test_read_refuses_names_of_256_octets() -> None:
    with pytest.raises(WireError, match="256 octets"):
        names.read((b"\x3f" + b"x" * 63) * 3 + b"\x3e" + b"x" * 62 + b"\x00")
