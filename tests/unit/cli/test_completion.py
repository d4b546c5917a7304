# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion in shells: commands, options, and the names of zones that a server has, bounded in time and number."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli.completion import LIMIT_S
from appliance.control.verbs import NAMES
from tests.harness.served import Served, configuration, serving, zone_text

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
MANY = NAMES + 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "example.zone").write_text(zone_text())
    (folder / "list").write_text("".join(f"many{number}.test.\n" for number in range(MANY)))
    more = '[[pattern]]\nzones = "list"\nfile = "example.zone"'
    (folder / "appliance.toml").write_text(configuration("example.").replace("[[zone]]", f"{more}\n[[zone]]", 1))
    with serving(folder) as served:
        yield served


def completed(words: str, shell: str = "bash") -> list[str]:
    """Return what a line may become whose last word is not whole."""
    parts = shlex.split(words) + [""] * words.endswith(" ")
    more = {"_APPLIANCE_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(parts) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "appliance"],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line]
    return lines[1::3] if shell == "zsh" else [line.partition(",")[2] for line in lines]


def test_commands_and_options() -> None:
    assert "stats_noreset" in completed("appliance sta")
    assert "journal" in completed("appliance zone ")
    assert "--allow-removal" in completed("appliance reload --al")
    assert completed("appliance completion ") == ["bash", "zsh"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("command", ["reload", "zone reload", "zone journal", "notify"])
def test_zones(server: Served, command: str, shell: str) -> None:
    assert completed(f"appliance {command} --config {server.config} Exa", shell) == ["example."]
    assert completed(f"appliance {command} --config {server.config} none", shell) == []


def test_many_zones_are_bounded(server: Served) -> None:
    assert len(completed(f"appliance reload --config {server.config} many")) == NAMES
    assert len(server.ask("names")["names"]) == NAMES
    assert server.command("zone", "names", "many7.").stdout == "many7.test.\n"


def test_without_a_server_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[server]\nrun_dir = "."\n')
    (tmp_path / "bad.toml").write_text("[server\n")
    for file in ("a.toml", "bad.toml", "none.toml"):
        assert completed(f"appliance reload --config {tmp_path / file} e") == []


def test_a_server_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[server]\nrun_dir = "."\n')
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "read.sock"))
        listening.listen()
        began = time.monotonic()
        assert completed(f"appliance reload --config {tmp_path / 'a.toml'} e") == []
        assert time.monotonic() - began < LIMIT_S + 30  # 10 s, and more, is what other calls wait


def test_bash_itself(server: Served) -> None:
    """The words of the page on installing, in the shell."""
    text = f"""
    export PATH={ROOT}/.venv/bin:$PATH
    eval "$(appliance completion bash)"
    COMP_WORDS=(appliance reload --config {server.config} exa) COMP_CWORD=4
    _appliance_completion appliance
    printf '%s\\n' "${{COMPREPLY[@]}}"
    complete -p appliance
    """
    done = subprocess.run(["bash", "-euc", text], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["example.", "complete -o nosort -F _appliance_completion appliance"]


def test_the_text_for_zsh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "completion", "zsh"],
        capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )  # fmt: skip
    assert done.stdout.startswith("#compdef appliance\n")
    assert "_APPLIANCE_COMPLETE=zsh_complete appliance" in done.stdout
