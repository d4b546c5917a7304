# SPDX-License-Identifier: GPL-3.0-or-later
"""Many zones that change at the same time are reloaded together; afterwards everything is as a fresh start has it."""

import os
from pathlib import Path

import pytest

from appliance.publish.batch import FEWEST
from tests.harness.served import Served, configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

COUNT = 40
TEXT = (
    "$TTL 300\n@ SOA ns.provider.test. root {serial} 3600 900 1209600 300\n@ NS ns.provider.test.\n"
    "www A 192.0.2.{serial}\n{more}"
)
assert COUNT > 2 * FEWEST


def write(folder: Path, number: int, serial: int, more: str = "") -> None:
    (folder / "zones" / f"z{number:02d}.test.zone").write_text(TEXT.format(serial=serial, more=more))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pattern = '[[pattern]]\nfile = "zones/{zone}.zone"\n'
    (tmp_path / "appliance.toml").write_text(configuration("example.") + pattern)
    (tmp_path / "example.zone").write_text(zone_text())
    (tmp_path / "zones").mkdir()
    for number in range(COUNT):
        write(tmp_path, number, 1)
    return tmp_path


def everything(server: Served) -> list[str]:
    """Return what the zones answer, and what is said of them."""
    asked = [(first, rtype) for first in ("", "www.", "own.", "no.") for rtype in ("SOA", "A", "TXT")]
    replies = []
    for number in range(COUNT + 2):
        for first, rtype in asked:
            reply = server.query(f"{first}z{number:02d}.test.", rtype)
            reply.id = 0
            replies.append(reply.to_text())
    return replies


def changed(folder: Path) -> None:
    """Change zones in all the ways that there are."""
    for number in range(COUNT):
        write(folder, number, 2, f'own TXT "{number}"\n' if 10 <= number < 20 else "")
    write(folder, 3, 2, "www A\n")  # an error
    (folder / "zones" / "z04.test.zone").unlink()
    os.mkfifo(folder / "zones" / "z04.test.zone")
    write(folder, 5, 2, "".join(f"n{name} A 192.0.2.9\n" for name in range(1500)))  # too large to be read with others
    write(folder, 6, 2, "alias CNAME www.z07.test.\n")  # depends on a neighbour
    write(folder, 20, 2, "$INCLUDE more\n")
    (folder / "zones" / "more").write_text('own TXT "included"\n')
    write(folder, COUNT, 2)  # a new one


def test_a_reload_of_many_is_like_a_start(folder: Path) -> None:
    with serving(folder) as server:
        changed(folder)
        outcomes = {one["zone"]: one for one in server.ask("reload")["zones"]}
        for number in range(COUNT):
            told = outcomes[f"z{number:02d}.test."]
            if number in (3, 4):
                assert not told["ok"]
                assert "serial 1 is still served" in told["outcome"]
            else:
                assert told["ok"], told
                assert told["outcome"].startswith("serial 1 replaced by 2")
                assert "small" not in told
        assert outcomes[f"z{COUNT:02d}.test."]["outcome"].startswith("serial 2")
        assert "read and replaced together" in server.log()
        assert server.address("www.z03.test.") == "192.0.2.1"
        for number in (3, 4):  # what is broken has its last good version: give it to the next start too
            (folder / "zones" / f"z{number:02d}.test.zone").unlink()
            write(folder, number, 1)
        for _ in range(2):
            server.ask("reload")
        now = everything(server)
        assert server.ask("status")["healthy"]
        assert server.end() == 0
    with serving(folder) as again:
        assert everything(again) == now


def test_many_reloads_in_a_row(folder: Path) -> None:
    """Rows and room of versions that were replaced are used again, and readers never see anything else."""
    with serving(folder) as server:
        for serial in range(2, 8):
            for number in range(COUNT):
                write(folder, number, serial, f'own TXT "{serial}"\n' if serial % 2 else "")
            told = server.ask("reload")["zones"]
            assert len(told) == COUNT
            assert all(f"replaced by {serial}" in one["outcome"] for one in told)
            for number in range(COUNT):
                assert server.address(f"www.z{number:02d}.test.") == f"192.0.2.{serial}"
        until(lambda: server.ask("status")["healthy"])
