# SPDX-License-Identifier: GPL-3.0-or-later
"""A marker in each secret is found in nothing that the program writes: answer, log, crash report, state, schema."""

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import crash
from appliance.config.load import load_config
from appliance.control.config_findings import examine_machine
from appliance.control.tls_setup import Setup
from appliance.control.verb_table import VERBS, Row
from tests.harness.served import Served, configuration, serving, zone_text
from tests.unit.control.test_health import free_port

pytestmark = pytest.mark.unit

MARKER = "PlantedMarkerOfASecret0123456789"
SECRETS = [MARKER, base64.b64encode(MARKER.encode()).decode().rstrip("=")]
ASKED = [row for row in VERBS if row.name not in ("stop", "log_reopen")]
LOCAL = [
    ("config", "show"),
    ("config", "show", "--json"),
    ("config", "schema"),
    ("config", "show", "--explain", "key"),
    ("check-config",),
    ("check-config", "--json"),
    ("health", "--json"),
    ("health",),
    ("control-setup",),
    ("control-setup", "--json"),
    ("--server", "127.0.0.1:{port}", "status"),
    ("backup", "{folder}/said"),
    ("backup", "{folder}/said-json", "--json"),
]


def secrets(folder: Path) -> list[bytes]:
    """Return what must stand nowhere: the markers, and a line out of each private key."""
    keys = [path for path in folder.rglob("*.key") if path.name not in ("tsig.key", "bad.key")]
    assert len(keys) == 3
    return [one.encode() for one in SECRETS] + [path.read_bytes().splitlines()[1] for path in keys]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    port = free_port()
    made = Setup(folder / "control").run("operator")
    more = (
        f'[control]\naddress = "127.0.0.1"\nport = {free_port()}\nfolder = "control"\n'
        f'[[control_client]]\nname = "me"\nfingerprint = "{made["fingerprint"]}"\nrole = "operate"\n'
        '[[key]]\nname = "k."\nsecret_file = "tsig.key"\n[[key]]\nname = "l."\nsecret_file = "bad.key"\n'
    )
    (folder / "tsig.key").write_text(base64.b64encode(MARKER.encode()).decode() + "\n")
    (folder / "bad.key").write_text(f"{MARKER} is no base64!\n")
    for name in ("tsig.key", "bad.key"):
        (folder / name).chmod(0o640)
    text = configuration("example.", more=more).replace("port = 0", f"port = {port}", 1)
    (folder / "appliance.toml").write_text(text + "[store]\nimage_delay_s = 0\n")
    (folder / "example.zone").write_text(zone_text())
    with serving(folder) as served:
        yield served


