# SPDX-License-Identifier: GPL-3.0-or-later
"""ZONEMD: the examples of RFC 8976 appendix A verify, and any other data, serial or kind of digest does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.zone import names
from appliance.zone.checks.dnssec import check
from appliance.zone.checks.findings import Findings
from appliance.zone.checks.levels import CLASSES, DEFAULTS, Level
from appliance.zone.load import assemble
from appliance.zone.master import scanner
from tests.unit.zone.checks.signed_zones import examine, text, without

pytestmark = pytest.mark.unit

APEX = """$ORIGIN example.
@ 86400 IN SOA ns1 admin 2018031900 1800 900 604800 86400
@ 86400 IN NS ns1
@ 86400 IN NS ns2
"""
SIMPLE = """@ 86400 IN ZONEMD 2018031900 1 1 ( c68090d90a7aed71 6bc459f9340e3d7c 1370d4d24b7e2fc3
  a1ddc0b9a87153b9 a9713b3c9ae5cc27 777f98b8e730044c )
ns1 3600 IN A 203.0.113.63
ns2 3600 IN AAAA 2001:db8::63
"""
COMPLEX = """@ 86400 IN ZONEMD 2018031900 1 1 ( a3b69bad980a3504 e1cffcb0fd6397f9 3848071c93151f55
  2ae2f6b1711d4bd2 d8b39808226d7b9d b71e34b72077f8fe )
ns1 3600 IN A 203.0.113.63
NS2 3600 IN AAAA 2001:db8::63
occluded.sub 7200 IN TXT "I'm occluded but must be digested"
sub 7200 IN NS ns1
duplicate 300 IN TXT "I must be digested just once"
duplicate 300 IN TXT "I must be digested just once"
UPPERCASE 3600 IN TXT "canonicalize uppercase owner names"
* 777 IN PTR dont-forget-about-wildcards
mail 3600 IN MX 20 MAIL1
mail 3600 IN MX 10 Mail2.Example.
sortme 3600 IN AAAA 2001:db8::5:61
sortme 3600 IN AAAA 2001:db8::3:62
sortme 3600 IN AAAA 2001:db8::4:63
sortme 3600 IN AAAA 2001:db8::1:65
sortme 3600 IN AAAA 2001:db8::2:64
non-apex 900 IN ZONEMD 2018031900 1 1 ( 616c6c6f77656420 6275742069676e6f 7265642e20616c6c
  6f77656420627574 2069676e6f726564 2e20616c6c6f7765 )
"""
SHA512 = """@ 86400 IN ZONEMD 2018031900 1 2 ( 08cfa1115c7b948c 4163a901270395ea 226a930cd2cbcf2f a9a5e6eb85f37c8a
  4e114d884e66f176 eab121cb02db7d65 2e0cc4827e7a3204 f166b47e5613fd27 )
"""
SHA384 = """@ 86400 IN ZONEMD 2018031900 1 1 ( 62e6cf51b02e54b9 b5f967d547ce4313 6792901f9f88e637
  493daaf401c92c27 9dd10f0edb1c56f8 080211f8480ee306 )
