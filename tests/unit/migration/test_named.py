# SPDX-License-Identifier: GPL-3.0-or-later
"""Each statement of named.conf that is taken over, and how."""

from pathlib import Path

import pytest

from appliance.errors import ConfigError
from tests.unit.migration.carrying import SECRET, Carried, carried

pytestmark = pytest.mark.unit

KEY = f'key "k" {{ algorithm HMAC-SHA384; secret "{SECRET}"; }};\n'
FILE = 'type primary; file "f";'


def zone(inside: str, name: str = "example.com") -> str:
    return f'zone "{name}" {{ {inside} }};\n'


def made_of(folder: Path, text: str, *public: str) -> Carried:
    return carried(folder, "named", text, public)


def test_options(tmp_path: Path) -> None:
    made = made_of(
        tmp_path,
        'options { directory "/z"; version "v 1"; server-id "n"; tcp-clients 9; max-udp-size 4096; hostname none;\n'
        "listen-on port 5300 { 192.0.2.1; 192.0.2.2; }; listen-on-v6 port 5300 { 2001:db8::1; }; };\n"
        + zone('type master; file "sub/f";'),
    )
    assert (made.config.server.version, made.config.server.identity) == ("v 1", "n")
    assert made.config.listen.addresses == ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    assert (made.config.listen.port, made.config.listen.tcp_max_connections) == (5300, 9)
    assert made.config.limits.edns_size == 1452
    assert "max-udp-size 4096" in made.not_carried
    assert made.zone("example.com").file == "/z/sub/f"


@pytest.mark.parametrize(
    ("text", "addresses", "port"),
    [
        ("", ("0.0.0.0", "::"), 53),
        ("port 5300;", ("0.0.0.0", "::"), 5300),
        ("listen-on { any; };", ("0.0.0.0", "::"), 53),
        ("listen-on-v6 { any; };", ("0.0.0.0", "::"), 53),
        ("listen-on-v6 { none; };", ("0.0.0.0",), 53),
        ("listen-on { none; };", ("::",), 53),
        ("listen-on { 127.0.0.1; }; listen-on-v6 { none; };", ("127.0.0.1",), 53),
        ("listen-on { none; }; listen-on-v6 { none; };", ("127.0.0.1", "::1"), 53),
        ("listen-on { 10/8; }; listen-on-v6 { none; };", ("127.0.0.1", "::1"), 53),
        ("listen-on { !10.0.0.1; any; }; listen-on-v6 { none; };", ("127.0.0.1", "::1"), 53),
        ("listen-on { localhost; }; listen-on-v6 { none; };", ("127.0.0.1", "::1"), 53),
        ("listen-on port 5300 { 192.0.2.1; };", ("192.0.2.1",), 5300),
        ("listen-on port 853 tls x { any; }; listen-on { 192.0.2.1; }; listen-on-v6 { none; };", ("192.0.2.1",), 53),
    ],
)
def test_where_it_listens(text: str, addresses: tuple[str, ...], port: int, tmp_path: Path) -> None:
    made = made_of(tmp_path, f"options {{ {text} }};")
    assert (made.config.listen.addresses, made.config.listen.port) == (addresses, port)


ACLS = "acl inner { 10/8; 192.168.0.0/16; };\nacl all { any; };\nacl both { inner; all; };\n"


