# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled instructions as data: what is taken out of them, and what is put in."""

from __future__ import annotations

import inspect
import re
import socket
import struct
from pathlib import Path

import msgspec
import pytest

from appliance.compiler.answers import assemble
from appliance.compiler.bulk import writer
from appliance.config import schema
from appliance.datapath import door, program, source
from appliance.datapath.generation import Generation
from appliance.datapath.loader import last_words
from appliance.datapath.obtain import remarks
from appliance.datapath.program import MARKS, Code, MapShape, Plan, Program, bound, constants, without_descriptors
from appliance.errors import DatapathError
from appliance.lookup import render
from appliance.server import respond
from appliance.store import layout

pytestmark = pytest.mark.unit

PLAN = Plan(
    "/nowhere", bucket_bits=14, chunks=3, zones=5, cpus=2, port=5300, edns_size=1400, service_seed=(1 << 64) - 2
)
SHAPE = MapShape(2, 4, 64, 1, 1024)


def one(opcode: int, registers: int, immediate: int) -> bytes:
    return struct.pack("=BBhI", opcode, registers, 0, immediate)


def wide(registers: int, value: int) -> bytes:
    return one(0x18, registers, value & 0xFFFFFFFF) + one(0, 0, value >> 32)


TEXT = b"".join(
    [
        wide(0x11, 7),  # r1 = a map
        one(0x77, 2, MARKS["BUCKET_SHIFT"]),
        one(0x57, 2, MARKS["BUCKET_MASK"]),
        wide(0x02, MARKS["SERVICE_SEED"]),
        one(0x55, 3, MARKS["DNS_PORT"]),
        one(0x0F, 3, MARKS["DNS_PORT"]),  # adds a register: its immediate means nothing
        one(0x85, 0, MARKS["EDNS_SIZE"]),  # a call: its immediate is a helper's number
        one(0xB7, 3, MARKS["EDNS_SIZE"]),
        wide(0x02, MARKS["OPT_HEAD"]),
        wide(0x02, MARKS["BUCKET_MASK"] << 32),  # upper half of another constant
    ]
)


