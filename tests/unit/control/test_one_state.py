# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept belongs to one server: another one with a run_dir of its own is refused, and takes nothing."""

from pathlib import Path

import pytest

from tests.harness.served import configuration, serving, start, zone_text

pytestmark = pytest.mark.unit


def test_a_second_server_on_the_same_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    (tmp_path / "example.zone").write_text(zone_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "example.zone").write_text(zone_text(7, 99))
    (other / "appliance.toml").write_text(configuration("example.").replace('"state"', f'"{tmp_path}/state"'))
    with serving(tmp_path) as server:
        second = start(other)
        assert second.process.wait(60) == 1
        assert f"a server (process {server.process.pid}) already uses {tmp_path}/state" in second.log()
        assert server.command("status").returncode == 0
