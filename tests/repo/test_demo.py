# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration as a user runs it: whole, with a zone of one's own, interrupted."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.sources import ROOT

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

COMMAND = [sys.executable, "-m", "demo"]
OWN_ZONE = """\
$TTL 300
@       SOA  ns1 hostmaster 2024010101 7200 3600 1209600 300
        NS   ns1
ns1     A    192.0.2.53
www     A    192.0.2.80
child   NS   ns.child
ns.child A   192.0.2.54
long    TXT  ( "{}" "{}" "{}" )
""".format("a" * 200, "b" * 200, "c" * 200)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def rows(output: str) -> list[list[str]]:
    """Return the closing table, row by row."""
    lines = [line for line in output.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_bundled_zones(mode: str) -> None:
    result = run("--mode", mode)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"XDP mode of the interface: {mode}" in result.stdout
    assert "\x1b[" not in result.stdout
    table = rows(result.stdout)
    assert {"a delegation", "a positive answer", "a missing name", "too long for UDP"} <= {row[0] for row in table}
    for title, _, answer, by, _, right in table:
        assert right == "yes"
        assert by == ("userspace" if title.endswith("over TCP") else "NIC path")
        assert (answer == "NXDOMAIN") == (title == "a missing name")
        assert answer.endswith("TC") == (title == "too long for UDP")


def test_own_zone(tmp_path: Path) -> None:
    file = tmp_path / "own.zone"
    file.write_text(OWN_ZONE)
    result = run("--zone", "own.example", "--file", str(file))
    assert result.returncode == 0, result.stdout + result.stderr
    assert [row[1] for row in rows(result.stdout)] == [
        "www.child.own.example. A",
        "ns1.own.example. A",
        "no-such-name-here.own.example. A",
        "long.own.example. TXT",
        "long.own.example. TXT",
    ]


@pytest.mark.parametrize("line", ["www A", "www A 192.0.2.300"])
def test_bad_zone_is_one_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "own.zone"
    file.write_text(OWN_ZONE + line + "\n")
    result = run("--zone", "own.example", "--file", str(file))
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(rf"demo: [^\n]*{re.escape(str(file))}:9:[^\n]*\n", result.stderr), result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_leaves_nothing(number: int) -> None:
    process = subprocess.Popen(COMMAND, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
    try:
        assert process.stdout is not None
        assert "namespaces" in process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert errors == "demo: interrupted; everything is cleaned up\n"
    assert not list(Path("/run/netns").glob(f"demo{process.pid:x}-*"))
