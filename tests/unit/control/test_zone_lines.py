# SPDX-License-Identifier: GPL-3.0-or-later
"""addzones, delzones and zone import: many zones as lines of standard input, a result for each, all of it lasting."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.served import ROOT, Served, configuration, serving, zone_text

pytestmark = pytest.mark.unit

COUNT = 1200
NOTHING = "nothing is served of it (SERVFAIL)"
SMALL = "$TTL 300\n@ SOA ns root 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.{}\n"
PATTERN = '[[pattern]]\nname = "plain"\nfile = "plain/{zone}.zone"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", more=PATTERN))
    (tmp_path / "example.zone").write_text(zone_text())
    (tmp_path / "plain").mkdir()
    for number in range(COUNT):
        (tmp_path / "plain" / f"z{number}.zone").write_text(SMALL.format(number % 2 + 2))
    return tmp_path


def fed(server: Served, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that reads standard input."""
    command = [sys.executable, "-m", "appliance", *arguments, "--config", str(server.config)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def failures(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what stands on standard error, without what a busy server says of itself."""
    return [line for line in done.stderr.splitlines() if not line.startswith("appliance: the server")]


def test_many_come_and_go(folder: Path) -> None:
    with serving(folder) as server:
        done = fed(server, "".join(f"z{number} plain\n" for number in range(COUNT)), "addzones")
        assert (done.returncode, failures(done)) == (0, [])
        assert done.stdout.splitlines() == [
            *(f"z{number}.: added; serial 1" for number in range(COUNT)),
            f"{COUNT} lines: {COUNT} done",
        ]
        assert [server.address(f"www.z{number}.") for number in (0, 1, COUNT - 1)] == [
            "192.0.2.2",
            "192.0.2.3",
            "192.0.2.3",
        ]
        server.end(signal.SIGKILL)
    with serving(folder) as server:
        assert len(server.ask("export")["zones"]) == COUNT
        assert server.address(f"www.z{COUNT - 1}.") == "192.0.2.3"
        done = fed(server, "".join(f"z{number}\n" for number in range(1, COUNT)), "delzones")
        assert (done.returncode, failures(done)) == (0, [])
        assert done.stdout.splitlines()[-1] == f"{COUNT - 1} lines: {COUNT - 1} done"
        assert [server.address(f"www.z{number}.") for number in (0, 1)] == ["192.0.2.2", "REFUSED"]
        server.end(signal.SIGKILL)
    with serving(folder) as server:
        assert [server.address(f"www.z{number}.") for number in (0, 1)] == ["192.0.2.2", "REFUSED"]
        assert server.ask("export")["zones"] == [{"name": "z0.", "pattern": "plain"}]


def test_each_bad_line_is_told_and_the_others_are_done(folder: Path) -> None:
    text = "# a comment\n\nz1 plain\nz2\n  z3\tplain  \nz1 plain\nexample plain\nz4 nothing\nnofile plain\na..b plain\n"
    with serving(folder) as server:
        done = fed(server, text, "addzones")
        assert done.returncode == 1
        missing = folder / "plain" / "nofile.zone"
        assert sorted(done.stdout.splitlines()[:-1]) == [
            f"nofile.: added; {missing}: error: cannot be read: No such file or directory; {NOTHING}",
            "z1.: added; serial 1",
            "z3.: added; serial 1",
        ]
        assert done.stdout.splitlines()[-1] == (
            "10 lines: 3 done, 5 failed, 2 blank or a comment; of those done 1 cannot be served (SERVFAIL), "
            "`appliance zone status --bad` says why"
        )
        said = done.stderr.splitlines()
        assert said[0] == "line 4: 'z2': a line is a zone's name, a blank, and its pattern's name"
        assert said[1] == "z1.: is named twice"
        assert said[2].startswith("example.: is configured already, in ")
        assert said[3].startswith("z4.: there is no pattern 'nothing'")
        assert "empty label" in said[4]
        assert server.command("status").returncode == 2
        done = fed(server, "z1\nz1\nz9\nz1 plain\n", "delzones")
        assert done.stdout == "z1.: removed\nz1.: removed\n4 lines: 2 done, 2 failed\n"
        assert done.stderr == "z9.: is not served\nline 4: 'z1 plain': a line is a zone's name\n"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_was_exported_can_be_imported(folder: Path, form: tuple[str, ...]) -> None:
    with serving(folder) as server:
        fed(server, "z1 plain\nz2 plain\nz3 plain\n", "addzones")
        kept = server.command("zone", "export", *form).stdout
        fed(server, "z2\nz3\n", "delzones")
        done = fed(server, kept, "zone", "import", "--json")
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one.get("outcome") for one in told] == ["is there already", "added; serial 1", "added; serial 1", None]
        assert (done.returncode, told[-1]["done"]) == (0, 3)
        assert [one["name"] for one in server.ask("export")["zones"]] == ["z1.", "z2.", "z3."]


def test_lists_that_cannot_be_imported(folder: Path) -> None:
    with serving(folder) as server:
        for text, said in (
            ('{"zones": 7}', "no list of zones"),
            ('[{"name": "a\\nb", "pattern": "plain"}]', "no list of zones"),
            ("{", "no list of zones"),
            ("del z1 plain\n", "are not taken over"),
        ):
            done = fed(server, text, "zone", "import")
            assert done.returncode == 1
            assert said in done.stderr
            assert "Traceback" not in done.stderr
        nsd = "# NSD zone list\n# name pattern\nadd z1 plain\n"
        assert (
            fed(server, nsd, "zone", "import").stdout == "z1.: added; serial 1\n3 lines: 1 done, 2 blank or a comment\n"
        )
