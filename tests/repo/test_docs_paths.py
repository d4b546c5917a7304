# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that a reader of the code begins with name only what exists, leave no folder out, and stay short."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, relative

pytestmark = pytest.mark.unit

ARCHITECTURE = ROOT / "docs" / "architecture.md"
TESTS = ROOT / "tests" / "README.md"
PAGES = [ROOT / "README.md", ARCHITECTURE, TESTS, ROOT / "docs" / "xdp-program.md", ROOT / "docs" / "large-zones.md"]
WORDS = 900
"""Most words of the page about the architecture, pictures included."""

_BACKTICKS = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"\.?[\w-][\w.-]*(/[\w.-]+)*/?")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"\b[\w]+\.h\b")
_MADE = {".venv"}
"""What a machine that was set up has, and the repository has not."""


def named_paths(text: str) -> Iterator[str]:
    """Yield what stands in backticks outside of fenced blocks and looks like a path: it has a slash."""
    for word in _BACKTICKS.findall(_FENCED.sub("", text)):
        if "/" in word and _PATH.fullmatch(word):
            yield word


def rows_of_tests(text: str) -> set[str]:
    """Return the folders of tests that have a row in a table."""
    return set(re.findall(r"^\| `tests/(\w+)/` \|", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_paths_exist(page: Path) -> None:
    named = [name for name in named_paths(page.read_text()) if name.partition("/")[0] not in _MADE]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [ARCHITECTURE, ROOT / "docs" / "xdp-program.md"], ids=relative)
def test_headers_exist(page: Path) -> None:
    named = set(_HEADER.findall(page.read_text()))
    assert named
    assert named <= {path.name for path in (ROOT / "ebpf").glob("*.h")}


def test_modules_of_the_pictures_exist() -> None:
    """In the pictures of the ways a module or folder of the package stands without the package's name."""
    pictures = "\n".join(_FENCED.findall(ARCHITECTURE.read_text()))
    named = set(re.findall(r"\b[a-z]+/[a-z_]+\b", pictures))
    assert len(named) > 10
    package = ROOT / "appliance"
    assert [name for name in named if not (package / name).exists() and not (package / f"{name}.py").exists()] == []


def test_every_folder_of_the_package_has_a_row() -> None:
    text = ARCHITECTURE.read_text()
    folders = {path.parent.name for path in (ROOT / "appliance").glob("*/__init__.py")}
    assert folders == set(re.findall(r"^\| `appliance/(\w+)/` \|", text, re.MULTILINE))


def test_every_folder_of_tests_has_a_row() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert folders == rows_of_tests(TESTS.read_text())


def test_every_marker_is_explained() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    text = TESTS.read_text()
    assert [marker for marker in (line.partition(":")[0] for line in listed) if f"`{marker}`" not in text] == []


def test_the_architecture_is_short() -> None:
    assert len(ARCHITECTURE.read_text().split()) <= WORDS


def test_what_looks_like_a_path() -> None:
    text = "`ebpf/name.h`, `make demo`, `.venv/bin/python`, `tests/`, `STEPS`\n```\n`no/thing`\n```\n`a/b c`"
    assert list(named_paths(text)) == ["ebpf/name.h", ".venv/bin/python", "tests/"]
