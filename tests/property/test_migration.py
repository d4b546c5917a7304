# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of other servers, damaged at random: an error with its place, or one that our loader accepts."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ApplianceError
from appliance.migration import files
from appliance.migration.formats import READERS
from appliance.migration.settle import settle
from appliance.migration.writer import write
from tests.reference import strategies

pytestmark = pytest.mark.property

SECRET = "K2tf3TRjvQkVCmJF3/Z9vA=="
TEXTS = {
    "nsd": f"""server:
 ip-address: 192.0.2.1@53
 identity: "ns 1"
key:
 name: k
 algorithm: hmac-sha256
 secret: "{SECRET}"
pattern:
 name: p
 zonefile: "%1/%s.zone"
 provide-xfr: 192.0.2.0-192.0.2.9 k
 request-xfr: AXFR 2001:db8::1@53 NOKEY
zone:
 name: example.com
 include-pattern: p
 allow-query: 10.0.0.0/8 BLOCKED
""",
    "named": f"""acl a {{ !10/8; any; }}; // comment
key k {{ algorithm hmac-sha256; secret "{SECRET}"; }};
primaries m port 53 {{ 192.0.2.1 key k; }};
options {{ listen-on port 53 {{ 192.0.2.1; }}; allow-transfer {{ a; key k; }}; }};
view v {{
  match-clients {{ {{ !a; any; }}; }};
  zone "example.com" IN {{ type slave; masterfile-format text; file "f"; masters {{ m; }}; }};
}};
""",
    "knot": f"""server:
    listen: [ 192.0.2.1@53, "2001:db8::1" ]
key:
  - id: k
    secret: {SECRET}
remote:
  - id: r
    address: 192.0.2.1@53
    key: k
acl:
  - id: a
    address: [ 192.0.2.1-192.0.2.9 ]
    action: [ transfer, notify ]
template:
  - id: default
    file: "%l[0]/%s.zone"
    acl: a
zone:
  - domain: example.com
    master: r
""",
    "pdns": """launch=bind
bind-config=named.conf
local-address=192.0.2.1,[2001:db8::1]:53
allow-axfr-ips=192.0.2.0/24,!192.0.2.1
also-notify=192.0.2.9:53
""",
}
PIECES = [
    *(
        '"',
        "'",
        "{",
        "}",
        ";",
        ":",
        "[",
        "]",
        ",",
        "#",
        "/*",
        "!",
        "@",
        "-",
        "&",
        "\n",
        " ",
        "\t",
        "\\",
        "%",
        "é",
        "\x01",
    ),
    *("any", "none", "key", "include", "0.0.0.0/0", "::", "99999999999", "- id: x"),
]
_PLACE = re.compile(r"/old\.conf(:\d+)?: |^--public|the configuration that was made")

edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(["", *PIECES])), min_size=1, max_size=4)


@pytest.mark.parametrize("program", TEXTS)
@strategies.deterministic
@given(changes=edits)
def test_damaged_configurations(program: str, changes: list[tuple[float, int, str]]) -> None:
    text = TEXTS[program]
    for at, lost, put in changes:
        place = int(at * len(text))
        text = text[:place] + put + text[place + (lost if not put else 0) :]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "old.conf"
        file.write_text(text)
        (Path(folder) / "named.conf").write_text('zone "example.com" { type native; file "f"; };\n')
        said = ""
        try:
            written = write(settle(READERS[program](file), ()))
        except ApplianceError as error:
            said = str(error)
        else:
            files.check(written)
            assert SECRET not in written.text
        assert not said or _PLACE.search(said), said
        assert SECRET not in said