"""
OTHER_HASH = "@ 86400 IN ZONEMD 2018031900 1 240 ( e2d523f654b9422a 96c5a8f44607bbee )\n"
OTHER_SCHEME = "@ 86400 IN ZONEMD 2018031900 241 1 ( e1846540e33a9e41 89792d18d5d131f6 05fc283e )\n"
SEVERAL = """ns1 3600 IN A 203.0.113.63
ns2 86400 IN TXT "This example has multiple digests"
NS2.EXAMPLE. 3600 IN AAAA 2001:db8::63
"""


def findings(folder: Path, content: str, **levels: Level) -> list[tuple[str, str, str]]:
    """Return what is found about ZONEMD in a zone named example."""
    path = folder / "zone"
    path.write_text(APEX + content, "ascii")
    origin = names.from_text("example.")
    records = scanner.scan_file(path, origin)
    found = Findings(records)
    zone = assemble(records, origin, found)
    assert zone is not None
    assert check(zone, found, {kind: levels.get(kind.replace("-", "_"), DEFAULTS[kind]) for kind in CLASSES}) is None
    return [
        (one.severity, one.reason.rpartition("[")[2][:-1], one.reason)
        for one in found.finish()
        if one.reason.endswith("]")
    ]


@pytest.mark.parametrize(
    "content",
    [
        SIMPLE,
        COMPLEX,
        SHA384 + SHA512 + OTHER_HASH + OTHER_SCHEME + SEVERAL,
        SHA384 + SEVERAL,
        SHA512 + SEVERAL,
        SHA384 + SHA512.replace("08cf", "ffff") + SEVERAL,
        SHA384.replace("62e6", "ffff") + SHA512 + SEVERAL,
    ],
    ids=["A.1", "A.2", "A.3", "SHA-384", "SHA-512", "one of two", "the other of two"],
)
def test_the_examples_of_the_rfc_verify(tmp_path: Path, content: str) -> None:
    assert findings(tmp_path, content) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (SIMPLE.replace("203.0.113.63", "203.0.113.64"), "the digest is that of other data"),
        (SIMPLE.replace("ns1 3600", "ns1 3601"), "the digest is that of other data"),
        (SIMPLE + "more 60 IN TXT x\n", "the digest is that of other data"),
        (COMPLEX.replace("I'm occluded", "I am occluded"), "the digest is that of other data"),
        (COMPLEX.replace("non-apex", "nonapex"), "the digest is that of other data"),
        (SIMPLE.replace("777f98b8e730044c", "777f98b8e7300440"), "the digest is that of other data"),
        (SIMPLE.replace("777f98b8e730044c", ""), "the digest is that of other data"),
        (SIMPLE.replace("2018031900", "2018031901"), "it is for serial 2018031901, the zone has 2018031900"),
        (SHA384 + SHA384.replace("62e6", "62e7") + SEVERAL, "several of this scheme and hash algorithm"),
    ],
)
def test_anything_else_does_not(tmp_path: Path, content: str, reason: str) -> None:
    ((severity, kind, said),) = findings(tmp_path, content)
    assert (severity, kind) == ("error", "zonemd-mismatch")
    assert reason in said


def test_kinds_of_digest_that_are_not_known(tmp_path: Path) -> None:
    ((severity, kind, _),) = findings(tmp_path, OTHER_HASH + OTHER_SCHEME + SEVERAL)
    assert (severity, kind) == ("warning", "zonemd-unsupported")


def test_a_missing_digest_is_told_on_request(tmp_path: Path) -> None:
    assert findings(tmp_path, SEVERAL) == []
    ((severity, kind, _),) = findings(tmp_path, SEVERAL, zonemd_missing="error")
    assert (severity, kind) == ("error", "zonemd-missing")


def test_a_mismatch_may_be_overlooked(tmp_path: Path) -> None:
    wrong = SIMPLE.replace("203.0.113.63", "203.0.113.64")
    assert findings(tmp_path, wrong, zonemd_mismatch="off") == []
    assert [one[0] for one in findings(tmp_path, wrong, zonemd_mismatch="warning")] == ["warning"]


def test_a_stripped_zone_cannot_match(tmp_path: Path) -> None:
    digest = f"@ 60 IN ZONEMD 2026010101 1 1 {'ab' * 48}\n"
    whole = examine(tmp_path, "nsec", text("nsec") + digest)
    assert ("warning", "zonemd-incomplete") in whole.classes  # nobody signed the ZONEMD
    signature = "@ 60 IN RRSIG ZONEMD 13 2 60 20370101000000 20260101000000 1 nsec.example. AAAA\n"
    signed = text("nsec") + digest + signature
    assert ("error", "zonemd-mismatch") in examine(tmp_path, "nsec", signed).classes
    stripped = examine(tmp_path, "nsec", without(signed, "mail.", "RRSIG A"))
    assert ("warning", "zonemd-incomplete") in stripped.classes
    assert not stripped.says("zonemd-mismatch", "")