def clean(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    for secret in secrets(folder):
        assert secret.decode() not in done.stdout + done.stderr, done.args


@pytest.mark.parametrize("row", ASKED, ids=lambda row: row.name)
def test_no_verb_tells_a_secret(server: Served, row: Row) -> None:
    arguments = ["example."] if any(argument.required for argument in row.arguments) else []
    for more in ([], ["--json"]):
        clean(server.folder, server.command(*row.commands[0].split(), *arguments, *more))


@pytest.mark.parametrize("words", LOCAL, ids=" ".join)
def test_no_command_tells_a_secret(server: Served, tmp_path: Path, words: tuple[str, ...]) -> None:
    port = load_config(server.config).control.port
    given = [word.format(port=port, folder=tmp_path) for word in words]
    if words[0] == "check-config":
        command = [f"{Path(__file__).parents[3]}/.venv/bin/appliance", words[0], str(server.config), *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    elif words[:2] == ("config", "schema"):
        command = [f"{Path(__file__).parents[3]}/.venv/bin/appliance", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    else:
        done = server.command(*given)
    assert done.stdout + done.stderr
    clean(server.folder, done)


def test_no_backup_without_keys_has_a_secret(server: Served, tmp_path: Path) -> None:
    done = server.command("backup", str(tmp_path / "copy"))
    assert done.returncode == 0, done.stderr
    written = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert {"appliance.toml", "state.db", "manifest.json"} <= {path.name for path in written}
    hidden = secrets(server.folder)
    for path in written:
        octets = path.read_bytes()
        assert not [secret for secret in hidden if secret in octets], path


def test_no_file_that_is_written_has_a_secret(tmp_path: Path, server: Served) -> None:
    """State, image, run folder and log, as a server leaves them that has served and ended."""
    folder = tmp_path / "copy"
    shutil.copytree(server.folder, folder, ignore=shutil.ignore_patterns("run", "state", "log*"))
    text = (folder / "appliance.toml").read_text()
    for port in set(re.findall(r"port = (\d+)", text)):
        text = text.replace(f"port = {port}", f"port = {free_port()}")
    (folder / "appliance.toml").write_text(text)
    with serving(folder) as other:
        other.command("reload")
        other.command("drain", "--reason", "x")
        assert other.end() == 0
    hidden = secrets(folder)
    written = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".key", ".pem")]
    assert {"state.db", "log", "drained.json"} <= {path.name for path in written}
    assert any("image" in path.name or path.suffix == ".store" for path in written), written
    for path in written:
        octets = path.read_bytes()
        assert not [secret for secret in hidden if secret in octets], path


def test_no_crash_report_has_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "_folder", tmp_path)
    try:
        secret = MARKER
        raise ValueError(secret, {"key": secret})
    except ValueError as error:
        said = crash.sentence(error, "testing")
    (report,) = tmp_path.iterdir()
    assert MARKER not in said + report.read_text()


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.chmod(0o644), " can be read or written by others: `chmod 0640 "),
        (lambda path: path.chmod(0o660), " can be read or written by others: `chmod 0640 "),
        (lambda path: path.unlink(), ": No such file or directory"),
        (lambda path: path.write_text(MARKER + "!"), " does not hold a secret in base64, and nothing else"),
        (lambda path: path.write_bytes(b"\0\xff"), " does not hold a secret in base64, and nothing else"),
        (lambda path: path.write_text(""), " does not hold a secret in base64, and nothing else"),
        (lambda path: path.write_bytes(b"a" * 10_000_000), " is no file of at most 4096 octets"),
        (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), " is no file of at most 4096 octets"),
        (make_pipe, " is no file of at most 4096 octets"),
        (lambda path: (path.unlink(), path.mkdir()), " is no file of at most 4096 octets"),
        (lambda path: (path.unlink(), path.symlink_to(path)), ": its links lead in a circle"),
    ],
)
def test_owner_mode_and_kind_of_a_secrets_file(tmp_path: Path, spoil: object, reason: str) -> None:
    """An endless file, and a pipe that nobody writes, held check-config and the start before."""
    (tmp_path / "k").write_text(base64.b64encode(MARKER.encode()).decode())
    (tmp_path / "k").chmod(0o640)
    (tmp_path / "a.toml").write_text('[[key]]\nname = "k."\nsecret_file = "k"\n')
    config = load_config(tmp_path / "a.toml")
    assert not [one for one in examine_machine(config, tmp_path / "a.toml") if "secret_file" in one.reason]
    assert callable(spoil)
    spoil(tmp_path / "k")
    found = [one.reason for one in examine_machine(config, tmp_path / "a.toml") if "secret_file" in one.reason]
    assert len(found) == 1
    assert found[0].startswith(f"secret_file {tmp_path}/k{reason}")
    assert MARKER not in found[0]


@pytest.mark.netns
def test_the_owner_of_a_secrets_file(tmp_path: Path) -> None:
    (tmp_path / "k").write_text(base64.b64encode(MARKER.encode()).decode())
    (tmp_path / "k").chmod(0o640)
    os.chown(tmp_path / "k", 54321, 0)
    (tmp_path / "a.toml").write_text('[[key]]\nname = "k."\nsecret_file = "k"\n')
    config = load_config(tmp_path / "a.toml")
    found = [one.reason for one in examine_machine(config, tmp_path / "a.toml") if "secret_file" in one.reason]
    assert any("belongs to user 54321, who can change it: `chown " in one for one in found)
