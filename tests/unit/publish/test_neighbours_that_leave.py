# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones that know each other leave together, while the server is away or while it runs: the others are served."""

from pathlib import Path

import pytest

from tests.harness.served import Served, configuration, serving, until

pytestmark = pytest.mark.unit

ZONE = "$TTL 300\n@ SOA ns root {serial} 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww {more}\n"
LEAVING = {
    "an alias": {"aa.test": "A 192.0.2.2", "zz.test": "CNAME www.aa.test."},
    "a child": {"test": "A 192.0.2.2", "aa.test": "A 192.0.2.3"},
}


def write(folder: Path, zones: dict[str, str]) -> None:
    (folder / "zones").mkdir(exist_ok=True)
    for name, more in zones.items():
        (folder / "zones" / f"{name}.zone").write_text(ZONE.format(serial=1, more=more))


def keeps(server: Served) -> None:
    assert server.address("www.keep.example.") == "192.0.2.9"
    assert server.address("www.aa.test.") == "REFUSED"
    assert server.command("status").returncode == 0


@pytest.fixture
def folder(tmp_path: Path, kind: str) -> Path:
    """Return the folder of a server for a zone that stays and two that leave."""
    (tmp_path / "appliance.toml").write_text(
        configuration(more='[store]\nimage_delay_s = 0\n[[pattern]]\nfile = "zones/{zone}.zone"\n')
    )
    write(tmp_path, {"keep.example": "A 192.0.2.9", **LEAVING[kind]})
    return tmp_path


@pytest.mark.parametrize("kind", LEAVING)
def test_while_the_server_is_away(folder: Path, kind: str) -> None:
    with serving(folder) as server:
        assert server.address("www.aa.test.") != "REFUSED"
        until((folder / "state" / "store.image").exists)
    for name in LEAVING[kind]:
        (folder / "zones" / f"{name}.zone").unlink()
    for _ in range(2):
        with serving(folder) as server:
            keeps(server)


@pytest.mark.parametrize("kind", LEAVING)
def test_while_it_runs(folder: Path, kind: str) -> None:
    with serving(folder) as server:
        for name in LEAVING[kind]:
            (folder / "zones" / f"{name}.zone").unlink()
        done = server.command("reload")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        keeps(server)


@pytest.mark.parametrize("kind", ["an alias"])
def test_one_leaves_and_the_other_breaks_where_nothing_is_kept(folder: Path, kind: str) -> None:
    config = folder / "appliance.toml"
    config.write_text(config.read_text() + "[journal]\nkeep = false\n")
    with serving(folder):
        until((folder / "state" / "store.image").exists)
    (folder / "zones" / "aa.test.zone").unlink()
    (folder / "zones" / "zz.test.zone").write_text("(")
    with serving(folder) as server:
        assert server.address("www.keep.example.") == "192.0.2.9"
        assert server.address("www.zz.test.") == "SERVFAIL"
        assert server.command("status").returncode == 2
