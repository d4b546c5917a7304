# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the frozen program's store with an artificial root zone of 472 delegations, the same in every run."""

from __future__ import annotations

import ctypes
import mmap
import random
import struct
from collections.abc import Sequence
from pathlib import Path

from bench.traffic.generator import compile_program, load
from bench.traffic.packets import wire

BUCKETS = 1 << 16
CHUNKS = 16
SEED = 0x1234567890ABCDEF
MULTIPLIER = 0x9E3779B97F4A7C15
LOW64 = (1 << 64) - 1
Relocation = tuple[int, int]


class Baseline:
    """The frozen program, loaded and filled; `names` are its delegations, `program_fd` its entry."""

    def __init__(self) -> None:
        text = Path(__file__).with_name("xdp_dns.c").read_text()
        flags = [f"-DNBUCKETS={BUCKETS}", f"-DNCHUNKS={CHUNKS}", f"-DSEED={SEED:#x}ULL", "-w"]
        self._bpf = compile_program(text, flags)
        programs = {name: load(self._bpf, name) for name in ("dns", "lookup", "answer")}
        self._bpf["stg"][ctypes.c_int(0)] = ctypes.c_int(programs["lookup"])
        self._bpf["stg"][ctypes.c_int(1)] = ctypes.c_int(programs["answer"])
        self.program_fd = programs["dns"]
        self._index = mmap.mmap(self._bpf["idx"].map_fd, BUCKETS * 64)
        self._heap = mmap.mmap(self._bpf["heap"].map_fd, CHUNKS << 20)
        self._free = 16
        self._apex = self._put_apex()
        self.names = self._put_delegations()

    def _allocate(self, blob: bytes) -> int:
        if (self._free & 0xFFFFF) + len(blob) > (1 << 20) - 4096:
            self._free = ((self._free >> 20) + 1) << 20
        at = self._free
        self._heap[at : at + len(blob)] = blob
        self._free = (at + len(blob) + 15) & ~15
        return at >> 4

    def _index_node(self, name: bytes, reference: int) -> None:
        value = name_hash(name)
        bucket = value & 0xFFFFFFFF & (BUCKETS - 1)
        entry = (value >> 32) << 32 | reference
        for _ in range(2):
            for at in range(bucket * 64, bucket * 64 + 64, 8):
                if self._index[at : at + 8] == bytes(8):
                    self._index[at : at + 8] = struct.pack("=Q", entry)
                    return
            bucket = (bucket + 1) & (BUCKETS - 1)
        raise AssertionError("the frozen store has room for its own names")

    def _put_apex(self) -> int:
        rdata = (
            wire("a.root-servers.net")
            + wire("nstld.verisign-grs.com")
            + struct.pack("!5I", 2012010100, 1800, 900, 604800, 86400)
        )
        soa = b"\0" + struct.pack("!HHIH", 6, 1, 86400, len(rdata)) + rdata
        nodata = self._allocate(answer(0x0400, (0, 1, 0), soa))
        nxdomain = self._allocate(answer(0x0403, (0, 1, 0), soa))
        positive = self._allocate(answer(0x0400, (1, 0, 0), soa))
        apex = self._allocate(node(b"\0", 1, 0, nodata, nxdomain, [(6, positive)]))
        self._heap[(apex << 4) + 4 : (apex << 4) + 8] = struct.pack("=I", apex)
        self._index_node(b"\0", apex)
        return apex

    def _put_delegations(self) -> list[str]:
        rng = random.Random(1)
        names: list[str] = []
        for _ in range(500):
            name = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.choice([2, 2, 2, 3, 3, 4, 6])))
            if name in names:
                continue
            names.append(name)
            servers = rng.randint(2, 6)
            body, relocations = referral(name, servers, rng)
            reference = self._allocate(answer(0, (0, servers, servers + min(2, servers)), body, relocations))
            self._index_node(wire(name), self._allocate(node(wire(name), 2, self._apex, 0, reference, [])))
        return names


def name_hash(name: bytes) -> int:
    """Hash a wire name, eight octets a step."""
    padded = name + bytes(-len(name) % 8)
    value = SEED
    for at in range(0, len(padded), 8):
        value = ((value ^ int.from_bytes(padded[at : at + 8], "little")) * MULTIPLIER) & LOW64
        value ^= value >> 29
    return value ^ (value >> 32)


def answer(flags: int, counts: tuple[int, int, int], body: bytes, relocations: Sequence[Relocation] = ()) -> bytes:
    """Pack an answer: header, relocation table, octets. A relocation is (offset, 1 if relative to the owner)."""
    weights = [0, 0]
    for offset, owner in relocations:
        weights[owner] += 256 if offset & 1 else 1
    table = b"".join(struct.pack("=H", offset | (0x8000 if owner else 0)) for offset, owner in relocations)
    table += bytes(-len(table) % 8)
    total = int.from_bytes(body + bytes(len(body) & 1)) % 65535
    sums = (total, weights[0] % 65535, weights[1] % 65535)
    return struct.pack("=8HB7x", flags, *counts, len(body), *sums, len(relocations)) + table + body


def node(name: bytes, flags: int, apex: int, nodata: int, special: int, types: Sequence[tuple[int, int]]) -> bytes:
    """Pack a node: header, name, type table."""
    header = struct.pack("=2BH5I", len(name), flags, len(types), apex, nodata, nodata, special, special)
    table = b"".join(struct.pack("=2H2I", rtype, 0, reference, reference) for rtype, reference in types)
    return header + name + bytes(-len(name) % 8) + table


def referral(name: str, servers: int, rng: random.Random) -> tuple[bytes, list[Relocation]]:
    """Write NS records with compressed targets below the delegation, then A and AAAA glue."""
    body = b""
    relocations: list[Relocation] = []
    targets: list[int] = []
    base = 0
    for number in range(servers):
        relocations.append((len(body), 1))
        body += struct.pack("!HHHI", 0xC00C, 2, 1, 172800)
        targets.append(len(body) + 2)
        letter = bytes([1, 97 + number])
        if not number:
            target = letter + wire("nic." + name)
            body += struct.pack("!H", len(target)) + target
            base = targets[0] + 2
        else:
            body += struct.pack("!H", 4) + letter
            relocations.append((len(body), 0))
            body += struct.pack("!H", 0xC004 + base)
    glue = [(1, bytes([192, 0, 2, rng.randint(1, 250)])) for _ in targets]
    glue += [(28, random.Random(name).randbytes(16)) for _ in targets[:2]]
    for (rtype, address), target_at in zip(glue, targets + targets[:2], strict=True):
        relocations.append((len(body), 0))
        body += struct.pack("!HHHIH", 0xC004 + target_at, rtype, 1, 172800, len(address)) + address
    return body, relocations
