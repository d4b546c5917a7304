# SPDX-License-Identifier: GPL-3.0-or-later
"""NUL octets, values nested without end, links that lead in a circle: ordinary errors, wherever they come in."""

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from tests.harness.served import ROOT, configuration, serving, zone_text

pytestmark = pytest.mark.unit


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


def in_words(done: subprocess.CompletedProcess[str], status: int = 1) -> None:
    """Check that a command failed as commands fail: with status 1 and a sentence, and not as a defect."""
    assert done.returncode == status, done.stdout + done.stderr
    assert "error" in done.stderr
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{b=" * 3000 + "1" + "}" * 3000,
        "[" + ".".join("a" * 1 for _ in range(20000)) + "]",
        '[server]\nrun_dir = "a\\u0000b"',
        '[server]\nstate_dir = "a\\u0000b"',
        '[server]\ncontrol_socket = "a\\u0000b"',
        '[server]\nread_socket = "a\\u0000b"',
        '[[zone]]\nname = "a."\nfile = "a\\u0000b"',
        '[[pattern]]\nzones = "a\\u0000b"\nfile = "{zone}"',
        '[[pattern]]\nfile = "a\\u0000b{zone}"',
        '[[pattern]]\nfile = "a\\u0000b/{zone}"',
        '[health]\nnames = ["a..b"]',
        "[health]\nnames = 3",
        '[server]\nread_socket = "x"\ncontrol_socket = "x"',
        "[listen]\nworker_silence_s = -1",
    ],
)
@pytest.mark.parametrize("command", ["check-config", "serve", "status", "health"])
def test_configurations(tmp_path: Path, text: str, command: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    done = run(command, *([] if command == "check-config" else ["--config"]), str(file))
    if command == "health" and "not healthy" in done.stdout:  # a table elsewhere is wrong, and nobody answered
        assert (done.returncode, done.stderr) == (1, "")
    else:
        in_words(done, 3 if command == "status" and done.returncode == 3 else 1)  # 3: it is known where no server runs


@pytest.mark.parametrize("command", ["check-config", "serve", "status", "check-zone"])
def test_looped_links(tmp_path: Path, command: str) -> None:
    file = tmp_path / "loop"
    file.symlink_to(file)
    more = {"check-config": [str(file)], "check-zone": ["a.", str(file)]}.get(command, ["--config", str(file)])
    done = run(command, *more)
    in_words(done)
    assert "its links lead in a circle" in done.stderr


@pytest.mark.parametrize("key", ["run_dir", "state_dir", "control_socket"])
def test_folders_that_are_looped_links(tmp_path: Path, key: str) -> None:
    """A server starts without what it can do without, and says what it cannot."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    text = configuration("example.").replace(f'{key} = "{key.partition("_")[0]}"', "")
    text = text.replace("[server]\n", f'[server]\n{key} = "{"loop" if key != "control_socket" else "loop/x"}"\n')
    (tmp_path / "appliance.toml").write_text(text)
    (tmp_path / "example.zone").write_text(zone_text())
    if key == "state_dir":
        with serving(tmp_path) as server:
            assert server.address() == "192.0.2.2"
            assert server.command("reload", "example.").returncode == 0
            assert "internal error" not in server.log()
            assert server.end() == 0
    else:
        done = run("serve", "--no-xdp", "--config", str(tmp_path / "appliance.toml"))
        assert done.returncode == 1
        assert "internal error" not in done.stderr


def test_requests_and_zone_files(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration("example.", "loop.", "inc."))
    (tmp_path / "example.zone").write_text(zone_text())
    (tmp_path / "loop.zone").symlink_to("loop.zone")
    (tmp_path / "inc.zone").write_text(zone_text() + "$INCLUDE circle\n")
    (tmp_path / "circle").symlink_to("circle")
    with serving(tmp_path) as server:
        zones = {zone["name"]: zone for zone in server.ask("status")["zones"]}
        for name in ("loop.", "inc."):
            assert "its links lead in a circle" in zones[name]["error"] or "No such file" in zones[name]["error"]
        for odd in ("\0", "a\0b.", "é.", "x" * 70000, "..", "\\300"):
            with pytest.raises(ApplianceError) as told:
                server.ask("reload", zone=odd)
            assert "internal error" not in str(told.value)
        for wrong in (None, 3, ["a."], {"a": 1}):
            with pytest.raises(ApplianceError, match="zone must be text"):
                server.ask("reload", zone=wrong)
        assert server.address() == "192.0.2.2"
        assert "internal error" not in server.log()
