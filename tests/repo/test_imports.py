# SPDX-License-Identifier: GPL-3.0-or-later
"""Dependencies between the folders of the package point one way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, relative

pytestmark = pytest.mark.unit

PACKAGE = ROOT / "appliance"

# A folder may import itself and every folder named before it.
ORDER = [
    *("errors", "access", "crash", "zone", "store", "lookup", "compiler", "config", "datapath", "state", "served"),
    *("server", "publish", "control", "cli"),
]
# The same for the folders within one; files that lie beside them may be used by all, and use all.
WITHIN = {
    "zone": ["master", "packed", "checks", "diff"],
    "compiler": ["neighbours", "denial", "answers", "bulk", "change", "template"],
}
BCC_ALLOWED = {"appliance/datapath/compiler.py"}
# What the other folders may know of the NIC path: requests and answers as plain data, no program, no netlink.
DATAPATH_SHOWS = {"door", "events", "interfaces", "probe", "specs", "taking", "verdicts"}


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names a module imports, deferred imports included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module.split(".")[0] == "appliance":
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


def test_no_files_import_each_other_in_a_circle() -> None:
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
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