def test_what_is_taken_out_is_put_in_again() -> None:
    """Each mark and each descriptor at its place, and nothing else."""
    code = without_descriptors(TEXT, {7: "buckets"})
    assert code.maps == [(0, "buckets")]
    assert code.constants == [
        (2, "BUCKET_SHIFT"),
        (3, "BUCKET_MASK"),
        (4, "SERVICE_SEED"),
        (6, "DNS_PORT"),
        (9, "EDNS_SIZE"),
        (10, "OPT_HEAD"),
    ]
    assert bound(code, {"buckets": 7}, MARKS) == TEXT
    put = bound(code, {"buckets": 1000}, constants(PLAN))
    changed = [n for n in range(len(TEXT) // 8) if put[n * 8 : n * 8 + 8] != TEXT[n * 8 : n * 8 + 8]]
    assert changed == [0, 2, 3, 4, 5, 6, 9, 10, 11]
    assert struct.unpack_from("=I", put, 4) == (1000,)
    assert struct.unpack_from("=I", put, 2 * 8 + 4) == (50,)
    assert struct.unpack_from("=I", put, 4 * 8 + 4) + struct.unpack_from("=I", put, 5 * 8 + 4) == (
        0xFFFFFFFE,
        0xFFFFFFFF,
    )


def test_constants() -> None:
    """As the C sources would compute them."""
    assert constants(PLAN) == {
        "BUCKET_SHIFT": 50,
        "BUCKET_MASK": (1 << 14) - 1,
        "DNS_PORT": socket.htons(5300),
        "EDNS_SIZE": 1400,
        "OPT_HEAD": int.from_bytes(bytes([0, 0, 41, *(1400).to_bytes(2, "big")]), "little"),
        "SERVICE_SEED": (1 << 64) - 2,
    }


def test_marks_are_those_of_the_sources() -> None:
    """No two are alike, no half of one is another, and nothing else in the sources looks like one."""
    header = (source.folder() / "constants.h").read_text()
    defined = re.findall(r"^#define MARK_(\w+) (0x[0-9a-f]+)", header, re.MULTILINE)
    told = {name: int(value, 16) for name, value in defined}
    assert told == MARKS
    halves = {half for mark in MARKS.values() for half in (mark & 0xFFFFFFFF, mark >> 32) if half}
    assert len(halves) == len(MARKS)
    others = source.flatten().replace(header, "")
    assert "5a1d00" not in others.lower()
    assert "MARK_" not in others  # what a compiler makes of a bare mark need not be the mark


def test_stages_are_those_of_the_sources() -> None:
    """In the same order: the loader fills the array by it."""
    listed = re.search(r"^#define STAGES\(X\) (.*)$", (source.folder() / "stage.h").read_text(), re.MULTILINE)
    assert listed
    assert tuple(re.findall(r"X\((\w+)\)", listed[1])) == program.STAGES


def test_what_both_sides_know_of_opt_is_the_same() -> None:
    edns = (source.folder() / "edns.h").read_text()
    start = re.search(r"^#define OPT_START (0x[0-9a-f]+)", edns, re.MULTILINE)
    assert start
    assert int(start[1], 16) == program._OPT_TYPE == constants(PLAN)["OPT_HEAD"] & 0xFFFFFF


def test_what_reflects_is_the_same_for_both_paths() -> None:
    """Port 0 is no port to reply to either; the program looks at it apart."""
    body = re.search(r"s64 reflects\(.*?^}", (source.folder() / "packet.h").read_text(), re.MULTILINE | re.DOTALL)
    assert body
    assert {int(port) for port in re.findall(r"port == (\d+)", body[0])} == respond._REFLECTING_PORTS - {0}


def test_defaults_are_the_same_wherever_they_stand() -> None:
    """The size that we offer is the one that answers and their shorter variants are made for."""
    sizes = {
        Plan("/nowhere", 0, 0, 0, 0).edns_size,
        inspect.signature(Generation.load).parameters["edns_size"].default,
        schema.Limits().edns_size,
        door.Load(bucket_bits=0, chunks=0, zones=0).edns_size,
        respond.Settings().edns_size,
        render.Edns().size,
        max(assemble._SIZES),
        *map(int, re.findall(r"\bsize (?:=|==) (\d{4})\b", Path(writer.__file__).with_name("writer.py").read_text())),
    }
    assert sizes == {1232}
    assert Plan("/nowhere", 0, 0, 0, 0).service_seed == layout.HASH_MULTIPLIER


def test_map_sizes_come_from_the_plan() -> None:
    names = dict.fromkeys((*program.MAPS, "scratch"), SHAPE)
    made = program.shapes(Program("GPL", 0, names, {}), PLAN)
    assert {name: shape.entries for name, shape in made.items()} == {
        **dict.fromkeys(names, 1),
        "buckets": 1 << 14,
        "heap": 3,
        "zones": 5,
        "counters": 2,
    }


@pytest.mark.parametrize(
    "code",
    [
        Code(TEXT, [(0, "elsewhere")], []),
        Code(TEXT, [(10_000, "buckets")], []),
        Code(TEXT, [], [(2, "UNKNOWN")]),
        Code(TEXT, [], [(10_000, "EDNS_SIZE")]),
        Code(TEXT[:-8], [], [(len(TEXT) // 8 - 2, "OPT_HEAD")]),
        Code(b"", [(0, "buckets")], []),
    ],
    ids=["no such map", "map behind the end", "no such constant", "behind the end", "half a constant", "empty"],
)
def test_places_that_do_not_fit_are_an_error(code: Code) -> None:
    with pytest.raises(DatapathError, match="the compiled program is damaged: instruction"):
        bound(code, {"buckets": 1}, constants(PLAN))


@pytest.mark.parametrize("lacking", ["dns", "hash", "heap", "stages", *MARKS])
def test_a_program_that_lacks_something_is_refused(lacking: str) -> None:
    """Sources and loader that do not belong together, a constant that the compiler has lost."""
    constants_everywhere: list[tuple[int, str]] = [(0, name) for name in MARKS if name != lacking]
    code = {name: Code(b"", [], constants_everywhere) for name in program.PROGRAMS if name != lacking}
    maps = {name: SHAPE for name in program.MAPS if name != lacking}
    with pytest.raises(DatapathError, match=f"lacks {lacking}; "):
        program.check(Program("GPL", 0, maps, code))


def test_the_file_form_is_strict() -> None:
    whole = msgspec.msgpack.encode(Program("GPL", 0, {"ctl": SHAPE}, {"dns": Code(TEXT, [(0, "ctl")], [])}))
    assert msgspec.msgpack.decode(whole, type=Program).code["dns"].maps == [(0, "ctl")]
    for wrong in (
        {"licence": "GPL", "kernel_version": 0, "maps": {}, "code": {}, "more": 1},
        {"licence": "GPL", "kernel_version": -1, "maps": {}, "code": {}},
        {
            "licence": "GPL",
            "kernel_version": 0,
            "maps": {},
            "code": {"dns": {"instructions": b"", "maps": [[-1, "x"]]}},
        },
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(msgspec.msgpack.encode(wrong), type=Program)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (
            "0: R1=ctx(off=0,imm=0) R10=fp0\n0: (79) r1 = *(u64 *)(r3 +0)\nR3 !read_ok\n"
            "processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n",
            "R3 !read_ok",
        ),
        (
            "BPF program is too large. Processed 1000001 insn\nverification time 912345 usec\nstack depth 400\n"
            "processed 1000001 insns (limit 1000000) max_states_per_insn 34\n\n",
            "BPF program is too large. Processed 1000001 insn",
        ),
        ("processed 0 insns\n", ""),
        ("", ""),
    ],
)
def test_the_line_of_the_verifier_that_matters(log: str, line: str) -> None:
    assert last_words(log) == line


def test_remarks_of_a_loader() -> None:
    """The compiler's words in between are none."""
    said = (
        "appliance loader: info: compiled\nbpf: warning: x\nappliance loader: warning: not kept\nappliance loader: no\n"
    )
    assert list(remarks(said)) == [("info", "compiled"), ("warning", "not kept")]


def test_the_start_of_a_loader_imports_no_compiler() -> None:
    """Nor what only the compiler's side needs."""
    texts = [Path(program.__file__).with_name(name).read_text() for name in ("loader.py", "obtain.py", "cache.py")]
    top = [line for text in texts for line in text.splitlines() if line.startswith(("import", "from"))]
    assert not [line for line in top if re.search(r"\b(compiler|headers|bcc|pyroute2)\b", line)]
