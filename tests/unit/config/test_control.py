# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the control channel over TLS: each mistake with its place."""

from pathlib import Path

import pytest

from appliance.config.load import examine, load_config
from appliance.config.schema import Control

pytestmark = pytest.mark.unit

FINGERPRINT = "0123456789abcdef" * 4


def client(name: str = "a", fingerprint: str = FINGERPRINT, more: str = "") -> str:
    return f"[[control_client]]\nname = '{name}'\nfingerprint = '{fingerprint}'\n{more}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[control]\naddress = 'localhost'", "2: error: 'localhost' is not an IPv4 or IPv6 address"),
        ("[control]\naddress = '224.0.0.1'", "2: error: address 224.0.0.1 is not a unicast address"),
        ("[control]\naddress = 1", "2: error: address = 1: expected `str`, got `int`"),
        ("[control]\nport = 0", "2: error: port = 0: expected `int` >= 1"),
        ("[control]\nport = 65536", "2: error: port = 65536: expected `int` <= 65535"),
        ("[control]\nfolder = ''", "2: error: folder = '': expected `str` of length >= 1"),
        ("[control]\nadress = '::1'", "2: error: unknown key 'adress' in [control]; did you mean 'address'?"),
        ("[[control]]\nport = 1", "1: error: [[control]] must be one table: write [control]"),
        ("[control_client]\nname = 'a'", "1: error: [control_client] must be an array of tables"),
        ("[[control_client]]\nname = 'a'", "1: error: [[control_client]] lacks fingerprint"),
        (client(fingerprint="12"), "3: error: fingerprint = '12': expected `str` matching regex"),
        (client(fingerprint=FINGERPRINT + "0"), "3: error: fingerprint = "),
        (client(more="role = 'root'"), "4: error: role = 'root': is none of 'read', 'operate'"),
        (client() + client(fingerprint="f" * 64), "5: error: client 'a' is there twice"),
        (client() + client("b", FINGERPRINT.upper()), f"6: error: fingerprint {FINGERPRINT.upper()} is there twice"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    config, findings = examine(tmp_path / "a.toml")
    assert config is None
    assert [str(one).removeprefix(f"{tmp_path}/a.toml:").startswith(told) for one in findings] == [True], findings


def test_what_is_meant(tmp_path: Path) -> None:
    with_colons = ":".join(FINGERPRINT[at : at + 2] for at in range(0, 64, 2)).upper()
    (tmp_path / "a.toml").write_text(f"[control]\naddress = '::1'\nfolder = 'keys'\n{client(fingerprint=with_colons)}")
    config = load_config(tmp_path / "a.toml")
    assert config.control == Control(address="::1", folder=str(tmp_path / "keys"))
    assert config.control_client[0].digest == FINGERPRINT
    assert config.control_client[0].role == "read"


def test_it_is_off_by_default() -> None:
    assert Control().address == ""
