# SPDX-License-Identifier: GPL-3.0-or-later
"""Each setting of pdns.conf that is taken over, and how; zones are those of its bind backend."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import ConfigError
from tests.unit.migration.carrying import Carried, carried

pytestmark = pytest.mark.unit

ZONES = 'options { directory "/z"; };\nzone "example.com" { type native; file "f"; };\n'


def made_of(folder: Path, text: str = "", zones: str = ZONES) -> Carried:
    (folder / "named.conf").write_text(zones)
    return carried(folder, "pdns", f"launch=bind\nbind-config={folder}/named.conf\n{text}")


def test_settings(tmp_path: Path) -> None:
    made = made_of(
        tmp_path,
        "local-address=192.0.2.1, [2001:db8::1]:5300 192.0.2.2:5300\nlocal-port = 5300 # not 53\nserver-id=n\n"
        'version-string="v"\nmax-tcp-connections=9\ntcp-idle-timeout=4\nudp-truncation-threshold=1220\n'
        "allow-axfr-ips=192.0.2.0/24,2001:db8::1\nalso-notify=192.0.2.9:54\ncache-ttl=3\n",
    )
    listen = made.config.listen
    assert (listen.addresses, listen.port) == (("192.0.2.1", "2001:db8::1", "192.0.2.2"), 5300)
    assert (listen.tcp_max_connections, listen.tcp_idle_timeout_s) == (9, 4)
    assert (made.config.server.identity, made.config.server.version) == ("n", "v")
    assert made.config.limits.edns_size == 1220
    zone = made.zone("example.com")
    assert zone.file == "/z/f"
    assert [made.acls[name] for name in zone.allow_transfer] == [(("192.0.2.0/24", "2001:db8::1"), ())]
    assert [(one.addresses, one.port) for one in made.config.remote] == [(("192.0.2.9",), 54)]
    assert made.line("cache-ttl") == 12


def test_defaults(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    assert (made.config.listen.addresses, made.config.listen.port) == (("0.0.0.0", "::"), 53)
    assert made.acls == {"allow-axfr-ips": (("127.0.0.0/8", "::1"), ())}


def test_where_nobody_may_fetch(tmp_path: Path) -> None:
    assert made_of(tmp_path, "disable-axfr=yes\nallow-axfr-ips=192.0.2.1\n").config.acl == ()


@pytest.mark.parametrize(
    ("zone", "is_served"),
    [
        ('type master; file "f";', True),
        ('type slave; file "f"; masters { 192.0.2.1; };', True),
        ("type slave; masters { 192.0.2.1; };", False),
        ('type primary; file "f"; allow-query { 10/8; };', False),
    ],
)
def test_zones(zone: str, is_served: bool, tmp_path: Path) -> None:
    made = made_of(tmp_path, zones=f'zone "a.example" {{ {zone} }};')
    assert bool(made.config.zone) is is_served
    assert bool(made.left) is not is_served


def test_included_folder_and_added_backends(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "named.conf").write_text(ZONES)
    (tmp_path / "d" / "bind.conf").write_text(f"launch+=bind\nbind-config={tmp_path}/named.conf\n")
    (tmp_path / "d" / "not.txt").write_text("launch=odd\n")
    made = carried(tmp_path, "pdns", f"launch=\ninclude-dir={tmp_path}/d\n")
    assert made.zone("example.com").file == "/z/f"


def test_zones_that_are_signed_by_keys_in_a_database(tmp_path: Path) -> None:
    """Their files have no signatures: served as they are, validators would refuse them."""
    database = tmp_path / "dnssec.db"
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("CREATE TABLE cryptokeys (id INTEGER, domain TEXT)")
        opened.execute("INSERT INTO cryptokeys VALUES (1, 'Example.com')")
        opened.commit()
    made = made_of(tmp_path, f"bind-dnssec-db={database}\n")
    assert "its keys are in" in made.left["example.com"]
    lost = made_of(tmp_path, f"bind-dnssec-db={tmp_path}/missing.db\n")
    assert "cannot be read" in lost.not_carried["bind-dnssec-db"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("launch=gsqlite3\n", "launch has no bind backend"),
        ("local-port=53\n", "launch has no bind backend"),
        ("launch=bind\n", "bind-config is missing"),
        (
            "launch=bind\nbind-config=/nowhere/named.conf\n",
            "old.conf:2: bind-config: /nowhere/named.conf: cannot be read",
        ),
        ("launch=bind\nnonsense\n", "old.conf:2: error: not `name=value`"),
        ("launch=bind\ninclude-dir=/nowhere\n", "old.conf:2: error: include-dir /nowhere"),
    ],
)
def test_what_is_wrong_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        carried(tmp_path, "pdns", text)
    assert said in str(caught.value)
