# SPDX-License-Identifier: GPL-3.0-or-later
"""Make layout.py and layout.pxd from `ebpf/layout.h`, the one definition of the octets of the store.

`python -m appliance.store.generate` writes both; a test compares them with the header, and the header with a compiler.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEADER: Final = Path(__file__).resolve().parents[2] / "ebpf" / "layout.h"
_STRUCT: Final = re.compile(r"^struct (\w+) \{(.*?)\};", re.MULTILINE | re.DOTALL)
_ENUM: Final = re.compile(r"^enum \w+ \{(.*?)\};", re.MULTILINE | re.DOTALL)
_DEFINE: Final = re.compile(r"^#define ([A-Z][A-Z0-9_]*) (.+)$", re.MULTILINE)
_FIELD: Final = re.compile(r"(\w+)(?:\[(\w+)\])?\s*(?:,|$)")
_KINDS: Final = {"u8": (1, "B"), "u16": (2, "H"), "u32": (4, "I"), "u64": (8, "Q")}
_ARRAYS: Final = ("ctl", "bucket", "zone", "counter_row", "service", "port", "vlan", "relocation")
"""Structs that are read field by field, never as a whole."""
_NOTICE: Final = "made from ebpf/layout.h by appliance.store.generate; change the header, then run that."


@dataclass(frozen=True)
class Field:
    """One field: octet offset, octets of an element, elements, and its place in what struct.unpack returns."""

    name: str
    at: int
    width: int
    count: int
    place: int


@dataclass(frozen=True)
class Layout:
    """All numbers of the header: constants by name, and the structs with their size, fields and struct format."""

    constants: dict[str, int]
    structs: dict[str, tuple[int, list[Field], str]]


def read(text: str) -> Layout:
    """Return what a header defines. Raises ValueError where it is not of the simple kind that this reads."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).replace("\\\n", " ")
    constants: dict[str, int] = {}
    for name, value in _DEFINE.findall(text):
        if not name.startswith("APPLIANCE_"):
            constants[name] = _number(value, constants)
    for body in _ENUM.findall(text):
        for pair in body.split(","):
            name, _, value = pair.partition("=")
            constants[name.strip()] = _number(value, constants)
    structs: dict[str, tuple[int, list[Field], str]] = {}
    for name, body in _STRUCT.findall(text):
        structs[name] = _lay_out(body, constants, structs)
    return Layout(constants, structs)


def _number(text: str, known: dict[str, int]) -> int:
    """Return the value of a constant expression of C."""
    plain = re.sub(r"\b(0x[0-9A-Fa-f]+|\d+)[uUlL]+\b", r"\1", text.strip()).replace("/", "//")
    try:
        node = ast.parse(plain, mode="eval").body
    except SyntaxError:
        node = ast.Constant(None)
    return _value(node, known, text)


def _value(node: ast.expr, known: dict[str, int], text: str) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, known, text), _value(node.right, known, text)
        if isinstance(node.op, ast.LShift):
            return left << right
        if isinstance(node.op, ast.FloorDiv):
            return left // right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
    raise ValueError(f"{HEADER.name}: {text.strip()!r} is no constant that can be read here; write a number or a shift")


def _lay_out(
    body: str, constants: dict[str, int], structs: dict[str, tuple[int, list[Field], str]]
) -> tuple[int, list[Field], str]:
    """Return size, fields and struct format as the C ABI lays the fields out; a struct within is an array of u32."""
    fields: list[Field] = []
    at = place = 0
    widest = 1
    form = "<"
    for group in filter(None, map(str.strip, body.split(";"))):
        kind, _, rest = group.removeprefix("struct ").partition(" ")
        inner = structs.get(kind)
        width, letter = (inner[0], "") if inner else _KINDS[kind]
        align = 4 if inner else width
        widest = max(widest, align)
        form += f"{-at % align}x" if -at % align else ""
        at += -at % align
        for name, count in _FIELD.findall(rest):
            number = _number(count, constants) if count else 1
            fields.append(Field(name, at, width, number, place))
            octets = inner is not None or (letter == "B" and number > 1)
            form += f"{width * number}s" if octets else f"{number if number > 1 else ''}{letter}"
            place += 1 if octets else number
            at += width * number
    size = at + -at % widest
    if fields[-1].name == "reserved":
        form = form[: -len(re.search(r"\d*[A-Za-z]$", form)[0])]  # type: ignore[index]
        at = fields[-1].at
    return size, fields, form + (f"{size - at}x" if size > at else "")


