# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own kernel, which users have, loads the program and answers right; its verifier is stricter than most."""

import os
import re
import subprocess

import pytest

from tests.repo.sources import ROOT

pytestmark = [pytest.mark.kernels, pytest.mark.timeout(3600)]

_SHORT_TABLE = "tests/datapath/test_answers.py::test_answer tests/datapath/test_verifier.py"
"""`make test-kernels` runs the rest: an emulated processor is slow."""


@pytest.fixture(scope="module")
def console() -> str:
    """Return what the guest printed, after checking that it ended well."""
    command = [str(ROOT / "tests/kernels/matrix.sh"), "own"]
    # One process: a second one builds the program once more, which takes a minute there.
    short = {"KERNEL_TESTS": _SHORT_TABLE, "KERNEL_WORKERS": "0"}
    environment = {**os.environ, **short, "KERNEL_TIMEOUT": "1700"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=3500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_live_answers_native_on_virtio(console: str) -> None:
    assert re.search(r"^live eth0 native: [1-9]\d* answers, 0 wrong$", console, re.MULTILINE)


def test_live_answers_generic_on_e1000e(console: str) -> None:
    assert re.search(r"^live eth2 generic: [1-9]\d* answers, 0 wrong$", console, re.MULTILINE)


@pytest.mark.parametrize("how", ["eth0 native tags", "eth2 generic hidden-tags", "eth2 generic tags"])
def test_live_answers_through_vlan_devices(console: str, how: str) -> None:
    """A tag comes back, also where the card takes it out of the frame: in generic mode the kernel keeps it."""
    assert re.search(rf"^live {how}: [1-9]\d* answers, 0 wrong$", console, re.MULTILINE)


def test_a_card_that_hides_tags_is_refused_in_native_mode(console: str) -> None:
    found = re.search(r"^refused native: (.*)$", console, re.MULTILINE)
    assert found
    assert "has eth2.42 on it" in found[1]
    assert "run `ethtool -K eth2 rxvlan off`" in found[1]


def test_packet_tables(console: str) -> None:
    assert re.search(r"^[1-9]\d* passed(, \d+ deselected)? in ", console, re.MULTILINE)
    assert "skipped" not in console
