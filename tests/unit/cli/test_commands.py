# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that need no server: exit status, what goes to which stream, how fast the command starts."""

import json
import os
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import appliance
from appliance.control.lock import RunLock

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
ZONE = "@ 300 SOA ns.example. root.example. 1 2 3 4 5\n@ 300 NS ns.example.\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"appliance {appliance.__version__}\n")
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == appliance.__version__


def test_version_imports_nothing_heavy() -> None:
    code = "import sys; from appliance.cli import main; sys.exit(any(m in sys.modules for m in sys.argv[1:]))"
    heavy = ("asyncio", "rich", "msgspec", "dns", "bcc", "pyroute2", "cryptography", "appliance.control.serve")
    done = subprocess.run([sys.executable, "-c", code, *heavy], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("words", ["zone freeze", "zone thaw", "zone write", "zone reload", "addzone", "zone journal"])
def test_a_zone_that_is_missing_does_not_mean_all(words: str, tmp_path: Path) -> None:
    """The usage says that it is required; without it all zones were frozen, thawed, written and read."""
    done = run(*words.split(), "--config", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "Missing argument" in done.stderr


def test_version_is_quick() -> None:
    best = min(_processor_seconds("--version") for _ in range(5))
    assert best < 0.5  # 0.05 on an idle machine; caches are cold on a busy one


def _processor_seconds(*arguments: str) -> float:
    """Return the processor time of a command: how long it waits for a processor is the machine's affair."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [("--nonsense",), ("nonsense",), ("status", "--nonsense"), ("check-zone", "a.")])
def test_wrong_arguments_are_errors(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert "Usage: appliance" in done.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["rollback"], "appliance zone rollback"), (["zone", "addzone"], "appliance addzone"), (["show"], "config show")],
)
def test_a_command_of_another_group_is_named(words: list[str], meant: str) -> None:
    done = run(*words)
    assert done.returncode == 1
    assert f"{meant}`?" in done.stderr


@pytest.mark.parametrize("group", [[], ["zone"]])
def test_no_sentence_of_the_help_is_cut_off(group: list[str]) -> None:
    assert "..." not in run(*group, "--help").stdout.replace("[ARGS]...", "")


def test_check_config_tells_warnings_once_and_how_it_went(tmp_path: Path) -> None:
    """What a thousand zones have from one pattern was told a thousand times, and then nothing."""
    (tmp_path / "one.zone").write_text(ZONE.replace(".example", ".one"))
    (tmp_path / "two.zone").write_text(ZONE.replace(".example", ".two"))
    file = tmp_path / "a.toml"
    file.write_text(
        '[server]\nrun_dir = "run"\nstate_dir = "state"\n[[remote]]\nname = "r"\naddresses = ["192.0.2.1"]\n'
        '[[pattern]]\nname = "p"\nfile = "{zone}.zone"\nnotify = ["r"]\n'
        + "".join(f'[[zone]]\nname = "{name}"\npattern = "p"\n' for name in ("one", "two"))
    )
    done = run("check-config", str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("this version makes no transfers") == 1
    assert re.search(rf"^{file}: no mistakes, \d+ warnings?$", done.stdout, re.MULTILINE)


def test_check_config(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    (tmp_path / "a").write_text("$TTL 1\n@ SOA a a 1 1 1 1 1\n@ NS a\n")
    file.write_text(
        '[server]\nrun_dir = "r"\nstate_dir = "s"\n[listen]\nport = 5300\n[[zone]]\nname = "a."\nfile = "a"\n'
    )
    done = run("check-config", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: no mistakes\n", "")
    file.write_text("")
    done = run("check-config", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{file}: warning: no zone is configured, so every query is refused" in done.stdout
    file.write_text("[listen]\nprot = 5300\n[limits]\nedns_size = 1\n")
    done = run("check-config", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"{file}:2: error: unknown key 'prot' in [listen]; did you mean 'port'?",
        f"{file}:4: error: edns_size = 1: expected `int` >= 512",
    ]
    done = run("check-config", str(file), "--json")
    assert done.returncode == 1
    assert [one["line"] for one in json.loads(done.stdout)["findings"]] == [2, 4]


def test_check_zone(tmp_path: Path) -> None:
    file = tmp_path / "example.zone"
    file.write_text(ZONE)
    assert run("check-zone", "example.", str(file), "--json").returncode == 0
    file.write_text(ZONE + "www 300 A 192.0.2.300\n")
    done = run("check-zone", "example.", str(file))
    assert done.returncode == 1
    assert f"{file}:3: error: " in done.stderr
    done = run("check-zone", "exa..mple", str(file))
    assert (done.returncode, done.stderr) == (1, "appliance: name 'exa..mple': empty label\n")


@pytest.mark.parametrize("verb", ["status", "stats", "reload", "stop"])
def test_no_server_is_status_3(verb: str, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[server]\nrun_dir = "."\n')
    done = run(verb, "--config", str(file))
    assert done.returncode == 3
    assert done.stderr == f"appliance: no server listens on {tmp_path}/control.sock; start it with `appliance serve`\n"


@pytest.mark.parametrize("verb", ["status", "serve"])
def test_a_bad_configuration_is_told_before_anything_else(verb: str, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[listen\n")
    done = run(verb, "--config", str(file))
    assert done.returncode == 1
    assert done.stderr.startswith(f"appliance: {file}:1: error: ")
    done = run(verb, "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert done.stderr == f"appliance: {tmp_path}/none.toml: error: cannot be read: No such file or directory\n"


def test_check_zone_with_a_configuration(tmp_path: Path) -> None:
    zone, config = tmp_path / "example.zone", tmp_path / "a.toml"
    zone.write_text(ZONE)
    config.write_text('[checks]\nzonemd-missing = "error"\n')
    assert run("check-zone", "example.", str(zone)).returncode == 0
    done = run("check-zone", "example.", str(zone), "--config", str(config), "--json")
    assert done.returncode == 1
    assert "[zonemd-missing]" in json.loads(done.stdout)["findings"][0]["reason"]
    config.write_text('[checks]\nzonemd-mising = "error"\n')
    done = run("check-zone", "example.", str(zone), "--config", str(config))
    assert done.returncode == 1
    assert "did you mean 'zonemd-missing'?" in done.stderr
    done = run("check-zone", "example.", str(zone), "--config", str(tmp_path / "none.toml"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"appliance: {tmp_path}/none.toml: error: cannot be read: No such file or directory\n"


def test_estimate(tmp_path: Path) -> None:
    zone = tmp_path / "a.zone"
    zone.write_text("example. 300 SOA ns.example. root.example. 1 2 3 4 5\nexample. 300 NS ns.test.\n")
    (tmp_path / "a.toml").write_text('[store]\nmemory_mib = 1\n[[zone]]\nname = "example."\nfile = "a.zone"\n')
    done = run("estimate", str(zone), "--json", "--config", str(tmp_path / "none.toml"))
    told = json.loads(done.stdout)
    assert (done.returncode, told["zones"], told["store"]["names"], told["fits"]) == (0, 1, 1, True)
    done = run("estimate", "--config", str(tmp_path / "a.toml"))
    assert done.returncode == 2
    assert "does not fit into [store] memory_mib = 1" in done.stdout
    zone.write_text("@ 300 SOA ns root 1 2 3 4 5\n@ 300 NS ns\n")
    assert "--zone" in run("estimate", str(zone)).stderr
    assert run("estimate", str(zone), "--zone", "example.").returncode == 0


@pytest.mark.parametrize("verb", ["status", "stats", "reload", "stop"])
@pytest.mark.parametrize("folder", ["run_dir", "state_dir"])
def test_a_server_whose_socket_was_removed_is_not_told_to_be_gone(verb: str, folder: str, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[server]\nrun_dir = "run"\nstate_dir = "state"\n')
    lock = RunLock(tmp_path / folder.partition("_")[0], folder)
    try:
        done = run(verb, "--config", str(file))
    finally:
        lock.close()
    assert done.returncode == 1
    socket = f"{tmp_path}/run/control.sock"
    assert f"no server listens on {socket}, but the server lives (process {os.getpid()})" in done.stderr
    assert f"`kill {os.getpid()}` ends it in order" in done.stderr
    assert run(verb, "--config", str(file)).returncode == 3
