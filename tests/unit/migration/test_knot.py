# SPDX-License-Identifier: GPL-3.0-or-later
"""Each statement of knot.conf that is taken over, and how."""

from pathlib import Path

import pytest

from tests.unit.migration.carrying import SECRET, carried

pytestmark = pytest.mark.unit

KEY = f"key:\n  - id: k\n    algorithm: hmac-sha384\n    secret: {SECRET}\n"
ZONE = "zone:\n  - domain: example.com\n    file: f\n"


def test_server(tmp_path: Path) -> None:
    made = carried(
        tmp_path,
        "knot",
        'server:\n    listen: [ 192.0.2.1@53, "2001:db8::1" ] # two\n    listen: /run/knot.sock\n    identity: "n 1"\n'
        "    version: v\n    tcp-max-clients: 9\n    tcp-idle-timeout: 4\n    udp-max-payload-ipv4: 1300\n"
        "    udp-max-payload-ipv6: 1220\n    nsid: ab\n    udp-workers: 3\n",
    )
    listen = made.config.listen
    assert (listen.addresses, listen.port) == (("192.0.2.1", "2001:db8::1"), 53)
    assert (listen.tcp_max_connections, listen.tcp_idle_timeout_s) == (9, 4)
    assert (made.config.server.identity, made.config.server.version) == ("n 1", "v")
    assert made.config.limits.edns_size == 1220
    assert {"nsid", "udp-workers", "listen /run/knot.sock"} <= made.not_carried.keys()
    assert made.line("udp-workers") == 11


def test_without_listen_only_loopback_is(tmp_path: Path) -> None:
    made = carried(tmp_path, "knot", ZONE)
    assert made.config.listen.addresses == ("127.0.0.1", "::1")
    assert "addresses" in made.not_carried


def test_templates_give_what_zones_do_not_say(tmp_path: Path) -> None:
    made = carried(
        tmp_path,
        "knot",
        f"{KEY}remote:\n  - id: up\n    address: [ 192.0.2.1@5300, 192.0.2.2 ]\n    key: k\n    via: 192.0.2.77\n"
        "remotes:\n  - id: all\n    remote: [ up, down ]\n"
        "remote:\n  - id: down\n    address: 2001:db8::1\n"
        "template:\n  - id: default\n    storage: /z\n    notify: down\n  - id: t\n    storage: /t\n    file: x-%s.y\n"
        "zone:\n  - domain: a.example\n  - domain: B.example.\n    template: t\n"
        "  - domain: c.example\n    master: all\n    file: own\n    storage: /c\n    notify: up\n",
    )
    patterns = {one.name: (one.file, one.notify) for one in made.config.pattern}
    assert patterns == {"default": ("/z/{zone}.zone", ("down",)), "t": ("/t/x-{zone}.y", ())}
    a, b, c = (made.zone(name) for name in ("a.example", "B.example", "c.example"))
    assert (a.pattern, a.file, a.notify) == ("default", "/z/a.example.zone", ("down",))
    assert (b.pattern, b.file, b.notify) == ("t", "/t/x-b.example.y", ())
    assert (c.pattern, c.file, c.primaries, c.notify) == ("", "/c/own", ("up", "up-2", "down"), ("up", "up-2"))
    found = {one.name: (one.addresses, one.port, one.key, one.source) for one in made.config.remote}
    assert found == {
        "down": (("2001:db8::1",), 53, "", ""),
        "up": (("192.0.2.1",), 5300, "k", "192.0.2.77"),
        "up-2": (("192.0.2.2",), 53, "k", "192.0.2.77"),
    }


@pytest.mark.parametrize(
    ("file", "zone", "path"),
    [
        ("%s", "example.com.", "/z/example.com"),
        ("%s.zone", "Example.COM", "/z/example.com.zone"),
        ("%s.zone", ".", "/z/.zone"),
        ("%c[0]/%c[0-1]/%s", "abc.x", "/z/a/ab/abc.x"),
        ("%l[0]/%l[1]/%l[5]x", "a.b.c", "/z/c/b/x"),
        ("/abs/%s%%", "a.b", "/abs/a.b%"),
    ],
)
def test_zone_files(file: str, zone: str, path: str, tmp_path: Path) -> None:
    made = carried(tmp_path, "knot", f'zone:\n  - domain: "{zone}"\n    storage: /z\n    file: "{file}"\n')
    assert made.config.zone[0].file == path


