# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on disk: saved so that a crash leaves the old file or the new one, loaded only if whole and wanted."""

import contextlib
import hashlib
import mmap
import os
import struct
import zlib
from array import array
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from appliance.errors import StateError
from appliance.store import layout
from appliance.store.heap import Extent
from appliance.store.move import room_for
from appliance.store.store import Buffer, Shared, StampedState, Store, Tally, ZoneState

_MAGIC: Final = b"ALPSIMG2"
_PAGE: Final = 4096
_HEADER: Final = struct.Struct("<8sI4x7Q32s32s")
"""Magic, format; octets of ctl, buckets, zones, heap, used heap, state, sums; stamp; checksum of this and the sums.

Then from page to page ctl, buckets, zones, heap, state; the sums (CRC-32, u32) are of each slice of each of them.
"""

_SLICE: Final = 1 << 22
_THREADS: Final = 2
_UNUSED: Final = 64
"""Chunks of address space that are never worth leaving out."""


class _ZonePart(msgspec.Struct, array_like=True):
    records: bytes
    extents: list[Extent]
    chains: list[bytes]
    tally: tuple[int, ...]
    waste: int


class _SharedPart(msgspec.Struct, array_like=True):
    records: bytes
    granules: int
    references: int
    objects: int
    extent: Extent


class _State(msgspec.Struct):
    """What the writer of a store knows and the four arrays do not say."""

    chunks: int
    free: list[Extent]
    displaced: tuple[bytes, bytes]
    depths: list[int]
    outside: dict[bytes, int]
    numbers: dict[bytes, int]
    zones: dict[int, _ZonePart]
    shared: list[_SharedPart]
    stamped: tuple[bytes, bytes, bytes]
    """Numbers, first granules, and places in shared, all u32."""
    notes: bytes


def _up(size: int) -> int:
    return (size + _PAGE - 1) // _PAGE * _PAGE


def _state_of(store: Store, notes: bytes, chunks: int) -> bytes:
    end = chunks * layout.CHUNK_GRANULES
    zones: dict[int, _ZonePart] = {}
    shared: dict[int, tuple[int, Shared]] = {}
    stamped = (array("I"), array("I"), array("I"))
    for number, state in store.states.items():
        if isinstance(state, StampedState):
            at, _ = shared.setdefault(id(state.shared), (len(shared), state.shared))
            for column, value in zip(stamped, (number, state.start, at), strict=True):
                column.append(value)
        else:
            zones[number] = _ZonePart(
                state.records.tobytes(), state.extents, sorted(state.chains), state.tally, state.waste
            )
    displaced = store.index.displaced
    return msgspec.msgpack.encode(
        _State(
            chunks,
            [(start, min(stop, end)) for start, stop in store.heap.free if start < end],
            (array("Q", displaced.keys()).tobytes(), array("I", displaced.values()).tobytes()),
            store.depths,
            store.outside,
            store.numbers,
            zones,
            [
                _SharedPart(one.records.tobytes(), one.granules, one.references, one.objects, one.extent)
                for _, one in shared.values()
            ],
            (stamped[0].tobytes(), stamped[1].tobytes(), stamped[2].tobytes()),
            notes,
        )
    )


def _slices(octets: memoryview) -> list[memoryview]:
    return [octets[at : at + _SLICE] for at in range(0, len(octets), _SLICE)]