@pytest.mark.parametrize(
    ("options", "view", "inside", "is_left_out"),
    [
        ("", "", "", False),
        ("allow-query { any; };", "", "", False),
        ("allow-query { inner; };", "", "", True),
        ("allow-query { inner; };", "", "allow-query { any; };", False),
        ("allow-query { inner; };", "allow-query { any; };", "", False),
        ("", "allow-query { inner; };", "", True),
        ("", "allow-query { inner; };", "allow-query { 0.0.0.0/0; ::/0; };", False),
        ("", "", "allow-query { 0.0.0.0/0; };", True),
        ("", "", "allow-query { none; };", True),
        ("", "", "allow-query { };", True),
        ("", "", "allow-query { both; };", False),
        ("", "", "allow-query { !10.0.0.1; any; };", True),
        ("", "", "allow-query { !none; any; };", False),
        ("", "", "allow-query { localnets; };", True),
        ("", "", "allow-query { key k; };", True),
        ("", "", "allow-query { key k; any; };", False),
        ("", "", "allow-query { geoip country NL; };", True),
        ("", "", "allow-query-on { 192.0.2.1; };", True),
        ("allow-query-on { any; };", "", "", False),
        ("", "match-clients { any; };", "", False),
        ("", "match-clients { inner; };", "", True),
        ("", "match-clients { !inner; any; };", "", True),
        ("", "match-clients { key k; };", "", True),
        ("", "match-destinations { 192.0.2.1; };", "", True),
        ("", "match-recursive-only yes;", "", True),
        ("", "match-recursive-only no;", "", False),
    ],
)  # fmt: skip
def test_who_may_ask(options: str, view: str, inside: str, is_left_out: bool, tmp_path: Path) -> None:
    """What only some clients may ask for is left out: nothing internal gets published by an import."""
    text = zone(f"{FILE} {inside}")
    if view:
        text = f"view v {{ {view}\n{text}}};"
    text = f"{KEY}{ACLS}options {{ {options} }};\n{text}"
    made = made_of(tmp_path, text)
    assert ("example.com" in made.left) is is_left_out
    assert len(made.config.zone) == (not is_left_out)
    if is_left_out:
        assert f"{tmp_path}/old.conf:" in made.left["example.com"]
        assert "--public example.com" in made.left["example.com"]
    assert len(made_of(tmp_path, text, "example.com").config.zone) == 1


def test_a_zone_of_two_views(tmp_path: Path) -> None:
    text = (
        'view in { match-clients { 10/8; }; zone "a.example" { type primary; file "inside"; }; };\n'
        'view out { zone "a.example" { type primary; file "outside"; }; };\n'
    )
    assert made_of(tmp_path, text).zone("a.example").file == f"{tmp_path}/outside"
    assert made_of(tmp_path, text, "a.example@in").zone("a.example").file == f"{tmp_path}/inside"
    shut = text.replace("view out {", "view out { match-clients { 11/8; };")
    with pytest.raises(ConfigError, match=r"in 2 views; say --public a\.example@in or --public a\.example@out"):
        made_of(tmp_path, shut, "a.example")
    assert made_of(tmp_path, shut, "a.example@out").zone("a.example").file == f"{tmp_path}/outside"


def test_in_view(tmp_path: Path) -> None:
    inner = f"view in {{ match-clients {{ 10/8; }}; {zone(FILE)} }};\n"
    assert made_of(tmp_path, inner + 'view out { zone "example.com" { in-view in; }; };').left == {}
    hidden = 'view out { match-clients { 11/8; }; zone "example.com" { in-view in; }; };'
    assert "example.com" in made_of(tmp_path, inner + hidden).left


@pytest.mark.parametrize(
    ("match", "acls"),
    [
        ("any;", [(("0.0.0.0/0", "::/0"), ())]),
        ("none;", []),
        ("192.0.2.1; 2001:db8::/32; 10/8;", [(("192.0.2.1", "2001:db8::/32", "10.0.0.0/8"), ())]),
        ("key k;", [((), ("k",))]),
        ("192.0.2.1; key k;", [(("192.0.2.1",), ()), ((), ("k",))]),
        ("inner;", [(("10.0.0.0/8", "192.168.0.0/16"), ())]),
        ("{ 192.0.2.1; { 192.0.2.2; }; };", [(("192.0.2.1", "192.0.2.2"), ())]),
        ("localhost;", []),
        ("!192.0.2.1; any;", []),
        ("!10.0.0.1; 192.0.2.1;", [(("192.0.2.1",), ())]),
        ("!{ !10/8; any; }; key k;", []),
        ("!localhost; 192.0.2.1;", []),
        ("key missing;", []),
    ],
)
def test_who_may_fetch(match: str, acls: list[object], tmp_path: Path) -> None:
    made = made_of(tmp_path, f"{KEY}{ACLS}{zone(f'{FILE} allow-transfer {{ {match} }};')}")
    given = made.zone("example.com").allow_transfer
    assert [made.acls[name] for name in given] == acls


