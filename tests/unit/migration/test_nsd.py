# SPDX-License-Identifier: GPL-3.0-or-later
"""Each statement of nsd.conf that is taken over, and how."""

from pathlib import Path

import pytest

from tests.unit.migration.carrying import SECRET, carried

pytestmark = pytest.mark.unit

KEY = f'key:\n name: k\n algorithm: sha512\n secret: "{SECRET}"\n'


def zone(text: str, name: str = "example.com") -> str:
    return f'zone:\n name: "{name}"\n zonefile: f\n{text}'


def test_addresses_names_and_limits(tmp_path: Path) -> None:
    made = carried(
        tmp_path,
        "nsd",
        'server:\n ip-address: 192.0.2.1 servers="1"\n interface: 2001:db8::1@53 port: 53\n ip-address: eth0\n'
        " identity: \"ns 1\"\n version: 'a b'\n tcp-count: 7\n tcp-timeout: 3\n tcp-query-count: 9\n"
        " ipv4-edns-size: 1232\n ipv6-edns-size: 1220\n nsid: aabb\n",
    )
    assert made.config.listen.addresses == ("192.0.2.1", "2001:db8::1")
    assert (made.config.server.identity, made.config.server.version) == ("ns 1", "a b")
    listen = made.config.listen
    assert (listen.tcp_max_connections, listen.tcp_idle_timeout_s, listen.tcp_queries_per_connection) == (7, 3, 9)
    assert made.config.limits.edns_size == 1220
    assert {"nsid", "ip-address eth0"} <= made.not_carried.keys()
    assert any(what.startswith("ip-address 192.0.2.1 servers") for what in made.not_carried)


@pytest.mark.parametrize(
    ("text", "addresses", "port"),
    [
        ("", ("0.0.0.0", "::"), 53),
        (" port: 5300\n", ("0.0.0.0", "::"), 5300),
        (" do-ip6: no\n", ("0.0.0.0",), 53),
        (" do-ip4: no\n", ("::",), 53),
        (" ip-address: eth0\n", ("127.0.0.1", "::1"), 53),
        (" ip-address: 192.0.2.1@5353\n ip-address: 192.0.2.2\n", ("192.0.2.2",), 53),
        (" ip-address: 192.0.2.1@5353\n", ("192.0.2.1",), 5353),
        (" ip-address: 0.0.0.0\n ip-address: 192.0.2.1\n", ("0.0.0.0",), 53),
    ],
)
def test_where_it_listens(text: str, addresses: tuple[str, ...], port: int, tmp_path: Path) -> None:
    """Where no address can be taken over, nothing is opened to the world."""
    made = carried(tmp_path, "nsd", f"server:\n verbosity: 1\n{text}")
    assert (made.config.listen.addresses, made.config.listen.port) == (addresses, port)


def test_hidden_names_stay_hidden(tmp_path: Path) -> None:
    made = carried(tmp_path, "nsd", "server:\n identity: a\n version: b\n hide-version: yes\n hide-identity: yes\n")
    assert (made.config.server.identity, made.config.server.version) == ("", "")


@pytest.mark.parametrize(
    ("folders", "file"),
    [
        (' zonesdir: "/a/b"\n', "/a/b/f"),
        (' zonesdir: "/a/b"\n chroot: "/a"\n', "/a/b/f"),
        (' zonesdir: "b"\n chroot: "/a/"\n', "/a/b/f"),
        ("", "/etc/nsd/f"),
    ],
)
def test_where_zone_files_are(folders: str, file: str, tmp_path: Path) -> None:
    made = carried(tmp_path, "nsd", f"server:\n verbosity: 0\n{folders}{zone('')}")
    assert made.zone("example.com").file == file


def test_patterns_give_their_files_and_lists(tmp_path: Path) -> None:
    made = carried(
        tmp_path,
        "nsd",
        f'server: zonesdir: "/z"\n{KEY}'
        'pattern:\n name: base\n zonefile: "%s.zone"\n provide-xfr: 192.0.2.0/24 k\n'
        "pattern:\n name: more\n include-pattern: base\n notify: 192.0.2.9@5300 k\n outgoing-interface: 192.0.2.77\n"
        'pattern:\n name: odd\n zonefile: "%1/%s"\n'
        "zone:\n name: a.example\n include-pattern: more\n allow-notify: 2001:db8::/32 NOKEY\n"
        "zone:\n name: B.example\n include-pattern: base\n"
        "zone:\n name: c.example\n include-pattern: odd\n",
    )
    patterns = {one.name: one for one in made.config.pattern}
    assert patterns["base"].file == "/z/{zone}.zone"
    assert patterns["odd"].file == ""
    a, b, c = (made.zone(name) for name in ("a.example", "B.example", "c.example"))
    assert (a.pattern, a.file, b.pattern, b.file, c.file) == (
        "more", "/z/a.example.zone", "base", "/z/B.example.zone", "/z/c/c.example",
    )  # fmt: skip
    assert made.acls[a.allow_transfer[0]] == (("192.0.2.0/24",), ("k",))
    assert made.acls[a.allow_notify[0]] == (("2001:db8::/32",), ())
    (told,) = made.config.remote
    assert (told.addresses, told.port, told.key, told.source) == (("192.0.2.9",), 5300, "k", "192.0.2.77")
    assert a.notify == (told.name,)


