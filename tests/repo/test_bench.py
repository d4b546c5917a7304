# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurement lab finds its own files wherever they lie, and its command names every suite."""

import os
import re
import subprocess
import sys

import pytest

from appliance.datapath.syscall import load_xdp
from appliance.errors import DatapathError
from tests.repo.sources import ROOT

pytestmark = pytest.mark.datapath  # the lab imports bcc


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )


def test_suites_of_the_page_are_those_of_the_command() -> None:
    shown = run("-m", "bench", "--help")
    assert shown.returncode == 0, shown.stderr
    suites = re.search(r"\[\[?([a-z|]+)\]", re.sub(r"\n +", "", shown.stdout))  # a long usage is broken anywhere
    assert suites
    page = (ROOT / "docs" / "measure.md").read_text()
    named = set(re.findall(r"^## Suite `(\w+)`", page, re.MULTILINE))
    assert named == set(suites[1].split("|"))


def test_the_lab_finds_its_files() -> None:
    """Each place that is counted from a file of the lab: sources, work folder, checkout, results."""
    program = (
        "from bench import figures, figures_page\n"
        "from bench.machine import lab\n"
        "from bench.traffic import generator\n"
        "from bench.zones import usual\n"
        "print(generator.SOURCE.is_file(), lab.WORK, usual.CHECKOUT, figures.RESULTS, figures_page.PAGE, sep='\\n')\n"
    )
    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [
        "True",
        str(ROOT / "bench/work"),
        str(ROOT),
        str(ROOT / "bench/results"),
        str(ROOT / "docs/figures.md"),
    ]


@pytest.mark.filterwarnings("ignore:not a bytes object:DeprecationWarning")  # bcc wants texts and bytes alike
def test_the_generator_takes_what_the_servers_loader_loads() -> None:
    """The kernel lets only programs of the same attach type call each other."""
    from bench.traffic.generator import Generator

    passes = bytes.fromhex("b7000000020000009500000000000000")  # r0 = XDP_PASS; exit
    fd = load_xdp("passes", passes, "GPL", 0)
    assert fd > 0
    try:
        Generator(1).aim(fd)
    finally:
        os.close(fd)


def test_a_machine_that_is_never_steady_is_told() -> None:
    from bench.suites import live

    with pytest.raises(DatapathError, match="live_same_core: beside none of 0 runs"):
        list(live._figures(live.places(1)[0], []))
