# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use what of a running server: what docs/install.md says."""

import fcntl
import grp
import os
import re
import stat
from pathlib import Path

import pytest

from appliance.cli.client import ask
from appliance.config.schema import Server
from appliance.control.lock import RunLock
from appliance.errors import ApplianceError, StateError
from tests.harness.served import ROOT, configuration, serving, zone_text

pytestmark = pytest.mark.unit


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(folder: Path, more: str = "") -> None:
    (folder / "appliance.toml").write_text(configuration("example.").replace("[server]\n", f"[server]\n{more}"))
    (folder / "example.zone").write_text(zone_text())


def test_the_page_says_what_is_so() -> None:
    page = (ROOT / "docs/install.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)`[^|]*\| [^|]* \| (\d{4}) \|", page, re.MULTILINE))
    assert rows == {"run_dir": "0755", "serve.lock": "0600", "control.sock": "0660", "read.sock": "0660"}
    assert f"`{Server().operate_group}`" in page
    assert f"`{Server().read_group}`" in page


def test_groups_that_are_there(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    write(tmp_path, f'operate_group = "{group}"\nread_group = "{group}"\n')
    before = os.umask(0o077)  # as in the unit
    try:
        with serving(tmp_path) as server:
            run = server.folder / "run"
            assert mode(run) == 0o755
            assert mode(run / "serve.lock") == 0o600
            assert mode(run / "control.sock") == mode(run / "read.sock") == 0o660
            assert (run / "read.sock").stat().st_gid == os.getgid()
    finally:
        os.umask(before)


def test_groups_that_are_missing(tmp_path: Path) -> None:
    """Nobody but the owner may come in then; the server serves all the same and says why."""
    write(tmp_path, 'operate_group = "no-such-group"\nread_group = ""\n')
    before = os.umask(0)
    try:
        with serving(tmp_path) as server:
            run = server.folder / "run"
            assert mode(run / "control.sock") == mode(run / "read.sock") == 0o600
            assert mode(run / "serve.lock") == 0o600
            assert "there is no group no-such-group" in server.log()
            assert server.command("status").returncode == 0
    finally:
        os.umask(before)


def test_who_reads_cannot_change(tmp_path: Path) -> None:
    write(tmp_path)
    with serving(tmp_path) as server:
        read = server.folder / "run" / "read.sock"
        assert ask(read, "status")["healthy"]
        assert ask(read, "stats")["userspace"]
        assert ask(read, "journal", zone="example.")["steps"] == []
        for verb in ("stop", "reload"):
            with pytest.raises(
                ApplianceError, match=f"verb {verb} changes the server: ask for it on the control socket"
            ):
                ask(read, verb)
        assert server.process.poll() is None


def test_reading_commands_need_the_socket_for_reading_only(tmp_path: Path) -> None:
    write(tmp_path)
    with serving(tmp_path) as server:
        server.socket.unlink()
        for command in (("status",), ("stats",), ("zone", "journal", "example.")):
            assert server.command(*command, "--json").returncode == 0


def test_a_lock_that_was_left_open_to_all_is_closed(tmp_path: Path) -> None:
    (tmp_path / "serve.lock").write_text("")
    (tmp_path / "serve.lock").chmod(0o644)
    lock = RunLock(tmp_path)
    assert mode(tmp_path / "serve.lock") == 0o600
    lock.close()


@pytest.mark.netns
def test_a_local_user_cannot_block_the_next_start(tmp_path: Path) -> None:
    """Before, the lock had mode 0644: whoever can open a file can lock it."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    RunLock(tmp_path).close()
    read, written = os.pipe()
    child = os.fork()
    if not child:
        os.setgid(54321)
        os.setuid(54321)
        try:
            fcntl.flock(os.open(tmp_path / "serve.lock", os.O_RDONLY), fcntl.LOCK_EX)
            os.write(written, b"locked")
        except PermissionError:
            os.write(written, b"refused")
        os._exit(0)
    assert os.read(read, 10) == b"refused"
    os.waitpid(child, 0)
    RunLock(tmp_path).close()
    os.chown(tmp_path / "serve.lock", 54321, 54321)
    with pytest.raises(StateError, match="belongs to user 54321, who could keep the server from starting"):
        RunLock(tmp_path)