@pytest.mark.parametrize(
    ("line", "acl"),
    [
        ("provide-xfr: 192.0.2.1 NOKEY", (("192.0.2.1",), ())),
        ("provide-xfr: 192.0.2.1 k", (("192.0.2.1",), ("k",))),
        ("provide-xfr: 192.0.2.77/24 NOKEY", (("192.0.2.0/24",), ())),
        ("provide-xfr: 192.0.2.0&255.255.255.0 NOKEY", (("192.0.2.0/24",), ())),
        ("provide-xfr: 192.0.2.4-192.0.2.9 NOKEY", (("192.0.2.4/30", "192.0.2.8/31"), ())),
        ("provide-xfr: ::0/0 k", (("::/0",), ("k",))),
        ("provide-xfr: 192.0.2.1@5300 NOKEY", None),
        ("provide-xfr: 192.0.2.1 nokeythere", None),
        ("provide-xfr: 192.0.2.1 k tls", None),
        ("provide-xfr: 192.0.2.0/24 NOKEY\n provide-xfr: 192.0.2.5 BLOCKED", None),
        ("provide-xfr: 192.0.2.1 NOKEY\n provide-xfr: 198.51.100.0/24 BLOCKED", (("192.0.2.1",), ())),
    ],
)
def test_who_may_fetch(line: str, acl: object, tmp_path: Path) -> None:
    """Nobody is let in who was not: what cannot be said here lets nobody in."""
    made = carried(tmp_path, "nsd", f"{KEY}{zone(f' {line}')}")
    given = made.zone("example.com").allow_transfer
    assert [made.acls[name] for name in given] == ([acl] if acl else [])
    assert len(made.acls) == len(given)


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        ("allow-query: 10.0.0.0/8 NOKEY", True),
        ("allow-query: 0.0.0.0/0 NOKEY", True),
        ("allow-query: 0.0.0.0/0 NOKEY\n allow-query: ::0/0 NOKEY", False),
        ("allow-query: 0.0.0.0/0 k\n allow-query: ::0/0 k", True),
        ("allow-query: 0.0.0.0/0 NOKEY\n allow-query: ::0/0 NOKEY\n allow-query: 10.0.0.0/8 BLOCKED", True),
    ],
)
def test_who_may_ask(line: str, left_out: bool, tmp_path: Path) -> None:
    made = carried(tmp_path, "nsd", f"{KEY}{zone(f' {line}')}")
    assert ("example.com" in made.left) is left_out
    assert not left_out or f"{tmp_path}/old.conf:8" in made.left["example.com"]
    assert len(carried(tmp_path, "nsd", f"{KEY}{zone(f' {line}')}", ["example.com"]).config.zone) == 1


def test_where_zones_come_from(tmp_path: Path) -> None:
    text = " request-xfr: AXFR 192.0.2.1 k\n request-xfr: 2001:db8::1@5300 NOKEY\n request-xfr: 192.0.2.2 k auth\n"
    made = carried(tmp_path, "nsd", f"{KEY}tls-auth:\n name: auth\n auth-domain-name: x\n{zone(text)}")
    found = {one.name: (one.port, one.key, one.transport) for one in made.config.remote}
    assert found == {
        "192.0.2.1": (53, "k", "tcp"),
        "2001:db8::1": (5300, "", "tcp"),
        "192.0.2.2": (853, "k", "tls"),
    }
    assert made.zone("example.com").primaries == tuple(found)
    assert "makes no transfers" in made.not_carried["request-xfr AXFR 192.0.2.1 k"]
    assert made.line("request-xfr AXFR 192.0.2.1 k") == 11


def test_a_zone_without_a_file_is_left_out(tmp_path: Path) -> None:
    made = carried(tmp_path, "nsd", "zone:\n name: example.com\n request-xfr: 192.0.2.1 NOKEY\n")
    assert "has no zonefile" in made.left["example.com"]


def test_zones_that_were_added_while_it_ran(tmp_path: Path) -> None:
    (tmp_path / "zone.list").write_text("# NSD zone list\n# name pattern\nadd one.example p\nadd two.example p\n")
    made = carried(
        tmp_path, "nsd", f'server: zonelistfile: "{tmp_path}/zone.list" zonesdir: /z\npattern: name: p zonefile: %s\n'
    )
    assert [(zone.name, zone.file) for zone in made.config.zone] == [
        ("one.example", "/z/one.example"),
        ("two.example", "/z/two.example"),
    ]


@pytest.mark.parametrize("algorithm", ["md5", "hmac-md5", "hmac-md5.sig-alg.reg.int", "blake2"])
def test_keys_that_are_not_accepted(algorithm: str, tmp_path: Path) -> None:
    """What they signed is not granted without them."""
    text = f"key:\n name: old\n algorithm: {algorithm}\n secret: {SECRET}\n"
    grants = " provide-xfr: 192.0.2.1 old\n notify: 192.0.2.2 old\n"
    made = carried(tmp_path, "nsd", f"{text}{zone(grants)}")
    assert (made.config.key, made.config.acl, made.config.remote) == ((), (), ())
    assert "RFC 8945" in made.not_carried["key old"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rrl-ratelimit: 200", "limits no response rates"),
        ("answer-cookie: yes", "no DNS cookies"),
        ("xfrdfile: x", "state_dir"),
        ("username: nsd", "systemd"),
        ("some-new-key: 3", "no key for it here"),
    ],
)
def test_what_is_not_carried_says_why(name: str, said: str, tmp_path: Path) -> None:
    made = carried(tmp_path, "nsd", f"# first\nserver:\n {name}\n")
    what = name.partition(":")[0]
    assert said in made.not_carried[what]
    assert made.line(what) == 3


def test_included_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in (2, 1):
        (tmp_path / "d" / f"{number}.conf").write_text(zone("", f"z{number}.example"))
    (tmp_path / "options").write_text(" identity: inside\n")
    made = carried(tmp_path, "nsd", f'server:\n include: "{tmp_path}/options"\n version: v\ninclude: "d/*.conf"\n')
    assert [one.name for one in made.config.zone] == ["z1.example", "z2.example"]
    assert (made.config.server.identity, made.config.server.version) == ("inside", "v")
