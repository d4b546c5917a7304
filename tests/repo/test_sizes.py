# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and functions stay small enough to read in one go; offenders are printed."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.sources import c_files, python_files, relative

pytestmark = pytest.mark.unit

PYTHON_FILE_LINES = 500
C_FILE_LINES = 300
FUNCTION_LINES = 50
C_ENTRY_LINES = 80
"""The program's entry function is its table of contents and may be longer."""

_C_FUNCTION = re.compile(r"^[A-Za-z_][^;={}]*\([^;{}]*\)\s*\{$(?P<body>.*?)^\}", re.MULTILINE | re.DOTALL)


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def c_functions(text: str) -> Iterator[tuple[str, int]]:
    for match in _C_FUNCTION.finditer(text):
        head = match.group().partition("(")[0]
        yield head.split()[-1].lstrip("*"), match.group().count("\n") + 1


def report(offenders: list[str]) -> None:
    assert not offenders, "too long:\n" + "\n".join(offenders)


def test_python_files() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in python_files()}
    report(
        [
            f"{relative(path)}: {n} lines, {PYTHON_FILE_LINES} at most"
            for path, n in lines.items()
            if n > PYTHON_FILE_LINES
        ]
    )


def test_c_files() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in c_files()}
    report([f"{relative(path)}: {n} lines, {C_FILE_LINES} at most" for path, n in lines.items() if n > C_FILE_LINES])


def test_python_function_lengths() -> None:
    offenders = [
        f"{relative(path)}: {name}: {n} lines, {FUNCTION_LINES} at most"
        for path in python_files()
        for name, n in python_functions(path)
        if n > FUNCTION_LINES
    ]
    report(offenders)


def test_c_function_lengths() -> None:
    offenders = []
    for path in c_files():
        for name, n in c_functions(path.read_text()):
            limit = C_ENTRY_LINES if path.name == "xdp_dns.c" else FUNCTION_LINES
            if n > limit:
                offenders.append(f"{relative(path)}: {name}: {n} lines, {limit} at most")
    report(offenders)


def test_the_measure_sees_functions() -> None:
    text = "static __always_inline int first(struct x *a,\n        int b)\n{\n    if (a) {\n    }\n}\n"
    assert list(c_functions(text.replace("b)\n{", "b) {"))) == [("first", 5)]
    assert list(c_functions(text)) == [("first", 6)]
