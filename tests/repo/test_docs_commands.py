# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages show is true: commands exist with these flags, configurations are accepted, links lead somewhere."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from appliance.cli.main import cli
from appliance.config.load import examine
from tests.repo.sources import ROOT, relative

pytestmark = pytest.mark.unit

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(?P<language>[a-z]+)(?P<run> run)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#]+)")
_ELSEWHERE = {"systemctl", "systemd-sysusers", "ss", "sysctl"}
"""Tools of the operator's machine that a minimal test machine may lack."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    language: str
    run: bool
    text: str

    def __str__(self) -> str:
        return f"{relative(self.page)}:{self.text.splitlines()[0][:40]}"


def blocks(language: str) -> list[Block]:
    return [
        Block(page, language, match["run"] is not None, match["text"])
        for page in PAGES
        for match in _BLOCK.finditer(page.read_text())
        if match["language"] == language
    ]


def commands(block: Block) -> Iterator[list[str]]:
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.strip():
            yield shlex.split(line, comments=True)


def check_appliance(words: list[str]) -> None:
    """Let click parse the words as it would; nothing is run."""
    command: click.Command = cli
    context = click.Context(command, info_name="appliance")
    while isinstance(command, click.Group) and not (words and words[0].startswith("-")):
        assert words, f"{context.command_path} needs a subcommand"
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"there is no {context.command_path} {name}"
        command = found
        context = click.Context(command, info_name=name, parent=context)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= known | {"--help", "--version"}, f"{context.command_path} has no {sorted(given - known)}"


def check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = {word for word in words if "=" not in word}
    assert wanted <= targets, f"there is no make {sorted(wanted - targets)}"


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_commands(block: Block) -> None:
    for first, *words in commands(block):
        if first == "appliance":
            check_appliance(words)
        elif first == "make":
            check_make(words)
        else:
            assert first in _ELSEWHERE or shutil.which(first, path="/usr/sbin:/sbin:/usr/bin:/bin"), f"what is {first}?"
            for word in words:
                inside = ROOT / word
                assert not re.match(r"(provisioning|tests|docs|ebpf|hw-profiles)/", word) or inside.exists(), word


@pytest.mark.parametrize("block", [block for block in blocks("sh") if block.run], ids=str)
def test_runnable_blocks(block: Block) -> None:
    path = f"{ROOT}/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=ROOT,
        env={"PATH": path, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_configurations(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "appliance.toml"
    file.write_text(block.text)
    config, findings = examine(file)
    assert config is not None, [str(finding) for finding in findings]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links(page: Path) -> None:
    missing = [m["target"] for m in _LINK.finditer(page.read_text()) if not (page.parent / m["target"]).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_files_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:appliance|ebpf|provisioning|hw-profiles|bench)/[\w./-]*)`", page.read_text())
    missing = [name for name in named if not name.startswith("bench/results") and not (ROOT / name).exists()]
    assert not missing