@pytest.mark.parametrize("narrow", ["port 853", "transport tls", "port 853 transport tls"])
def test_fetching_by_one_way_only(narrow: str, tmp_path: Path) -> None:
    made = made_of(tmp_path, zone(f"{FILE} allow-transfer {narrow} {{ any; }};"))
    assert (made.config.acl, made.zone("example.com").allow_transfer) == ((), ())
    assert "nobody is let in" in made.not_carried[f"allow-transfer {narrow}"]


def test_lists_that_nothing_names(tmp_path: Path) -> None:
    made = made_of(tmp_path, "acl a { b; }; acl b { 192.0.2.1; }; acl c { b; };\nmasters m { 192.0.2.1; };\n"
                   + zone(f"{FILE} allow-transfer {{ a; }};"))  # fmt: skip
    assert made.not_carried.keys() == {"acl c", "list of servers m", "zone example.com: allow-transfer"}


def test_lists_of_servers(tmp_path: Path) -> None:
    made = made_of(
        tmp_path,
        f'{KEY}masters inner {{ 192.0.2.3; }};\n'
        'primaries "up" port 5300 { 192.0.2.1 key k; 192.0.2.2 port 54; inner; };\n'
        "server 192.0.2.3 { keys { k; }; };\n"
        + zone('type slave; masterfile-format text; file "f"; masters { up; 2001:db8::1 tls x; };'
               " transfer-source 192.0.2.77; allow-notify { 192.0.2.5; }; also-notify { 192.0.2.4; };"),
    )  # fmt: skip
    found = {one.addresses[0]: (one.port, one.key, one.source, one.transport) for one in made.config.remote}
    assert found == {
        "192.0.2.1": (5300, "k", "192.0.2.77", "tcp"),
        "192.0.2.2": (54, "", "192.0.2.77", "tcp"),
        "192.0.2.3": (53, "k", "192.0.2.77", "tcp"),
        "2001:db8::1": (853, "", "", "tls"),
        "192.0.2.4": (53, "", "", "tcp"),
    }
    own = made.zone("example.com")
    assert own.primaries == ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1")
    assert own.notify == ("192.0.2.4",)
    assert [made.acls[name] for name in own.allow_notify] == [(("192.0.2.5",), ())]


