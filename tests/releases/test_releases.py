# SPDX-License-Identifier: GPL-3.0-or-later
"""The other release of Debian that is served, from a bare root: the README's command, then the packet table."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.repo.sources import ROOT
from tests.repo.test_demo import rows

pytestmark = [pytest.mark.releases, pytest.mark.timeout(1800)]

RELEASES = {"bookworm": 12, "trixie": 13}
_RUN_IN = str(ROOT / "tests/releases/run_in.sh")
_TABLE = "tests/datapath/test_answers.py::test_answer tests/datapath/test_verifier.py"
# As the README has it; not optimised, which takes a third of the time to build and changes nothing that is looked at.
_COMMAND = f"""
cat /etc/debian_version
CFLAGS=-O0 make demo
.venv/bin/python -m pytest -q -p no:cacheprovider {_TABLE}
"""


def other_release() -> str:
    """Return the name of the release that this machine does not have."""
    own = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    assert own
    (other,) = set(RELEASES) - {own[1]}
    return other


@pytest.fixture(scope="module")
def output() -> str:
    """Return what the commands print in the other release's root, after checking that they ended well."""
    command = [_RUN_IN, other_release(), _COMMAND]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=1700)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_release(output: str) -> None:
    assert output.startswith(f"{RELEASES[other_release()]}.")


def test_demo(output: str) -> None:
    table = rows(output)
    assert {"a delegation", "a positive answer", "a missing name", "too long for UDP"} <= {row[0] for row in table}
    assert all(row[5] == "yes" for row in table)
    assert {row[3] for row in table} == {"NIC path", "userspace"}


def test_packet_table(output: str) -> None:
    assert re.search(r"^[1-9]\d* passed in ", output, re.MULTILINE)


def _users_of(root: Path) -> list[Path]:
    """Return the processes that live in a root, and those that have something mounted below it."""
    found = []
    for process in Path("/proc").glob("[1-9]*"):
        try:
            inside = (process / "root").readlink().is_relative_to(root)
            if inside or f" {root}/" in (process / "mountinfo").read_text():
                found.append(process)
        except OSError:  # gone meanwhile
            continue
    return found


@pytest.mark.usefixtures("output")
def test_nothing_is_left() -> None:
    assert _users_of(ROOT / ".cache/releases" / other_release() / "root") == []


@pytest.mark.usefixtures("output")
def test_killed() -> None:
    """A run that is killed takes with it what runs in the root, mounts and namespaces; the next one finds it set up."""
    root = ROOT / ".cache/releases" / other_release() / "root"
    command = "ip netns add left; cat /sys/class/net/lo/ifindex; sleep 1000 & sleep 1000"
    with subprocess.Popen([_RUN_IN, other_release(), command], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "1\n"
        assert _users_of(root)
        killed.kill()
        assert killed.stdout.read() == ""  # until the last process that could write is gone
    again = "ls /run; command -v git; ls .venv/bin/appliance"
    done = subprocess.run([_RUN_IN, other_release(), again], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "/usr/bin/git\n.venv/bin/appliance\n"
    assert _users_of(root) == []


def test_unknown_release() -> None:
    done = subprocess.run([_RUN_IN, "buster", "true"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "releases: error: unknown release 'buster': use bookworm or trixie\n"