def _digest(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def _sums(parts: Iterable[memoryview]) -> bytes:
    """Return the checksums of all slices; zlib lets other threads run."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return array("I", pool.map(zlib.crc32, [piece for part in parts for piece in _slices(part)])).tobytes()


def save(store: Store, path: Path, stamp: bytes = b"", notes: bytes = b"") -> None:
    """Write the store to a file, whole or not at all. stamp says what it was made from; load asks for the same.

    notes come back from load as they are. Room that awaits the grace period when the store is saved is not free after
    loading until its zones change again. A heap that is mostly address space is cut short: the file is mapped as a
    whole. Nothing may write to the store meanwhile.
    """
    ctl, buckets, heap, zones = (memoryview(buffer).cast("B") for buffer in store.buffers)
    needed = room_for(store).chunks
    chunks = needed if store.heap.chunks > 2 * needed + _UNUSED else store.heap.chunks
    heap = heap[: chunks * layout.HEAP_CHUNK]
    ctl = memoryview(bytearray(ctl))
    ctl.cast("I")[layout.OFFSETS["ctl"]["chunks"] // 4] = chunks
    used = min(len(heap), _up(store.heap.highest * 16))
    state = memoryview(_state_of(store, notes, chunks))
    parts = (ctl, buckets, zones, heap[:used], state)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            at = _PAGE
            for part, room in zip(parts, (ctl, buckets, zones, heap, state), strict=True):
                file.seek(at)
                for piece in _slices(part):
                    file.write(piece)
                at += _up(len(room))
            sums = _sums(parts)
            file.seek(at)
            file.write(sums)
            sizes = (len(ctl), len(buckets), len(zones), len(heap), used, len(state), len(sums))
            head = _HEADER.pack(_MAGIC, layout.STORE_FORMAT, *sizes, _digest(stamp), bytes(32))
            file.seek(0)
            file.write(head[:-32] + _digest(head, sums))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # there may be no folder either
            temporary.unlink()
        raise StateError(f"{path}: the answer store cannot be saved: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def load(path: Path, stamp: bytes = b"") -> tuple[Store, bytes]:
    """Return the saved store as a private copy-on-write map of the file, and the notes.

    Raises StateError if the file is missing, not one of ours, of another format, made from something else than stamp
    says, cut short or damaged; a new one must be compiled then.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _PAGE:
                raise StateError(f"{path}: {size} octets are no saved answer store; compile the zones again")
            mapped = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY))
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}; compile the zones instead") from error
    parts, state = _verified(path, mapped, stamp)
    store = Store.over(*parts, known=True)
    _restore(store, state)
    return store, state.notes


_Parts = tuple[Buffer, Buffer, Buffer, Buffer]


def _verified(path: Path, mapped: memoryview, stamp: bytes) -> tuple[_Parts, _State]:
    """Return ctl, buckets, heap and zones inside a mapped file, and the state, all checked."""
    magic, version, *sizes, made_from, checksum = _HEADER.unpack_from(mapped)
    if magic != _MAGIC:
        raise StateError(f"{path}: not a saved answer store; move it away")
    if version != layout.STORE_FORMAT:
        raise StateError(f"{path}: format {version}, this program reads {layout.STORE_FORMAT}; compile the zones again")
    ctl, buckets, zones, heap, used, length, sums = sizes
    places = []
    at = _PAGE
    for size in (ctl, buckets, zones, heap, length):
        places.append((at, size))
        at += _up(size)
    if at + sums != len(mapped) or used > heap:
        raise StateError(f"{path}: {len(mapped)} octets, {at + sums} expected: cut short; compile the zones again")
    found = [mapped[start : start + size] for start, size in places]
    expected = bytes(mapped[at:])
    head = bytes(mapped[: _HEADER.size - 32]) + bytes(32)
    if _digest(head, expected) != checksum or _sums((*found[:3], found[3][:used], found[4])) != expected:
        raise StateError(f"{path}: the checksum is wrong: damaged; compile the zones again")
    if made_from != _digest(stamp):
        raise StateError(f"{path}: stale, made from other zones; compile the zones again")
    try:
        state = msgspec.msgpack.decode(found[4], type=_State)
    except msgspec.DecodeError as error:
        raise StateError(f"{path}: {error}; compile the zones again") from error
    return (found[0], found[1], found[3], found[2]), state


def known_of(store: Store) -> bytes:
    """Return what the writer of a store knows beside its arrays, for another process that has them too."""
    return _state_of(store, b"", store.heap.chunks)


def with_known(store: Store, known: bytes) -> Store:
    """Return the store that another process has written in the arrays of an empty one, which is closed.

    Raises StateError if known is not of this version.
    """
    try:
        state = msgspec.msgpack.decode(known, type=_State)
    except msgspec.DecodeError as error:
        raise StateError(f"a store from another process: {error}") from error
    written = Store.over(*(memoryview(buffer) for buffer in store.buffers), known=True)
    _restore(written, state)
    store.close()
    return written


def _restore(store: Store, state: _State) -> None:
    store.heap.highest = store.get("heap_next")
    store.heap.free = state.free
    store.index.put_displaced(*state.displaced)
    store.depths = list(state.depths)
    store.outside = state.outside
    store.numbers = state.numbers
    for number, part in state.zones.items():
        store.states[number] = ZoneState(
            _words(part.records), list(part.extents), frozenset(part.chains), Tally(*part.tally), part.waste
        )
    shared = [
        Shared(_words(part.records), part.granules, part.references, part.objects, part.extent) for part in state.shared
    ]
    for number, start, at in zip(*map(_words, state.stamped), strict=True):
        store.states.stamp(number, start, shared[at])
        shared[at].users += 1


def _words(octets: bytes) -> "array[int]":
    found = array("I")
    found.frombytes(octets)
    return found
