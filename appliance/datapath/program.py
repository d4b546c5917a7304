# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled program as plain data: instructions, the maps they refer to, and the constants that a plan decides.

Nothing here knows a compiler or the kernel. `tests/unit/datapath/test_program.py` holds what is said of the marks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.errors import DatapathError

MAPS: Final = ("ctl", "buckets", "heap", "zones", "counters", "services", "ports", "vlans", "stages")
"""Those that are pinned for others."""
STAGES: Final = ("search", "answer", "list", "grow_head", "append", "prove", "hash", "police")  # order of `enum stage`
PROGRAMS: Final = ("dns", *STAGES)
MARKS: Final = {
    "BUCKET_SHIFT": 0x5A1D0001,
    "BUCKET_MASK": 0x5A1D0002,
    "DNS_PORT": 0x5A1D0003,
    "EDNS_SIZE": 0x5A1D0004,
    "OPT_HEAD": 0x5A1D00055A1D0005,
    "SERVICE_SEED": 0x5A1D00065A1D0006,
}
"""What stands in the instructions where a constant belongs (ebpf/constants.h)."""

INSTRUCTION: Final = 8
_WIDE: Final = 0x18  # BPF_LD | BPF_IMM | BPF_DW: a constant of 64 bits, in two instructions
_MAP_FD: Final = 1  # BPF_PSEUDO_MAP_FD
_USES_IMMEDIATE: Final = {0x02, 0x04, 0x05, 0x06, 0x07}  # ST, ALU, JMP, JMP32, ALU64 …
_FROM_REGISTER: Final = 0x08  # … unless the operand is a register
_STORE: Final = 0x02
_CALL: Final = 0x85
_OPT_TYPE: Final = 0x290000  # root name and type OPT, as the octets lie in memory
_HALF: Final = 0xFFFFFFFF

Index = Annotated[int, Meta(ge=0, lt=1 << 20)]
Word = Annotated[int, Meta(ge=0, lt=1 << 32)]


class Plan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What to load: capacities of the arrays and the constants of the program."""

    pin_folder: str
    bucket_bits: int
    chunks: int
    zones: int
    cpus: int
    port: int = 53
    edns_size: int = 1232
    service_seed: int = 0x9E3779B97F4A7C15


class MapShape(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What BPF_MAP_CREATE is asked for."""

    kind: Word
    key_size: Word
    value_size: Word
    entries: Word
    flags: Word


class Code(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One program: `maps` and `constants` name the instructions into which a descriptor or a number belongs."""

    instructions: bytes
    maps: list[tuple[Index, str]]
    constants: list[tuple[Index, str]]


class Program(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All that the kernel is given, but for what a plan decides."""

    licence: str
    kernel_version: Word
    maps: dict[str, MapShape]
    code: dict[str, Code]


def constants(plan: Plan) -> dict[str, int]:
    """Return the program's constants."""
    return {
        "BUCKET_SHIFT": 64 - plan.bucket_bits,
        "BUCKET_MASK": (1 << plan.bucket_bits) - 1,
        "DNS_PORT": _swapped(plan.port),
        "EDNS_SIZE": plan.edns_size,
        "OPT_HEAD": _OPT_TYPE | _swapped(plan.edns_size) << 24,
        "SERVICE_SEED": plan.service_seed,
    }


def _swapped(number: int) -> int:
    """Return a number of 16 bits as a little-endian processor reads what the network sends."""
    return int.from_bytes(number.to_bytes(2, "big"), "little")


def shapes(program: Program, plan: Plan) -> dict[str, MapShape]:
    """Return the maps to make, with as many entries as the plan asks for."""
    entries = {"buckets": 1 << plan.bucket_bits, "heap": plan.chunks, "zones": plan.zones, "counters": plan.cpus}
    return {
        name: msgspec.structs.replace(shape, entries=entries.get(name, shape.entries))
        for name, shape in program.maps.items()
    }


def descriptors(instructions: bytes) -> set[int]:
    """Return the descriptors of the maps that compiled instructions refer to."""
    return {_immediate(instructions, index) for index in _starts(instructions) if _is_map(instructions, index)}


def without_descriptors(instructions: bytes, maps: Mapping[int, str]) -> Code:
    """Return compiled instructions with what has to be put into them; `maps` are the compiler's, by descriptor."""
    code = bytearray(instructions)
    uses: list[tuple[int, str]] = []
    marked: list[tuple[int, str]] = []
    by_mark = {mark: name for name, mark in MARKS.items()}
    for index in _starts(instructions):
        value = _immediate(code, index)
        if _is_map(code, index):
            uses.append((index, maps[value]))
            _put(code, index, 0)
        elif _opcode(code, index) == _WIDE:
            value |= _immediate(code, index + 1) << 32
        elif not _has_immediate(_opcode(code, index)):
            continue
        if value in by_mark:
            marked.append((index, by_mark[value]))
    return Code(bytes(code), uses, marked)


def bound(code: Code, descriptors: Mapping[str, int], numbers: Mapping[str, int]) -> bytes:
    """Return instructions that the kernel takes. Raises DatapathError when places and names do not fit them."""
    instructions = bytearray(code.instructions)
    try:
        for index, name in code.maps:
            _put(instructions, index, descriptors[name])
        for index, name in code.constants:
            number = numbers[name]
            _put(instructions, index, number & _HALF)
            if _opcode(instructions, index) == _WIDE:
                _put(instructions, index + 1, number >> 32)
    except (KeyError, IndexError, struct.error) as error:
        raise DatapathError(f"the compiled program is damaged: instruction {index} wants {name!r}") from error
    return bytes(instructions)


def check(program: Program) -> None:
    """Raise DatapathError unless this is the whole program, with each constant somewhere."""
    missing = [name for name in PROGRAMS if name not in program.code]
    missing += [name for name in MAPS if name not in program.maps]
    found = {name for code in program.code.values() for _, name in code.constants}
    missing += [name for name in MARKS if name not in found]
    if missing:
        raise DatapathError(f"the compiled program lacks {', '.join(missing)}; ebpf/ and appliance/datapath differ")


def _starts(code: bytes) -> Iterator[int]:
    """Yield where each instruction begins; some take two places."""
    index = 0
    while index < len(code) // INSTRUCTION:
        yield index
        index += 2 if _opcode(code, index) == _WIDE else 1


def _is_map(code: bytes | bytearray, index: int) -> bool:
    return _opcode(code, index) == _WIDE and code[index * INSTRUCTION + 1] >> 4 == _MAP_FD


def _has_immediate(opcode: int) -> bool:
    kind = opcode & 7
    return kind in _USES_IMMEDIATE and opcode != _CALL and (kind == _STORE or not opcode & _FROM_REGISTER)


def _opcode(code: bytes | bytearray, index: int) -> int:
    return code[index * INSTRUCTION]


def _immediate(code: bytes | bytearray, index: int) -> int:
    return int(struct.unpack_from("=I", code, index * INSTRUCTION + 4)[0])


def _put(code: bytearray, index: int, value: int) -> None:
    struct.pack_into("=I", code, index * INSTRUCTION + 4, value)