@pytest.mark.parametrize("kind", ["hint", "forward", "stub", "static-stub", "redirect", "delegation-only"])
def test_what_is_no_zone_of_ours(kind: str, tmp_path: Path) -> None:
    made = made_of(tmp_path, zone(f'type {kind}; file "f";'))
    assert (made.config.zone, made.left) == ((), {})
    assert f"type {kind}" in made.not_carried["zone example.com"]


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ('type slave; file "f"; masters { 192.0.2.1; };', "own format"),
        ('type secondary; masters { 192.0.2.1; };', "has no file"),
        ('type primary; file "f"; masterfile-format raw;', "own format"),
        ('type mirror; file "f"; masterfile-format text;', "mirror"),
        ('type primary; file "f"; dnssec-policy default;', "signs it"),
        ('type primary; file "f"; inline-signing yes;', "signs it"),
        ('type primary; file "f"; auto-dnssec maintain;', "signs it"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_served(inside: str, said: str, tmp_path: Path) -> None:
    made = made_of(tmp_path, zone(inside))
    assert said in made.left["example.com"]
    assert made.config.zone == ()


def test_a_signed_file_is_served_and_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("@ SOA a b 1 1 1 1 1\n@ rrsig soa ...\n")
    made = made_of(tmp_path, zone(f"{FILE} dnssec-policy default;"))
    assert made.left == {}
    assert "nobody here renews them" in made.not_carried["zone example.com: dnssec-policy"]


@pytest.mark.parametrize("inside", ["dnssec-policy none;", "inline-signing no;", "auto-dnssec off;"])
def test_what_is_not_signed_there(inside: str, tmp_path: Path) -> None:
    assert made_of(tmp_path, zone(f"{FILE} {inside}")).left == {}


def test_other_classes_are_not_served(tmp_path: Path) -> None:
    made = made_of(tmp_path, 'zone "version.bind" CH { type primary; file "f"; };\n' + zone(FILE))
    assert len(made.config.zone) == 1
    assert "class IN" in made.not_carried["zone version.bind"]


def test_views_of_other_classes_are_not_served(tmp_path: Path) -> None:
    made = made_of(tmp_path, f"view v CH {{ {zone(FILE)} }};\n")
    assert made.config.zone == ()
    assert "class IN" in made.not_carried["view v"]


def test_keys_of_one_name_in_two_views(tmp_path: Path) -> None:
    """Who has the key of one view must not get in with it where that of the other is asked for."""
    views = "".join(
        f'view {name} {{ key k {{ algorithm hmac-sha256; secret "{secret}"; }}; '
        f"{zone(FILE + ' allow-transfer { key k; };', f'{name}.example')} }};\n"
        for name, secret in (("a", "aaaa"), ("b", SECRET))
    )
    made = made_of(tmp_path, views)
    assert (made.config.key, made.config.acl) == ((), ())
    assert len(made.config.zone) == 2
    assert "another key has the same name" in made.not_carried["key k"]
    assert len(made_of(tmp_path, views.replace("aaaa", SECRET)).config.key) == 1


def test_zones_with_files_alike_share_a_pattern(tmp_path: Path) -> None:
    zones = "".join(zone(f'type primary; file "d/db.{name}";', name) for name in ("a.x", "b.x", "c.x"))
    odd = zone('type primary; file "d/other";', "d.x")
    made = made_of(tmp_path, f"{zones}{odd}")
    (pattern,) = made.config.pattern
    assert pattern.file == f"{tmp_path}/d/db.{{zone}}"
    assert [one.pattern for one in made.config.zone] == [pattern.name] * 3 + [""]
    assert made.zone("b.x").file == f"{tmp_path}/d/db.b.x"


@pytest.mark.parametrize(
    ("text", "what", "said"),
    [
        ("options { rate-limit { responses-per-second 5; }; };", "rate-limit", "limits no response rates"),
        ("options { answer-cookie yes; };", "answer-cookie", "no DNS cookies"),
        ("options { recursion yes; };", "recursion", "resolver"),
        ("controls { };", "controls", "control.md"),
        ("options { odd-thing 1; };", "odd-thing", "no key for it here"),
        (f"{zone(FILE + ' allow-update { any; };')}", "zone example.com: allow-update", "dynamic updates"),
    ],
)
def test_what_is_not_carried_says_why(text: str, what: str, said: str, tmp_path: Path) -> None:
    made = made_of(tmp_path, f"// first\n{text}\n")
    assert said in made.not_carried[what]
    assert made.line(what) == 2


def test_comments_quotes_and_includes(tmp_path: Path) -> None:
    (tmp_path / "more").write_text(zone(FILE, "b.example"))
    text = f'/* zone "x" {{ }} */ # {{\n// }}\n{zone(FILE, "a.example")}include "more"; zone c.example in {{{FILE}}};'
    assert [one.name for one in made_of(tmp_path, text).config.zone] == ["a.example", "b.example", "c.example"]
