# SPDX-License-Identifier: GPL-3.0-or-later
"""Dependencies between the folders of the package point one way."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, relative

pytestmark = pytest.mark.unit

PACKAGE = ROOT / "appliance"
BENCH = ROOT / "bench"

# A folder may import itself and every folder named before it.
ORDER = [
    *("wording", "errors", "access", "crash"),
    *("zone", "store", "lookup", "compiler", "config", "datapath", "state"),
    *("migration", "served"),
    *("server", "publish", "hardware", "control", "cli"),
]
# The same for the folders within one; files that lie beside them may be used by all, and use all.
WITHIN = {
    "zone": ["master", "packed", "checks", "diff"],
    "compiler": ["neighbours", "denial", "answers", "bulk", "change", "template"],
}
# The measurement lab: the commands that lie beside its folders use all, and none of these uses a command.
BENCH_ORDER = ["figures", "machine", "traffic", "baseline", "zones", "peers", "suites"]
BCC_ALLOWED = {"appliance/datapath/compiler.py"}
# What the other folders may know of the NIC path: requests and answers as plain data, no program, no netlink.
DATAPATH_SHOWS = {"interface_names", "door", "events", "interfaces", "probe", "remains", "specs", "taking", "verdicts"}


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the dotted names a module imports, deferred imports included."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module.split(".")[0] in ("appliance", "bench"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def test_one_direction() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        here = part(path)
        if here not in ORDER:
            continue
        for name in imports(path):
            pieces = name.split(".")
            if pieces[0] != "appliance" or len(pieces) == 1 or pieces[1] not in ORDER:
                continue
            if ORDER.index(pieces[1]) > ORDER.index(here):
                wrong.append(f"{relative(path)} imports {name}")
    assert not wrong, "against the order " + " <- ".join(ORDER) + ":\n" + "\n".join(wrong)


@pytest.mark.parametrize("folder", WITHIN)
def test_one_direction_within(folder: str) -> None:
    order = WITHIN[folder]
    assert {path.name for path in (PACKAGE / folder).iterdir() if path.is_dir() and path.name != "__pycache__"} == set(
        order
    )
    wrong = []
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        here = path.relative_to(PACKAGE / folder).parts[0]
        for name in imports(path) if here in order else ():
            pieces = name.split(".")
            inside = pieces[:2] == ["appliance", folder] and len(pieces) > 2 and pieces[2] in order
            if inside and order.index(pieces[2]) > order.index(here):
                wrong.append(f"{relative(path)} imports {name}")
    assert not wrong


def test_one_direction_in_the_lab() -> None:
    folders = {path.parent.name for path in BENCH.glob("*/__init__.py")}
    assert folders == set(BENCH_ORDER) - {"figures"}
    wrong = []
    for path in sorted(BENCH.rglob("*.py")):
        here = path.relative_to(BENCH).parts[0].removesuffix(".py")
        used = [name.split(".") for name in imports(path) if name.startswith("bench.")] if here in BENCH_ORDER else []
        before = BENCH_ORDER[: BENCH_ORDER.index(here) + 1] if here in BENCH_ORDER else []
        wrong += [f"{relative(path)} imports {'.'.join(pieces)}" for pieces in used if pieces[1] not in before]
    assert not wrong, "against the order " + " <- ".join(BENCH_ORDER) + ":\n" + "\n".join(wrong)


@pytest.mark.parametrize("tree", [PACKAGE, BENCH], ids=relative)
def test_every_folder_says_what_lives_there_and_what_may_not(tree: Path) -> None:
    """In about five lines: a sentence for what lives there, and a paragraph for what may not."""
    wrong = []
    folders = [tree, *(path for path in tree.rglob("*") if path.is_dir() and any(path.glob("*.py")))]
    for folder in folders:
        file = folder / "__init__.py"
        said = ast.get_docstring(ast.parse(file.read_text())) if file.exists() else None
        if not said or "\n\n" not in said or len(said.splitlines()) > 7:
            wrong.append(relative(file))
    assert not wrong


def test_the_product_knows_no_lab_and_no_test() -> None:
    outside = ("bench", "demo", "tests")
    wrong = [
        f"{relative(path)} imports {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in imports(path)
        if name.split(".")[0] in outside
    ]
    assert not wrong


@pytest.mark.parametrize("tree", [PACKAGE, BENCH], ids=relative)
def test_no_files_import_each_other_in_a_circle(tree: Path) -> None:
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in tree.rglob("*.py")}
    above = {name: {one for one in imports(path) if one in files} for name, path in files.items()}
    while free := [name for name, used in above.items() if not used & above.keys()]:
        for name in free:
            del above[name]
    assert not above, "these, and what they lead to, are in a circle: " + ", ".join(sorted(above))


def test_what_comes_first_knows_no_configuration() -> None:
    early = [path for folder in ("zone", "store", "lookup", "compiler") for path in (PACKAGE / folder).rglob("*.py")]
    wrong = [relative(path) for path in early if any(name.startswith("appliance.config") for name in imports(path))]
    assert not wrong


def test_only_the_loaders_compiler_imports_bcc() -> None:
    users = {relative(path) for path in PACKAGE.rglob("*.py") if any(n.split(".")[0] == "bcc" for n in imports(path))}
    assert users <= BCC_ALLOWED


def test_only_the_bar_of_a_load_is_drawn_by_rich() -> None:
    """Tables and sentences have one renderer, `cli.tables`; another one folds, colours and escapes in its own way."""
    users = {relative(path) for path in PACKAGE.rglob("*.py") if any(n.split(".")[0] == "rich" for n in imports(path))}
    assert users <= {"appliance/publish/progress.py"}


def test_the_nic_path_has_one_door() -> None:
    """What holds descriptors of programs stays behind it, so that it can move into a process with rights of its own."""
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if part(path) == "datapath":
            continue
        for name in imports(path):
            pieces = name.split(".")
            if pieces[:2] == ["appliance", "datapath"] and len(pieces) > 2 and pieces[2] not in DATAPATH_SHOWS:
                wrong.append(f"{relative(path)} imports {name}")
    assert not wrong


def test_only_the_nic_path_speaks_netlink() -> None:
    users = {part(path) for path in PACKAGE.rglob("*.py") if any(n.split(".")[0] == "pyroute2" for n in imports(path))}
    assert users == {"datapath"}
