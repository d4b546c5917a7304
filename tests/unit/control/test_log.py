# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines have a time in the foreground, and a priority in the journal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.served import ROOT, configuration, serving, zone_text

pytestmark = pytest.mark.unit

STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (info|warning|error): ")

LOG = """
import logging
from appliance.control.log import start_logging
start_logging()
log = logging.getLogger("x")
log.info("one\\ntwo")
log.warning("three %s", 3)
try:
    raise KeyError("hunter2")
except KeyError:
    log.exception("four")
"""


def logged(journal: str | None) -> list[str]:
    read, write = os.pipe()
    status = os.fstat(write)
    environment = {**os.environ}
    environment.pop("JOURNAL_STREAM", None)
    if journal is not None:
        environment["JOURNAL_STREAM"] = journal.format(device=status.st_dev, inode=status.st_ino)
    subprocess.run([sys.executable, "-c", LOG], stderr=write, env=environment, cwd=ROOT, check=True, timeout=60)
    os.close(write)
    with os.fdopen(read) as lines:
        return lines.read().splitlines()


def test_the_journal_gets_priorities() -> None:
    assert logged("{device}:{inode}") == ["<6>one", "<6>two", "<4>three 3", "<3>four"]


@pytest.mark.parametrize("journal", [None, "", "1:2", "x:y", "{device}", "{inode}:{device}"])
def test_elsewhere_lines_have_the_time(journal: str | None) -> None:
    """JOURNAL_STREAM may be inherited by what does not write there: only the same device and inode count."""
    lines = logged(journal)
    assert all(STAMPED.match(line) for line in lines)
    assert [STAMPED.sub("", line) for line in lines] == ["one", "two", "three 3", "four"]


def test_a_server_in_the_foreground(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    (tmp_path / "example.zone").write_text(zone_text())
    with serving(tmp_path) as server:
        server.command("reload", "example.")
    lines = server.log().splitlines()
    assert lines
    assert all(STAMPED.match(line) for line in lines), lines
