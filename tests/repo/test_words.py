# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the RFCs mean what the RFCs mean, and places in the store have names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, c_files, python_files, relative

pytestmark = pytest.mark.unit

PACKAGE = ROOT / "appliance"

# Names of modules that tell nothing, or tell something else than what is in the module.
NO_MODULES = re.compile(
    r"^(utils?|helpers?|misc|common|manager|stamp|press|relink|recut|weighing|spent|together|meanwhile|surface|restart|restamp|mould)$"
)
# A word in the name of a function, class or module → the files in which it has the RFC's meaning.
TAKEN = {
    "transfer": re.compile(r"appliance/(transfer/|server/respond\.py)"),
    "notify": re.compile(r"appliance/(transfer/|server/|control/service_manager\.py)"),
    "record": re.compile(r"(?!appliance/(store|datapath)/)"),
    "cut": re.compile(r"(?!appliance/(store|datapath|server|control|cli)/)"),
    "chain": re.compile(r"(?!appliance/(datapath|server|control|cli)/)"),
}
# Words of texts → what to say.
SAY = {
    r"CNAME[- ]chain": "an alias chain (a chain is one of NSECs or NSEC3s)",
    r"\bso (many|much) (MiB|octets|seconds|zones|names)\b": "the parameter by its name",
}
# What has the octets of the store: attributes, and calls that unpack an object of it. The two halves of a number of 64
# bits, and of a pair without and with DO, are a name and 1.
HOLDERS = {"words", "heap", "zone_words", "zone_octets"}
UNPACKED = {"slot", "node"}
STRUCTS = {"NODE", "ANSWER", "FRAGMENT", "TYPE_ENTRY", "ZONE_SLOT", "CHILDREN", "CHILD", "NSEC3", "NSEC3_HASH"}
# What has packed records, listings or RDATA: arrays, and functions that read or write at a place of one.
RECORD_FOLDERS = ("appliance/zone/packed", "appliance/zone/diff", "appliance/zone/checks", "appliance/compiler/bulk")
RECORD_HOLDERS = {"octets", "memory", "source", "listing", "old", "new"}
READERS = {"u16", "u32", "big16", "rdata32", "word", "copy", "put", "is_model"}
OTHER_WORDS = {"appliance/zone/master/files.py"}
"""Files with an attribute of such a name that is none of the store's."""


def definitions(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of the functions and classes of a file, and the name of its module with line 1."""
    yield 1, path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def words(name: str) -> list[str]:
    """Return the words of a name, in lower case and in the singular."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)
    return [part.lower().removesuffix("s") for part in parts]


def test_modules_have_nouns_that_tell() -> None:
    named = [path for path in [*python_files(), *c_files()] if NO_MODULES.match(path.stem.removeprefix("test_"))]
    assert [relative(path) for path in named] == []


@pytest.mark.parametrize("word", TAKEN)
def test_words_that_are_taken(word: str) -> None:
    wrong = [
        f"{relative(path)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not TAKEN[word].match(relative(path))
        for line, name in definitions(path)
        if word in words(name)
    ]
    assert wrong == []


@pytest.mark.parametrize("phrase", SAY)
def test_phrases(phrase: str) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    sources = [path for path in [*python_files(), *c_files()] if ROOT / "tests" not in path.parents]
    wrong = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in [*pages, *sources]
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(phrase, line)
    ]
    assert not wrong, f"say {SAY[phrase]}:\n" + "\n".join(wrong)


