# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns as templates, and the keys, remotes and access lists that zones name."""

from pathlib import Path

import pytest

from appliance.config.load import examine, load_config
from appliance.config.schema import Config
from appliance.config.templates import DEPTH
from appliance.served.zone_set import wanted

pytestmark = pytest.mark.unit

PARTS = """
[[key]]
name = "k.example."
secret_file = "k.key"
[[remote]]
name = "r1"
addresses = ["192.0.2.1"]
key = "K.example"
[[remote]]
name = "r2"
addresses = ["2001:db8::1"]
transport = "tls"
[[acl]]
name = "a1"
addresses = ["192.0.2.0/24", "::1"]
[[acl]]
name = "a2"
keys = ["k.example."]
transports = ["tls"]
"""
PATTERNS = """
[[pattern]]
name = "base"
file = "base/{zone}.zone"
primaries = ["r1"]
allow_transfer = ["a1"]
[[pattern]]
name = "more"
include_pattern = ["base"]
primaries = ["r2"]
[[pattern]]
name = "other"
file = "other/{zone}.zone"
"""


def config_of(folder: Path, text: str) -> Config:
    (folder / "a.toml").write_text(PARTS + text)
    return load_config(folder / "a.toml")


def told(folder: Path, text: str) -> list[str]:
    (folder / "a.toml").write_text(PARTS + text)
    return [one.reason for one in examine(folder / "a.toml")[1]]


def test_what_a_zone_takes_over(tmp_path: Path) -> None:
    text = PATTERNS + '[[zone]]\nname = "Example.com."\npattern = "more"\nallow_transfer = ["a2", "a1"]\n'
    (zone,) = config_of(tmp_path, text).zone
    assert zone.file == str(tmp_path / "base" / "example.com.zone")
    assert (zone.primaries, zone.allow_transfer, zone.notify) == (("r1", "r2"), ("a1", "a2"), ())


def test_the_last_pattern_counts_first(tmp_path: Path) -> None:
    both = '[[pattern]]\nname = "both"\ninclude_pattern = ["{}", "{}"]\n[[zone]]\nname = "z."\npattern = "both"\n'
    for first, last in (("more", "other"), ("other", "more")):
        (zone,) = config_of(tmp_path, PATTERNS + both.format(first, last)).zone
        assert zone.file == str(tmp_path / ("other" if last == "other" else "base") / "z.zone")
        assert zone.primaries == ("r1", "r2")


