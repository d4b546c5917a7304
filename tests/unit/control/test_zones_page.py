# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of docs/zones.md do what the page says, one after the other, on a real server."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.harness.served import ROOT, configuration, serving, until, zone_text

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "zones.md").read_text()
BLOCKS = [block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    (pattern,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    pattern = pattern.replace("/etc/appliance/zones", "zones")
    (tmp_path / "appliance.toml").write_text(configuration("example.com.", more=pattern))
    (tmp_path / "zones").mkdir()
    for zone in ("shop", "a", "b"):
        (tmp_path / "zones" / f"{zone}.example.zone").write_text(zone_text())
    (tmp_path / "example.com.zone").write_text(zone_text(2026120101, 1))
    with serving(tmp_path) as server:
        until(lambda: bool(server.ask("versions", zone="example.com")["versions"]))
        server.command("freeze")  # which keeps what is served
        server.command("thaw")
        (tmp_path / "example.com.zone").write_text(zone_text(2026120102, 2))
        assert server.command("reload").returncode == 0
        for line in [line for block in BLOCKS for line in block]:
            order = re.sub(r"\bappliance ((?:zone )?\w+)", rf"appliance \1 --config {server.config}", line)
            done = subprocess.run(
                ["bash", "-c", f"set -o pipefail; PATH={ROOT}/.venv/bin:$PATH; {order}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert server.address("www.example.com.") == "192.0.2.2"
