# SPDX-License-Identifier: GPL-3.0-or-later
"""Python's picture of the store is the compiler's: sizes, offsets and constants of ebpf/layout.h."""

import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.store import generate, layout, shape, verdict_names

pytestmark = pytest.mark.unit

HEADERS = Path(__file__).parents[3] / "ebpf"
CONSTANTS = [
    "STORE_MAGIC",
    "STORE_FORMAT",
    "DS_PIECES",
    "HEAP_CHUNK",
    "HEAP_WINDOW",
    "HASH_MULTIPLIER",
    "HASH_FINAL",
    "BUCKET_SLOTS",
    "SUFFIX_MAX",
    "NODE_HEAD",
    "CHAIN_MAX",
    "DENIAL_BLOCK",
    "DENIAL_REACH",
    "RELOCATIONS_A_TURN",
    "VLAN_SLOTS",
    "VLAN_PROBES",
    "VLAN_TAG",
    "VLAN_SERVICE",
    "SERVICE_SLOTS",
    "PORT_SLOTS",
    "COUNTER_SLOTS",
]
STRUCT = re.compile(r"^struct (\w+) \{(.*?)\};", re.MULTILINE | re.DOTALL)
ENUM = re.compile(r"enum \w+ \{(.*?)\};", re.DOTALL)


def header() -> str:
    return re.sub(r"/\*.*?\*/", "", (HEADERS / "layout.h").read_text(), flags=re.DOTALL)


def field_names(body: str) -> list[str]:
    found = []
    for group in filter(None, map(str.strip, body.split(";"))):
        declared = group.removeprefix("struct ").partition(" ")[2]
        found += re.findall(r"(\w+)(?:\[\w+\])?(?:,|$)", declared)
    return found


def enum_values() -> dict[str, int]:
    pairs = [pair.split("=") for body in ENUM.findall(header()) for pair in body.split(",")]
    return {name.strip(): int(value) for name, value in pairs}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Names to numbers, as a C program that includes the header prints them."""
    lines = [f'printf("%s %llu\\n", "{name}", (unsigned long long){name});' for name in [*CONSTANTS, *enum_values()]]
    for name, body in STRUCT.findall(header()):
        lines.append(f'printf("%s %zu\\n", "{name}", sizeof(struct {name}));')
        lines += [
            f'printf("%s %zu\\n", "{name}.{field}", offsetof(struct {name}, {field}));' for field in field_names(body)
        ]
    folder = tmp_path_factory.mktemp("layout")
    source = folder / "print.c"
    source.write_text(
        "#include <stdio.h>\n#include <stddef.h>\n#include <stdint.h>\n"
        "typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;\n"
        '#include "layout.h"\nint main(void) {\n' + "\n".join(lines) + "\nreturn 0; }\n"
    )
    command = ["gcc", "-Wall", "-Werror", f"-I{HEADERS}", "-o", folder / "print", source]
    subprocess.run(list(map(str, command)), check=True, timeout=60)
    shown = subprocess.run([str(folder / "print")], check=True, capture_output=True, text=True, timeout=10).stdout
    return {name: int(number) for name, number in map(str.split, shown.splitlines())}


def test_structs(printed: dict[str, int]) -> None:
    mine = dict(layout.SIZES)
    for name, offsets in layout.OFFSETS.items():
        mine |= {f"{name}.{field}": offset for field, offset in offsets.items()}
    theirs = {name: n for name, n in printed.items() if name.partition(".")[0] in layout.SIZES}
    assert len(theirs) > 100
    assert mine == theirs


def test_every_struct_is_mirrored() -> None:
    assert {name for name, _ in STRUCT.findall(header())} == set(layout.SIZES)


@pytest.mark.parametrize(("made", "name"), [(generate.python, "layout.py"), (generate.cython, "layout.pxd")])
def test_what_is_made_from_the_header_is_up_to_date(made: Callable[[generate.Layout], str], name: str) -> None:
    file = Path(layout.__file__).with_name(name)
    assert file.read_text() == made(generate.read((HEADERS / "layout.h").read_text())), (
        "run: python -m appliance.store.generate"
    )


def test_the_generator_refuses_what_it_cannot_read() -> None:
    with pytest.raises(ValueError, match="no constant that can be read"):
        generate.read("#define ODD sizeof(struct node)\n")


def test_constants(printed: dict[str, int]) -> None:
    assert {name: getattr(layout, name) for name in CONSTANTS} == {name: printed[name] for name in CONSTANTS}


def test_enums(printed: dict[str, int]) -> None:
    mine = {f"SCHEME_{name.upper()}": number for name, number in shape.SCHEMES.items()}
    for name, value in enum_values().items():
        assert printed[name] == value
        if name.startswith(("NODE_", "ZONE_", "DENIAL_", "SERVICE_")):
            assert getattr(layout, name) == value
        elif name.startswith("SCHEME_"):
            assert mine[name] == value


@pytest.mark.parametrize(
    ("packed", "name"),
    [
        (layout.NODE, "node"),
        (layout.TYPE_ENTRY, "type_entry"),
        (layout.ANSWER, "answer"),
        (layout.FRAGMENT, "fragment"),
        (layout.ZONE_SLOT, "zone_slot"),
        (layout.CHILDREN, "children"),
        (layout.CHILD, "child"),
        (layout.NSEC3, "nsec3"),
        (layout.NSEC3_HASH, "nsec3_hash"),
        (layout.NSEC3_NODE, "nsec3_node"),
    ],
)
def test_packing(packed: struct.Struct, name: str) -> None:
    assert packed.size == layout.SIZES[name]


def test_kinds() -> None:
    names = [name for name, _ in verdict_names.listed("ANSWER_KINDS")]
    assert names[0] == "positive"
    assert {name: number for number, name in enumerate(names)} == verdict_names.KIND
    for reasons in ("FREE_REASONS", "LIMITED_REASONS", "DROP_REASONS"):
        assert all(meaning for _, meaning in verdict_names.listed(reasons))
