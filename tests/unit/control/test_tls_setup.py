# SPDX-License-Identifier: GPL-3.0-or-later
"""control-setup makes what is missing, keeps what is there, and says what is wrong with it."""

import os
import stat
from pathlib import Path

import pytest

from appliance.control.tls_files import client_context, server_context
from appliance.control.tls_setup import Setup
from appliance.errors import StateError

pytestmark = pytest.mark.unit


FILES = ["ca.key", "server.key", "clients/operator.key", "ca.pem", "server.pem", "clients/operator.pem"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    first = Setup(tmp_path / "control").run("operator")
    before = contents(tmp_path / "control")
    assert sorted(before) == [
        "ca.key",
        "ca.pem",
        "clients/operator.key",
        "clients/operator.pem",
        "server.key",
        "server.pem",
    ]
    again = Setup(tmp_path / "control").run("operator")
    assert contents(tmp_path / "control") == before
    assert (again["made"], again["fingerprint"]) == ([], first["fingerprint"])
    other = Setup(tmp_path / "control").run("monitor")
    assert len(other["made"]) == 2
    assert other["fingerprint"] != first["fingerprint"]
    server_context(tmp_path / "control")
    client_context(tmp_path / "control/clients/monitor.pem")


@pytest.mark.parametrize("mask", [0, 0o777])
def test_modes(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        Setup(tmp_path / "control").run("operator")
    finally:
        os.umask(before)
    for path in (tmp_path / "control").rglob("*"):
        mode = {".key": 0o600, ".pem": 0o640}.get(path.suffix, 0o750)
        assert stat.S_IMODE(path.stat().st_mode) == mode, path


@pytest.mark.parametrize("name", ["", "..", "../a", "a/b", "a\0", "a b", "-a", "a.pem", "é", "x" * 64])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(StateError, match="a name has letters, digits, - and _ only"):
        Setup(tmp_path).run(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("text", [b"", b"MARKER", b"\0\xff"])
def test_what_is_damaged_is_told_and_kept(tmp_path: Path, file: str, text: bytes) -> None:
    Setup(tmp_path).run("operator")
    (tmp_path / file).write_bytes(text)
    with pytest.raises(StateError, match="move it away, and a new one is made") as told:
        Setup(tmp_path).run("operator")
    assert "MARKER" not in str(told.value)
    assert (tmp_path / file).read_bytes() == text
    assert str(tmp_path / file) in str(told.value)


def test_the_authority_may_be_kept_elsewhere(tmp_path: Path) -> None:
    Setup(tmp_path).run("operator")
    (tmp_path / "ca.key").unlink()
    assert Setup(tmp_path).run("operator")["made"] == []
    with pytest.raises(StateError, match=r"ca\.key is missing, and nothing can be signed without it: bring it back"):
        Setup(tmp_path).run("monitor")


def test_keys_that_others_may_read_are_told(tmp_path: Path) -> None:
    Setup(tmp_path).run("operator")
    (tmp_path / "ca.key").chmod(0o640)
    Setup(tmp_path).run("operator")
    (tmp_path / "ca.key").chmod(0o644)
    with pytest.raises(StateError, match="can be read or written by others: `chmod 0600 "):
        Setup(tmp_path).run("operator")


def test_a_certificate_of_another_key_is_told(tmp_path: Path) -> None:
    Setup(tmp_path).run("operator")
    (tmp_path / "server.key").unlink()
    with pytest.raises(StateError, match=r"certificate .*server\.pem is not of the key beside it"):
        Setup(tmp_path).run("operator")


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"folder .*file/control"):
        Setup(tmp_path / "file" / "control").run("operator")
