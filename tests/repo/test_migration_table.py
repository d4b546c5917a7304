# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of other servers find each of their verbs in docs/migrate.md, beside a command that there is."""

import re
import subprocess

import click
import pytest

from appliance.cli.main import cli
from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit

TABLE = (ROOT / "docs/migrate.md").read_text().partition("## For users of nsd-control and knotc\n")[2]
ROWS = [line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ") and "---" not in line][1:]


def test_every_verb_of_nsd_control() -> None:
    done = subprocess.run(["/usr/sbin/nsd-control", "-h"], capture_output=True, text=True, timeout=60, check=False)
    theirs = re.findall(r"^  ([a-z]\w+)[\t ]", (done.stdout + done.stderr).partition("Commands:\n")[2], re.MULTILINE)
    assert len(theirs) > 25
    assert set(theirs) == {one for row in ROWS for one in re.findall(r"`(\w+)`", row[0])}


def test_verbs_of_knotc() -> None:
    done = subprocess.run(["/usr/sbin/knotc", "-h"], capture_output=True, text=True, timeout=60, check=False)
    theirs = set(re.findall(r"^ ([a-z]+(?:-[a-z]+)*)\s", done.stdout.partition("Actions:\n")[2], re.MULTILINE))
    assert {one for row in ROWS for one in re.findall(r"`([\w-]+)`", row[1])} <= theirs


def test_every_command_is_there() -> None:
    for row in ROWS:
        for words in re.findall(r"`appliance ([^`]+)`", row[2]):
            names = [word for word in words.split() if not word.startswith("-")]
            command: click.Command = cli
            for name in names:
                assert isinstance(command, click.Group), words
                command = command.commands[name]