def numbers(layout: Layout) -> Iterator[tuple[str, int]]:
    """Yield every constant that code may use, the ones of fields by STRUCT_FIELD_AT, _WORD and _PLACE."""
    yield from layout.constants.items()
    for name, (size, fields, _) in layout.structs.items():
        upper = name.upper()
        yield f"{upper}_SIZE", size
        for field in fields:
            if field.name.startswith("reserved"):
                continue
            yield f"{upper}_{field.name.upper()}_AT", field.at
            if not field.at % 4 and field.width % 4 == 0:
                yield f"{upper}_{field.name.upper()}_WORD", field.at // 4
            if name not in _ARRAYS:
                yield f"{upper}_{field.name.upper()}_PLACE", field.place


def python(layout: Layout) -> str:
    """Return the text of layout.py."""
    lines = ["# SPDX-License-Identifier: GPL-3.0-or-later", f'"""The octets of the store, {_NOTICE}', ""]
    lines += [
        "Of a field of a struct: _AT is its offset in octets, _WORD the same in words of 32 bits, _PLACE its place in",
        'what the struct.Struct of that name unpacks."""',
        "",
        "import struct",
        "from collections.abc import Mapping",
        "from typing import Final",
        "",
    ]
    for name, value in numbers(layout):
        lines.append(f"{name}: Final = " + (f"0x{value:X}" if value > 1 << 20 else str(value)))
    lines.append("")
    for name, (_, _, form) in layout.structs.items():
        if name not in _ARRAYS:
            lines.append(f'{name.upper()}: Final = struct.Struct("{form}")')
    lines += ["", "SIZES: Final[Mapping[str, int]] = {"]
    lines += [f'    "{name}": {size},' for name, (size, _, _) in layout.structs.items()]
    lines += ["}", '"""Octets of each struct."""', "", "OFFSETS: Final[Mapping[str, Mapping[str, int]]] = {"]
    for name, (_, fields, _) in layout.structs.items():
        lines.append(f'    "{name}": {{')
        lines += [f'        "{field.name}": {field.at},' for field in fields]
        lines.append("    },")
    lines += ["}", '"""Offset of each field of each struct, in octets."""', ""]
    return "\n".join(lines)


def cython(layout: Layout) -> str:
    """Return the text of layout.pxd, whose enumerators are constants of the C compiler."""
    small = [(name, value) for name, value in numbers(layout) if value < 1 << 31]
    large = [(name, value) for name, value in numbers(layout) if value >= 1 << 31]
    lines = ["# SPDX-License-Identifier: GPL-3.0-or-later", f"# The numbers of the store, {_NOTICE}", "", "cdef enum:"]
    lines += [f"    {name} = {value}" for name, value in small]
    lines += ["", "cdef extern from *:", '    """']
    lines += [f"    #define LAYOUT_{name} {value:#x}ULL" for name, value in large]
    lines.append('    """')
    lines += [f'    const unsigned long long {name} "LAYOUT_{name}"' for name, value in large]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files beside this one."""
    layout = read(HEADER.read_text())
    here = Path(__file__).parent
    here.joinpath("layout.py").write_text(python(layout))
    here.joinpath("layout.pxd").write_text(cython(layout))


if __name__ == "__main__":
    main()