def test_a_template_has_no_zones_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "a.zone").touch()
    assert wanted(config_of(tmp_path, PATTERNS)).zones == {}
    found = wanted(config_of(tmp_path, PATTERNS.replace('"base"\n', '"base"\nzones = "*"\n', 1))).zones
    assert [one.file for one in found.values()] == [str(tmp_path / "base" / "a.zone")]
    (tmp_path / "list").write_text("b.\nc.\n")
    listed = '[[pattern]]\ninclude_pattern = ["other"]\nzones = "list"\n'
    found = wanted(config_of(tmp_path, PATTERNS + listed)).zones
    assert [one.file for one in found.values()] == [str(tmp_path / "other" / f"{name}.zone") for name in "bc"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[zone]]\nname = "z."\npattern = "bsae"\n', "there is no pattern 'bsae'; did you mean 'base'?"),
        ('[[pattern]]\nname = "base"\nfile = "x"\n', "pattern 'base' is there twice"),
        (
            '[[pattern]]\nname = "x"\n[[zone]]\nname = "z."\npattern = "x"\n',
            "[[zone]] z. lacks file, and its pattern has none",
        ),
        ('[[pattern]]\nzones = "list"\n', "[[pattern]] lacks file, and no pattern that it includes has one"),
        ('[[pattern]]\nname = "x"\ninclude_pattern = ["x"]\n', "include_pattern goes in a circle: x → x"),
        (
            '[[pattern]]\nname = "x"\nzones = "*"\nfile = "x"\n',
            "a [[pattern]] without zones needs {zone} in file: which zones is it for?",
        ),
        ('[[pattern]]\nname = "x"\nprimaries = ["r3"]\n', "there is no [[remote]] 'r3'; did you mean 'r2'?"),
        ('[[zone]]\nname = "z."\nfile = "z"\nallow_notify = ["zzz"]\n', "there is no [[acl]] 'zzz'; known are a1, a2"),
        ('[[remote]]\nname = "r1"\naddresses = ["::1"]\n', "remote 'r1' is there twice"),
        ('[[acl]]\nname = "a1"\naddresses = ["::1"]\n', "acl 'a1' is there twice"),
        ('[[key]]\nname = "K.EXAMPLE."\nsecret_file = "x"\n', "key K.EXAMPLE. is there twice"),
        ('[[key]]\nname = "k..x"\nsecret_file = "x"\n', "key name 'k..x': empty label"),
        (
            '[[remote]]\nname = "x"\naddresses = ["::1"]\nkey = "k2.example."\n',
            "there is no [[key]] 'k2.example.'; did you mean 'k.example.'?",
        ),
        (
            '[[remote]]\nname = "x"\naddresses = ["192.0.2.1:53"]\n',
            "'192.0.2.1:53' is not an IPv4 or IPv6 address; the port has a key of its own",
        ),
        (
            '[[remote]]\nname = "x"\naddresses = ["::1"]\nsource = "192.0.2.1"\n',
            "no address of remote x can be reached from 192.0.2.1",
        ),
        (
            '[[acl]]\nname = "x"\n',
            'acl x has neither addresses nor keys: is it for everybody? addresses = ["0.0.0.0/0", "::/0"] says so',
        ),
        (
            '[[acl]]\nname = "x"\naddresses = ["192.0.2.1/24"]\n',
            "192.0.2.1/24 has bits behind its prefix: 192.0.2.0/24 is meant, or a longer prefix",
        ),
        (
            '[[acl]]\nname = "x"\naddresses = ["everybody"]\n',
            "'everybody' is not an address or prefix, such as 192.0.2.0/24",
        ),
        (
            '[[acl]]\nname = "x"\naddresses = ["::1"]\nkeys = ["nobody."]\n',
            "there is no [[key]] 'nobody.'; known are k.example.",
        ),
        (
            '[[acl]]\nname = "x"\naddresses = ["::1"]\ntransports = ["quic"]\n',
            "transports = ['quic']: 'quic' is none of 'udp', 'tcp', 'tls'",
        ),
        ('[[key]]\nname = "k2."\nsecret_file = "x"\nalgorithm = "hmac-md5"\n', "algorithm = 'hmac-md5': is none of "),
        ('[[key]]\nname = "k2."\nsecret = "c2VjcmV0"\n', "unknown key 'secret' in [key]; did you mean 'secret_file'?"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, text: str, reason: str) -> None:
    found = told(tmp_path, PATTERNS + text)
    assert found[0].startswith(reason)
    assert "c2VjcmV0" not in str(found)


def test_a_long_circle(tmp_path: Path) -> None:
    circle = "".join(f'[[pattern]]\nname = "p{n}"\ninclude_pattern = ["p{(n + 1) % 3}"]\n' for n in range(3))
    assert "include_pattern goes in a circle: p0 → p1 → p2 → p0" in told(tmp_path, circle)


def pattern_of(number: int, *others: int) -> str:
    return f'[[pattern]]\nname = "p{number}"\nfile = "f"\ninclude_pattern = {[f"p{one}" for one in others]}\n'


def test_a_pattern_is_made_whole_once(tmp_path: Path) -> None:
    """However many include it: else the last of these would be made two to the power of 30 times."""
    text = "".join(pattern_of(number, *([number + 1] * 2 if number < 30 else ())) for number in range(31))
    assert len(config_of(tmp_path, text).pattern) == 31


@pytest.mark.parametrize("step", [1, -1])
def test_a_long_row_of_patterns(tmp_path: Path, step: int) -> None:
    """Wherever in the file the first of them stands; thousands are told, and no more than that."""
    for count, wrong in ((DEPTH, False), (DEPTH + 1, True), (3000, True)):
        numbers = range(count)[::step]
        text = "".join(pattern_of(number, *([number + 1] if number < count - 1 else ())) for number in numbers)
        found = told(tmp_path, text)
        assert bool(found) == wrong, count
        assert set(found) <= {f"more than {DEPTH} patterns include each other"}
