# SPDX-License-Identifier: GPL-3.0-or-later
"""Which questions a comparison asks, and what counts as a difference."""

import os
import random
from pathlib import Path

import dns.message
import dns.name
import pytest

from appliance.errors import ConfigError
from appliance.migration.comparison import Server, server
from appliance.migration.differences import compare
from appliance.migration.samples import questions

pytestmark = pytest.mark.unit

ORIGIN = dns.name.from_text("example.")
FILE = """$TTL 1h
@ 300 IN SOA ns root ( 1 ; (
 2 3 4 5 )
  NS ns
ns IN 5 A 192.0.2.1
$ORIGIN sub
"a b" TXT "; (" ; comment
outside.test. A 192.0.2.2
x RRSIG A 8 2 300
bad..name A 192.0.2.1
broken
"""


def asked(file: Path, number: int, seed: int = 1) -> list[str]:
    found = questions(ORIGIN, str(file), number, random.Random(seed))
    return [f"{name} {kind.name}" for name, kind in found]


def test_names_of_the_file_and_near_misses(tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text(FILE)
    found = asked(file, 100)
    assert found[:3] == ["example. SOA", "example. NS", "example. DNSKEY"]
    assert {"ns.example. A", "ns.example. TXT", "*.example. A", "*.sub.example. A"} <= set(found)
    assert not any("outside" in one or "RRSIG" in one for one in found)
    assert sum(".ns.example. A" in one for one in found) == 1
    assert found == asked(file, 100)
    assert found != asked(file, 100, seed=2)
    assert len(asked(file, 1)) <= 3 + 5


@pytest.mark.parametrize("kind", ["missing", "pipe", "binary"])
def test_a_file_that_cannot_be_read_leaves_the_apex(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "zone"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "binary":
        file.write_bytes(bytes(range(256)) * 100)
    assert asked(file, 5)[:3] == ["example. SOA", "example. NS", "example. DNSKEY"]


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 53),
        ("192.0.2.1@5300", "192.0.2.1", 5300),
        ("192.0.2.1:5300", "192.0.2.1", 5300),
        ("2001:db8::1", "2001:db8::1", 53),
        ("2001:db8::1@5300", "2001:db8::1", 5300),
        ("[2001:db8::1]:5300", "2001:db8::1", 5300),
        ("[2001:db8::1]", "2001:db8::1", 53),
    ],
)
def test_servers(text: str, address: str, port: int) -> None:
    assert server(text) == Server(address, port)


@pytest.mark.parametrize("text", ["192.0.2.1@0", "192.0.2.1@x", "192.0.2.1:99999", "", "no such host.invalid", "@53"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(ConfigError):
        server(text)


def message(*lines: str, flags: str = "QR AA") -> dns.message.Message:
    return dns.message.from_text("\n".join(["id 1", f"flags {flags}", *lines]))


ANSWER = (";QUESTION", "a.example. IN A", ";ANSWER", "a.example. 300 IN A 192.0.2.1")
STAR = (";QUESTION", "*.example. IN TXT", ";AUTHORITY")
NSEC3 = "ve8p19ahrvmctjd654nj82pn1668imh1.example. 300 IN NSEC3 1 0 0 - 2rf5mngp76t1lfffsfngup50u7co6gim A"
REFERRAL = (";AUTHORITY", "sub.example. 300 IN NS ns.sub.example.", ";ADDITIONAL")


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        (message(*ANSWER), message(*ANSWER), {}),
        (message(*ANSWER), message(*ANSWER[:3], "A.example. 300 IN A 192.0.2.1"), {}),
        (message(*ANSWER), message(*ANSWER[:3], "a.example. 301 IN A 192.0.2.1"), {"TTL in answer": False}),
        (message(*ANSWER), message(*ANSWER[:3], "a.example. 300 IN A 192.0.2.2"), {"answer section": False}),
        (message(*ANSWER), message(*ANSWER, flags="QR"), {"flag AA": False}),
        (message(*ANSWER), message(*ANSWER, flags="QR AA TC"), {"flag TC": False}),
        (message(*ANSWER), message("rcode NXDOMAIN"), {"rcode": False}),
        (message(*ANSWER), message(*ANSWER, ";AUTHORITY", "example. 300 IN NS ns.example."),
         {"authority section": True}),
        (message(*ANSWER), message(*ANSWER, ";ADDITIONAL", "n.example. 300 IN A 192.0.2.1"),
         {"additional section": True}),
        (message(*REFERRAL, "ns.sub.example. 300 IN A 192.0.2.1", flags="QR"), message(*REFERRAL[:2], flags="QR"),
         {"additional section": False}),
        (message(*STAR, NSEC3), message(*STAR, NSEC3, NSEC3.replace("ve8p", "ve8q")), {"authority section": True}),
        (message(*STAR, NSEC3), message(*STAR), {"authority section": False}),
        (message(*STAR[2:], NSEC3), message(*STAR[2:], NSEC3, NSEC3.replace("ve8p", "ve8q")),
         {"authority section": False}),
        (message(), message(";AUTHORITY", "example. 300 IN SOA a. b. 1 2 3 4 5"), {"authority section": False}),
    ],
)  # fmt: skip
def test_what_differs(old: dns.message.Message, new: dns.message.Message, kinds: dict[str, bool]) -> None:
    assert {one.kind: one.is_optional for one in compare(old, new)} == kinds