@pytest.mark.parametrize(
    ("acl", "granted"),
    [
        ("address: 192.0.2.1\n    action: transfer", (("192.0.2.1",), ())),
        ("address: [ 192.0.2.1, 10.0.0.0/8 ]\n    key: k\n    action: [ transfer, notify ]",
         (("192.0.2.1", "10.0.0.0/8"), ("k",))),
        ("address: 192.0.2.4-192.0.2.5\n    action: transfer", (("192.0.2.4/31",), ())),
        ("action: transfer", (("0.0.0.0/0", "::/0"), ())),
        ("remote: up\n    action: transfer", (("192.0.2.9",), ("k",))),
        ("address: 192.0.2.1\n    action: notify", None),
        ("address: 192.0.2.1\n    action: transfer\n    cert-key: abc", None),
        ("address: 192.0.2.1\n    action: transfer\n    comment: abc", (("192.0.2.1",), ())),
        ("address: 192.0.2.1\n    action: update", None),
        ("address: 192.0.2.1\n    action: transfer\n    deny: on", None),
        ("address: 192.0.2.1\n    key: missing\n    action: transfer", None),
    ],
)  # fmt: skip
def test_who_may_fetch(acl: str, granted: object, tmp_path: Path) -> None:
    remote = "remote:\n  - id: up\n    address: 192.0.2.9\n    key: k\n"
    text = f"{KEY}{remote}acl:\n  - id: one\n    {acl}\n{ZONE}    acl: one\n"
    made = carried(tmp_path, "knot", text)
    given = made.zone("example.com").allow_transfer
    assert [made.acls[name] for name in given] == ([granted] if granted else [])


def test_what_is_denied_first_lets_nobody_in(tmp_path: Path) -> None:
    text = (
        "acl:\n  - id: no\n    address: 192.0.2.7\n    deny: on\n    action: transfer\n"
        "  - id: yes\n    address: 192.0.2.0/24\n"
        f"    action: transfer\n{ZONE}    acl: [ no, yes ]\n"
    )
    made = carried(tmp_path, "knot", text)
    assert made.zone("example.com").allow_transfer == ()
    assert "nobody is let in" in made.not_carried["acl yes"]


def test_remotes_and_acls_that_no_zone_names(tmp_path: Path) -> None:
    made = carried(
        tmp_path,
        "knot",
        "remote:\n  - id: r\n    address: 192.0.2.1\n"
        "acl:\n  - id: a\n    address: 192.0.2.2\n    action: [ transfer, notify ]\n"
        "  - id: b\n    address: 192.0.2.3\n    deny: on\n  - id: c\n    address: 192.0.2.4\n    action: update\n",
    )
    assert [one.name for one in made.config.remote] == ["r"]
    assert made.acls == {"a": (("192.0.2.2",), ())}


def test_automatic_acl(tmp_path: Path) -> None:
    text = f"server:\n    automatic-acl: on\nremote:\n  - id: r\n    address: 192.0.2.1@5300\n{ZONE}    notify: r\n"
    made = carried(tmp_path, "knot", text)
    assert [made.acls[name] for name in made.zone("example.com").allow_transfer] == [(("192.0.2.1",), ())]
    assert carried(tmp_path, "knot", f"{text}    automatic-acl: off\n").config.acl == ()


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("module: mod-queryacl/x", "lets only some clients ask"),
        ("acl: q", "may keep clients from asking"),
        ("acl: d", "may keep clients from asking"),
        ("dnssec-signing: on", "signs it"),
        ("module: mod-onlinesign", "signs it"),
    ],
)
def test_zones_that_are_left_out(inside: str, said: str, tmp_path: Path) -> None:
    acl = "acl:\n  - id: q\n    address: 10.0.0.0/8\n    action: query\n"
    acl += "  - id: d\n    address: 192.0.2.7\n    deny: on\n"
    text = f"mod-queryacl:\n  - id: x\n    address: 10.0.0.0/8\n{acl}{ZONE}    {inside}\n"
    made = carried(tmp_path, "knot", text)
    assert made.config.zone == ()
    assert said in made.left["example.com"]
    assert f"{tmp_path}/old.conf:" in made.left["example.com"] or "signs" in said
    public = carried(tmp_path, "knot", text, ["example.com"])
    assert len(public.config.zone) == ("signs" not in said)


def test_modules_for_all_zones_count_too(tmp_path: Path) -> None:
    text = f"template:\n  - id: default\n    global-module: [ mod-rrl, mod-queryacl/x ]\n{ZONE}"
    made = carried(tmp_path, "knot", text)
    assert "mod-queryacl/x" in made.left["example.com"]
    assert "limits no response rates" in made.not_carried["template default: mod-rrl"]


@pytest.mark.parametrize(
    ("text", "what", "said"),
    [
        ("log:\n  - target: syslog\n    any: info\n", "log", "journal"),
        ("mod-cookies:\n  - id: d\n    secret-lifetime: 3\n", "mod-cookies d", "no DNS cookies"),
        (f"{ZONE}    serial-policy: unixtime\n", "zone example.com: serial-policy", "does not sign"),
        (f"{ZONE}    odd-thing: 1\n", "zone example.com: odd-thing", "no key for it here"),
        (f"{ZONE}    catalog-role: member\n", "zone example.com: catalog-role", "no catalog zones"),
    ],
)
def test_what_is_not_carried_says_why(text: str, what: str, said: str, tmp_path: Path) -> None:
    assert said in carried(tmp_path, "knot", text).not_carried[what]


def test_included_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in (2, 1):
        (tmp_path / "d" / f"{number}").write_text(f"zone:\n  - domain: z{number}.example\n")
    (tmp_path / "e.conf").write_text("zone:\n  - domain: e.example\n")
    made = carried(tmp_path, "knot", 'include: "d"\ninclude: e.*\nserver:\n    listen: 192.0.2.1\n')
    assert [one.name for one in made.config.zone] == ["z1.example", "z2.example", "e.example"]
