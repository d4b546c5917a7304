# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that may not be read is told with owner, group, mode and what mends it; odd paths are ordinary errors."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.access import why_not_read
from tests.harness import capabilities

pytestmark = pytest.mark.netns  # root: files of others, read without the right to pass over modes

ROOT = Path(__file__).parents[2]
OTHER = 54321
ZONE = "@ 300 SOA ns.example. root.example. 1 2 3 4 5\n@ 300 NS ns.example.\n"
CONFIG = '[server]\nrun_dir = "run"\nstate_dir = "state"\n[listen]\naddresses = ["127.0.0.1"]\nport = 0\n'


def confined(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the unit runs the server: as root that may not pass over file modes."""
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-m", "appliance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


def give_away(path: Path, mode: int) -> None:
    path.chmod(mode)
    os.chown(path, OTHER, OTHER)


def test_this_kind_of_test_can_run() -> None:
    assert capabilities.lack("netns") is None


def test_a_zone_file_of_another_user(tmp_path: Path) -> None:
    file = tmp_path / "example.zone"
    file.write_text(ZONE)
    give_away(file, 0o640)
    done = confined("check-zone", "example.", str(file))
    assert done.returncode == 1
    assert (
        f"Permission denied: file {file} has owner {OTHER}, group {OTHER}, mode 0640, and this process runs as root "
        in done.stderr
    )
    assert "without CAP_DAC_OVERRIDE" in done.stderr
    mend = done.stderr.split("`")[1]
    subprocess.run(["sh", "-c", mend], check=True)
    assert confined("check-zone", "example.", str(file)).returncode == 0  # what the message says does mend it


@pytest.mark.parametrize("mode", [0o700, 0o750])
def test_a_folder_on_the_way(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "zones"
    folder.mkdir()
    (folder / "example.zone").write_text(ZONE)
    give_away(folder, mode)
    done = confined("check-zone", "example.", str(folder / "example.zone"))
    assert f"folder {folder} has owner {OTHER}, group {OTHER}, mode {mode:04o}" in done.stderr
    subprocess.run(["sh", "-c", done.stderr.split("`")[1]], check=True)
    assert confined("check-zone", "example.", str(folder / "example.zone")).returncode == 0


def test_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(CONFIG)
    give_away(file, 0o600)
    for command in (("check-config", str(file)), ("status", "--config", str(file)), ("serve", "--config", str(file))):
        done = confined(*command)
        assert done.returncode == 1
        assert f"file {file} has owner {OTHER}, group {OTHER}, mode 0600" in done.stderr
        assert "Traceback" not in done.stderr


USERS = {
    "root without rights over modes": ("--bounding-set=-dac_override,-dac_read_search",),
    "a user": ("--reuid=54322", "--regid=54322", "--clear-groups"),
    "a user in a group": ("--reuid=54322", "--regid=54322", "--groups=54321"),
}


def followed(who: str, most: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user, and as root what it says would mend it, until it ends well."""
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    command = [setpriv, *USERS[who], sys.executable, "-m", "appliance", *arguments]
    for _ in range(most + 1):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        if done.returncode == 0 or "`" not in done.stderr:
            break
        subprocess.run(["sh", "-c", done.stderr.split("`")[1]], check=True, timeout=60)
    return done


def test_no_message_has_a_folder_of_the_system_given_away() -> None:
    """It said `chown nobody /etc && chmod u+wx /etc`."""
    code = (
        "import os; from appliance.access import why_not_written; os.setuid(65534); "
        "print(why_not_written('/etc/appliance-new/a', PermissionError(13, 'Permission denied')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "folder /etc has owner root" in done.stdout
    assert done.stdout.endswith("; run as root\n")


@pytest.fixture
def passable(tmp_path: Path) -> Path:
    """Return a folder that everybody may pass to, as the folders above those of a test are not."""
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    return tmp_path


@pytest.mark.parametrize("who", USERS)
@pytest.mark.parametrize("mode", [0o000, 0o600, 0o060])
@pytest.mark.parametrize("owner", [0, OTHER, 54322])
def test_what_a_message_says_helps(passable: Path, who: str, mode: int, owner: int) -> None:
    """Of the folder on the way first, then of the file; before, a file of root's own stayed as it was."""
    folder = passable / "zones"
    folder.mkdir()
    file = folder / "example.zone"
    file.write_text(ZONE)
    for path, bits in ((file, mode), (folder, mode)):
        path.chmod(bits)
        os.chown(path, owner, owner)
    done = followed(who, 2, "check-zone", "example.", str(file))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("left", ["nothing", "a lock"])
def test_what_serve_says_helps(passable: Path, left: str) -> None:
    """As after a first try as root. Before, it named a group that may not lock the file either."""
    run, state = passable / "run", passable / "state"
    run.mkdir(mode=0o755)
    state.mkdir()
    if left == "a lock":
        (run / "serve.lock").touch(0o600)
    config = passable / "a.toml"
    sockets = passable / "sockets"
    sockets.mkdir(mode=0o755)
    (sockets / "control.sock").touch()
    config.write_text(
        f'[server]\nrun_dir = "{run}"\nstate_dir = "{state}"\n'
        f'control_socket = "{sockets}/control.sock"\nread_socket = "{config}/read.sock"\n'
        '[listen]\naddresses = ["127.0.0.1"]\nport = 0\n'
    )
    config.chmod(0o644)
    done = followed("a user", 4, "serve", "--no-xdp", "--config", str(config))
    # That folder is a file, where all else is done: it ends there.
    assert f"cannot make the control socket {config}/read.sock: {config} is no folder: move it away" in done.stderr


@pytest.mark.parametrize("what", ["list", "folder"])
def test_lists_and_folders_of_patterns(tmp_path: Path, what: str) -> None:
    zones = tmp_path / "zones"
    zones.mkdir()
    (tmp_path / "list").write_text("example.\n")
    given = 'zones = "list"\n' if what == "list" else ""
    (tmp_path / "a.toml").write_text(CONFIG + f'[[pattern]]\n{given}file = "zones/{{zone}}.zone"\n')
    give_away(tmp_path / "list" if what == "list" else zones, 0o600)
    done = confined("estimate", "--config", str(tmp_path / "a.toml"))
    assert done.returncode == 1
    assert f"has owner {OTHER}, group {OTHER}, mode 0600" in done.stderr


@pytest.mark.parametrize(
    ("path", "said"),
    [("loop", "its links lead in a circle"), ("a\0b", "a NUL octet"), ("loop/file", "its links lead in a circle")],
)
def test_odd_paths(tmp_path: Path, path: str, said: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises((OSError, ValueError)) as refused:
        (tmp_path / path).read_bytes()
    assert said in why_not_read(tmp_path / path, refused.value)