def bare_offsets(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of what takes a place in the store by a bare number."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _is_bare(node.slice) and _is_of_the_store(node.value):
            yield node.lineno, ast.unparse(node)


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _is_bare(index: ast.expr) -> bool:
    if isinstance(index, ast.BinOp) and isinstance(index.op, ast.Add):
        return any(_is_number(side) for side in (index.left, index.right)) and not _is_a_half(index)
    return _is_number(index)


def _is_a_half(index: ast.BinOp) -> bool:
    named = re.search(r"_(WORD|PLACE|AT)\b|\bstart\b|_CTL\[", ast.unparse(index.left))
    return bool(named) and isinstance(index.right, ast.Constant) and index.right.value == 1


def _is_of_the_store(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr in ("unpack", "unpack_from"):
            return ast.unparse(value.func.value).rpartition(".")[2] in STRUCTS
        return value.func.attr in UNPACKED
    return isinstance(value, ast.Attribute) and value.attr in HOLDERS


def bare_in_records(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of what takes a place in packed records, listings or RDATA by a bare number."""
    inside = {
        id(node)
        for one in ast.walk(tree)
        if isinstance(one, ast.FunctionDef) and one.name in READERS
        for node in ast.walk(one)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Subscript | ast.Call)
            and id(node) not in inside
            and any(map(_is_bare_sum, _taken(node)))
        ):
            yield node.lineno, ast.unparse(node)


def _taken(node: ast.Subscript | ast.Call) -> list[ast.expr]:
    """Return the places in records that an expression takes."""
    if isinstance(node, ast.Call):
        return node.args if _last_name(node.func) in READERS else []
    if _last_name(node.value) not in RECORD_HOLDERS:
        return []
    ends = [node.slice.lower, node.slice.upper] if isinstance(node.slice, ast.Slice) else [node.slice]
    return [one for one in ends if one is not None]


def _last_name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _is_bare_sum(place: ast.expr) -> bool:
    """Tell whether a sum has a number above 1, and no name of a field: the octet behind a named one is that and 1."""
    if not isinstance(place, ast.BinOp) or not isinstance(place.op, ast.Add | ast.Sub):
        return False
    numbers = [one.value for one in ast.walk(place) if isinstance(one, ast.Constant) and type(one.value) is int]
    return max(numbers, default=0) > 1 and not re.search(r"(_AT|SIZE|LENGTH_BEFORE)\b", ast.unparse(place))


def test_no_bare_offsets() -> None:
    wrong = [
        f"{relative(path)}:{line}: {text}"
        for path in python_files()
        if relative(path) not in OTHER_WORDS and path.name != "setup.py"
        for line, text in bare_offsets(ast.parse(path.read_text()))
    ]
    assert not wrong, "take the names of appliance/store/layout.py:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("store.words[ref * 4 + 7]", True),
        ("store.slot(zone)[6]", True),
        ("store.node(ref)[2] & 1", True),
        ("layout.ANSWER.unpack_from(octets, at)[6]", True),
        ("self.heap[11 + heap_offset(ref)]", True),
        ("store.words[ref * 4 + NODE_OTHER_WORD + 1]", False),
        ("store.words[ref * 4 + NODE_NEXT_WORD]", False),
        ("store.slot(zone)[ZONE_SLOT_DENIAL_PLACE]", False),
    ],
)
def test_what_is_a_bare_offset(text: str, bare: bool) -> None:
    assert bool(list(bare_offsets(ast.parse(text)))) is bare


def test_no_bare_offsets_in_records() -> None:
    files = [path for folder in RECORD_FOLDERS for path in sorted((ROOT / folder).glob("*.py"))]
    assert len(files) > len(RECORD_FOLDERS)
    wrong = [
        f"{relative(path)}:{line}: {text}"
        for path in files
        for line, text in bare_in_records(ast.parse(path.read_text()))
    ]
    assert not wrong, "take the names of header.py, fields.py (zone/packed) or layout.py (zone/diff):\n" + "\n".join(
        wrong
    )


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("self.octets[at + 14]", True),
        ("packed.octets[at - 2]", True),
        ("memory[at + 5 : end]", True),
        ("self.packed.rdata32(at + 12)", True),
        ("copy(to, 0, self.source, at + 8, 2)", True),
        ("self.octets[at + header.OWNER_LENGTH_AT]", False),
        ("octets[at + layout.RECORD_TTL_AT + 3 - i]", False),
        ("self.octets[at + 1]", False),
        ("self.heads[at + 4]", False),
        ("def u32(octets, at):\n    return octets[at] | octets[at + 2] << 16", False),
    ],
)
def test_what_is_a_bare_offset_in_records(text: str, bare: bool) -> None:
    assert bool(list(bare_in_records(ast.parse(text)))) is bare


def test_records_of_a_name_are_gone_through_by_the_cursor() -> None:
    """Only what sorts runs, keeps them or lets go of them knows where they stand."""
    know = {f"appliance/zone/packed/{name}.py" for name in ("runs", "names", "discard")}
    found = {relative(path) for path in PACKAGE.rglob("*.py") if re.search(r"\bheads\[", path.read_text())}
    assert found == know
