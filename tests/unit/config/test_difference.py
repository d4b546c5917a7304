# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two configurations, in words and as data, and what of it waits for a restart."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.config.difference import RESTART, changes, runnable, settings_of_zones
from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.config.sections import TABLES

pytestmark = pytest.mark.unit

BEFORE = """
[listen]
port = 5300
[[key]]
name = "k."
secret_file = "k.key"
[[remote]]
name = "r"
addresses = ["192.0.2.1"]
[[acl]]
name = "a"
addresses = ["192.0.2.0/24"]
[[pattern]]
name = "p"
file = "{zone}.zone"
[[pattern]]
file = "list/{zone}"
zones = "list.txt"
[[zone]]
name = "example."
pattern = "p"
"""
CASES = {
    # What is edited, and what is said of it.
    "a key": (("port = 5300", "port = 5301"), ["[listen]: port 5300 becomes 5301"]),
    "a key that was not there": (("[listen]", "[listen]\ntcp_workers = 7"), ["[listen]: tcp_workers 2 becomes 7"]),
    "a default that is written out": (("[listen]", "[listen]\ntcp_workers = 2"), []),
    "a comment": (("[listen]", "# nothing\n[listen]"), []),
    "another key": (('"k."', '"l."'), ["[[key]] l.: new", "[[key]] k.: gone"]),
    "a remote": (('"192.0.2.1"', '"192.0.2.2"'), ['[[remote]] r: addresses ["192.0.2.1"] becomes ["192.0.2.2"]']),
    "an acl": (("192.0.2.0/24", "::/0"), ['[[acl]] a: addresses ["192.0.2.0/24"] becomes ["::/0"]']),
    "a long value": (
        ("192.0.2.0/24", '", "'.join(f"192.0.2.{number}" for number in range(99))),
        ['[[acl]] a: addresses ["192.0.2.0/24"] becomes ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0…'],
    ),
    "a template": (('name = "r"', 'name = "r"\nport = 54'), ["[[remote]] r: port 53 becomes 54"]),
    "the order of tables": ((BEFORE[BEFORE.index("[[key]]") : BEFORE.index("[[remote]]")], ""), ["[[key]] k.: gone"]),
}


def loaded(folder: Path, text: str) -> Config:
    """Return a configuration."""
    file = folder / "appliance.toml"
    file.write_text(text)
    return load_config(file)


@pytest.mark.parametrize("kind", CASES)
def test_words(tmp_path: Path, kind: str) -> None:
    (old, new), words = CASES[kind]
    before, after = loaded(tmp_path, BEFORE), loaded(tmp_path, BEFORE.replace(old, new))
    found = changes(before, after)
    assert [str(one) for one in found] == words
    for one in found:
        assert json.loads(json.dumps(one.described()))["words"] == str(one)
        assert one.described().keys() == {*(field.name for field in fields(one)), "words"}
    assert changes(after, after) == []


def test_every_key_of_every_table_is_told() -> None:
    """Whatever is added to the schema later is compared too."""
    for table, kind in TABLES.items():
        for field in msgspec.structs.fields(kind):
            value: Any = "another" if isinstance(field.default, str) else (not field.default)
            other = msgspec.structs.replace(kind(), **{field.name: value})
            (found,) = changes(Config(), msgspec.structs.replace(Config(), **{table: other}))
            assert (found.table, found.key) == (table, field.encode_name)


def test_settings_of_a_zone(tmp_path: Path) -> None:
    before = loaded(tmp_path, BEFORE)
    after = loaded(tmp_path, BEFORE.replace('file = "{zone}.zone"', 'file = "{zone}.zone"\nallow_transfer = ["a"]'))
    assert settings_of_zones(before, after) == [b"\7example\0"]
    assert [str(one) for one in changes(before, after)] == ['[[pattern]] p: allow_transfer [] becomes ["a"]']
    assert settings_of_zones(before, loaded(tmp_path, BEFORE.replace('"example."', '"EXAMPLE"'))) == []


@pytest.mark.parametrize("key", RESTART)
def test_what_waits_for_a_restart(key: str) -> None:
    table, _, name = key.partition(".")
    other = msgspec.structs.replace(Config().server, **{name: "/another", "identity": "new"})
    now, waiting = runnable(Config(), msgspec.structs.replace(Config(), server=other))
    assert table == "server"
    assert getattr(now.server, name) == getattr(Config().server, name)
    assert now.server.identity == "new"
    (one,) = waiting
    assert (one.key, one.wanted) == (key, "/another")
    assert str(one).startswith(f"needs a restart: {key} ")
    assert one.described()["reason"] == RESTART[key]
    assert runnable(now, now) == (now, [])
