# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on disk: saved so that a crash leaves the old file or the new one, loaded only if whole and wanted."""

import hashlib
import mmap
import os
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from appliance.answers import layout
from appliance.answers.heap import Extent
from appliance.answers.store import Buffer, Store, ZoneState
from appliance.errors import StateError

_MAGIC: Final = b"ALPSIMG1"
_PAGE: Final = 4096
_HEADER: Final = struct.Struct("<8sI4x5QQ32s32s")
"""Magic, format; octets of ctl, buckets, zones, heap, used heap; octets of the state; checksum of it all; stamp."""

_SLICE: Final = 1 << 24


class _ZonePart(msgspec.Struct):
    records: bytes
    extents: list[Extent]
    chains: list[bytes]


class _State(msgspec.Struct):
    """What the writer of a store knows and the four arrays do not say."""

    chunks: int
    free: list[Extent]
    displaced: dict[int, int]
    depths: list[int]
    outside: dict[bytes, int]
    zones: dict[int, _ZonePart]


def _up(size: int) -> int:
    return (size + _PAGE - 1) // _PAGE * _PAGE


def _state_of(store: Store) -> bytes:
    free = store.heap.free
    zones = {
        number: _ZonePart(state.records.tobytes(), state.extents, sorted(state.chains))
        for number, state in store.states.items()
    }
    state = _State(store.heap.chunks, free, store.index.displaced, store.depths, store.outside, zones)
    return msgspec.msgpack.encode(state)


def _slices(octets: memoryview) -> Iterator[memoryview]:
    for at in range(0, len(octets), _SLICE):
        yield octets[at : at + _SLICE]


def _stamp(stamp: bytes) -> bytes:
    return hashlib.blake2b(stamp, digest_size=32).digest()


def save(store: Store, path: Path, stamp: bytes = b"") -> None:
    """Write the store to a file, whole or not at all. stamp says what it was made from; load asks for the same.

    Room that awaits the grace period when the store is saved is not free after loading until its zones change again.
    """
    ctl, buckets, heap, zones = (memoryview(buffer).cast("B") for buffer in store.buffers)
    used = min(len(heap), _up(store.heap.highest * 16))
    state = _state_of(store)
    digest = hashlib.blake2b(digest_size=32)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            at = _PAGE
            for octets in (ctl, buckets, zones, heap):
                file.seek(at)
                for part in _slices(octets[:used] if octets is heap else octets):
                    file.write(part)
                    digest.update(part)
                at += _up(len(octets))
            file.seek(at)
            file.write(state)
            digest.update(state)
            file.seek(0)
            sizes = (len(ctl), len(buckets), len(zones), len(heap), used, len(state))
            file.write(_HEADER.pack(_MAGIC, layout.STORE_FORMAT, *sizes, digest.digest(), _stamp(stamp)))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StateError(f"{path}: the answer store cannot be saved: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def load(path: Path, stamp: bytes = b"", into: tuple[Buffer, Buffer, Buffer, Buffer] | None = None) -> Store:
    """Return the saved store: a private copy-on-write map of the file, or a copy in zeroed ctl, buckets, heap, zones.

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
    if into is not None:
        parts = _copied(path, parts, into)
    store = Store.over(*parts)
    _restore(store, state)
    return store


_Parts = tuple[Buffer, Buffer, Buffer, Buffer]


def _verified(path: Path, mapped: memoryview, stamp: bytes) -> tuple[_Parts, _State]:
    """Return ctl, buckets, heap and zones inside a mapped file, and the state, all checked."""
    magic, version, ctl, buckets, zones, heap, used, length, checksum, made_from = _HEADER.unpack_from(mapped)
    if magic != _MAGIC:
        raise StateError(f"{path}: not a saved answer store; move it away")
    if version != layout.STORE_FORMAT:
        raise StateError(f"{path}: format {version}, this program reads {layout.STORE_FORMAT}; compile the zones again")
    places = []
    at = _PAGE
    for size in (ctl, buckets, zones, heap):
        places.append((at, size))
        at += _up(size)
    if at + length != len(mapped) or used > heap:
        raise StateError(f"{path}: {len(mapped)} octets, {at + length} expected: cut short; compile the zones again")
    digest = hashlib.blake2b(digest_size=32)
    found = [mapped[start : start + size] for start, size in places]
    for octets in (*found[:3], found[3][:used], mapped[at : at + length]):
        digest.update(octets)
    if digest.digest() != checksum:
        raise StateError(f"{path}: the checksum is wrong: damaged; compile the zones again")
    if made_from != _stamp(stamp):
        raise StateError(f"{path}: stale, made from other zones; compile the zones again")
    state = msgspec.msgpack.decode(bytes(mapped[at : at + length]), type=_State)
    return (found[0], found[1], found[3], found[2]), state


def _copied(path: Path, parts: _Parts, into: _Parts) -> _Parts:
    """Copy the arrays into others of at least their size; the index must have the same number of buckets."""
    targets = [memoryview(buffer).cast("B") for buffer in into]
    for name, source, target in zip(("ctl", "buckets", "heap", "zones"), parts, targets, strict=True):
        same = len(source) == len(target)
        if len(source) > len(target) or (not same and name == "buckets"):
            raise StateError(f"{path}: {len(source)} octets of {name} do not go into {len(target)}; compile the zones")
    for source, target in zip(parts, targets, strict=True):
        for at in range(0, len(source), _SLICE):
            target[at : at + min(_SLICE, len(source) - at)] = source[at : at + _SLICE]
    words = targets[0].cast("I")
    words[layout.OFFSETS["ctl"]["chunks"] // 4] = len(targets[2]) // layout.HEAP_CHUNK
    words[layout.OFFSETS["ctl"]["zones"] // 4] = len(targets[3]) // layout.SIZES["zone"]
    return into


def _restore(store: Store, state: _State) -> None:
    store.heap.highest = store.get("heap_next")
    more = [
        (chunk * layout.CHUNK_GRANULES, (chunk + 1) * layout.CHUNK_GRANULES)
        for chunk in range(state.chunks, store.heap.chunks)
    ]
    store.heap.free = state.free + more
    store.index.displaced = dict(state.displaced)
    store.depths = list(state.depths)
    store.outside = dict(state.outside)
    for number, part in state.zones.items():
        records = array("I")
        records.frombytes(part.records)
        store.states[number] = ZoneState(records, list(part.extents), frozenset(part.chains))
    store.sources.expect(store.numbers)
    for origin, number in store.numbers.items():
        if chains := store.states[number].chains:
            store.dependents.note(origin, (), chains)
