# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on disk: saved so that a crash leaves the old file or the new one, loaded only if whole and wanted."""

import contextlib
import ctypes
import errno
import hashlib
import mmap
import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from appliance.errors import StateError
from appliance.store import layout
from appliance.store.heap import Extent
from appliance.store.move import room_for
from appliance.store.store import CopyState, Shared, Store, Tally, ZoneState

_MAGIC: Final = b"ALPSIMG3"
_PAGE: Final = mmap.PAGESIZE
_HEADER: Final = struct.Struct("<8sI4x7Q32s32s")
"""Magic, format; octets of ctl, buckets, zones, state, sums, used heap, heap; stamp; checksum of this and the sums.

Then from page to page ctl, buckets, zones, state, sums and the used heap. The sums (CRC-32, u32) are of each slice of
each of the others. The rest of the heap is in no file: its pages come with the first octet that is written to them.
"""

_SLICE: Final = 1 << 22
_THREADS: Final = 2
_MAP_FIXED: Final = 0x10
_MAP_NORESERVE: Final = 0x4000
_UNUSED: Final = 64
"""Chunks of address space that are never worth leaving out."""

_mmap: Final = ctypes.CDLL(None, use_errno=True).mmap
_mmap.restype = ctypes.c_void_p


class _ZonePart(msgspec.Struct, array_like=True):
    nodes: bytes
    extents: list[Extent]
    chains: list[bytes]
    tally: tuple[int, ...]
    waste: int


class _SharedPart(msgspec.Struct, array_like=True):
    nodes: bytes
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
    copies: tuple[bytes, bytes, bytes] = msgspec.field(name="stamped")
    """Zone numbers, first granules, and places in shared, all u32."""
    notes: bytes


def _up(size: int) -> int:
    return (size + _PAGE - 1) // _PAGE * _PAGE


def _state_of(store: Store, notes: bytes, chunks: int) -> bytes:
    end = chunks * layout.CHUNK_GRANULES
    zones: dict[int, _ZonePart] = {}
    shared: dict[int, tuple[int, Shared]] = {}
    copies = (array("I"), array("I"), array("I"))
    for number, state in store.states.items():
        if isinstance(state, CopyState):
            at, _ = shared.setdefault(id(state.shared), (len(shared), state.shared))
            for column, value in zip(copies, (number, state.start, at), strict=True):
                column.append(value)
        else:
            zones[number] = _ZonePart(
                state.nodes.tobytes(), state.extents, sorted(state.chains), state.tally, state.waste
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
                _SharedPart(one.nodes.tobytes(), one.granules, one.references, one.objects, one.extent)
                for _, one in shared.values()
            ],
            (copies[0].tobytes(), copies[1].tobytes(), copies[2].tobytes()),
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
    """Write the store to a file, whole or not at all. `stamp` says what it was made from; load() asks for the same.

    `notes` come back from load as they are. Room that awaits the grace period when the store is saved is not free after
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
    sums = _sums((ctl, buckets, zones, state, heap[:used]))
    parts = (ctl, buckets, zones, state, memoryview(sums), heap[:used])
    head = _HEADER.pack(_MAGIC, layout.STORE_FORMAT, *map(len, parts), len(heap), _digest(stamp), bytes(32))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write((head[:-32] + _digest(head, sums)).ljust(_PAGE, b"\0"))
            for part in parts:
                for piece in _slices(part):
                    file.write(piece)
                file.write(bytes(_up(len(part)) - len(part)))
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
            sizes, sums = _head(path, file.fileno(), stamp)
            mapped = _mapped(file.fileno(), sizes.file, sizes.memory)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}; compile the zones instead") from error
    ctl, buckets, zones, state, _, heap = sizes.parts(mapped)
    if _sums((ctl, buckets, zones, state, heap[: sizes.used])) != sums:
        raise StateError(f"{path}: the checksum is wrong: damaged; compile the zones again")
    try:
        known = msgspec.msgpack.decode(state, type=_State)
    except msgspec.DecodeError as error:
        raise StateError(f"{path}: {error}; compile the zones again") from error
    store = Store.over(ctl, buckets, heap, zones, known=True)
    _restore(store, known)
    return store, known.notes


class _Sizes(NamedTuple):
    """Octets of each part in the order of the file; of the heap, the last part, only `used` octets are used."""

    ctl: int
    buckets: int
    zones: int
    state: int
    sums: int
    used: int
    heap: int

    @property
    def _before(self) -> int:
        """Octets in front of the heap."""
        return _PAGE + sum(map(_up, self[:5]))

    @property
    def file(self) -> int:
        """Octets of the file."""
        return self._before + _up(self.used)

    @property
    def memory(self) -> int:
        """Octets of the file and of the room behind it."""
        return self._before + self.heap

    def parts(self, mapped: memoryview) -> list[memoryview]:
        """Return the parts in memory, the heap with its room."""
        found = []
        at = _PAGE
        for size in (*self[:5], self.heap):
            found.append(mapped[at : at + size])
            at += _up(size)
        return found


def _head(path: Path, fd: int, stamp: bytes) -> tuple[_Sizes, bytes]:
    """Return what the head of a file says of the rest, checked: sizes, and checksums of all parts."""
    size = os.fstat(fd).st_size
    if size < _PAGE:
        raise StateError(f"{path}: {size} octets are no saved answer store; compile the zones again")
    head = os.pread(fd, _HEADER.size, 0)
    magic, version, *numbers, made_from, checksum = _HEADER.unpack(head)
    if magic != _MAGIC:
        raise StateError(f"{path}: not a saved answer store of this version; compile the zones again")
    if version != layout.STORE_FORMAT:
        raise StateError(f"{path}: format {version}, this program reads {layout.STORE_FORMAT}; compile the zones again")
    sizes = _Sizes(*numbers)
    if size != sizes.file or sizes.used > sizes.heap:
        raise StateError(f"{path}: {size} octets, {sizes.file} expected: cut short; compile the zones again")
    sums = os.pread(fd, sizes.sums, _PAGE + sum(map(_up, sizes[:4])))
    if _digest(head[:-32] + bytes(32), sums) != checksum:
        raise StateError(f"{path}: the checksum is wrong: damaged; compile the zones again")
    if made_from != _digest(stamp):
        raise StateError(f"{path}: stale, made from other zones; compile the zones again")
    return sizes, sums


def _mapped(fd: int, size: int, length: int) -> memoryview:
    """Return private memory that begins with what is in a file. Raises OSError.

    Only what the file has room for on its disk is mapped, for the rest there is memory of no file: a hole in a file on
    tmpfs takes a page there when it is looked at, and where that is full the process dies of it (SIGBUS).
    """
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for at, end in _written(fd, size):
        place, flags = ctypes.c_void_p(start + at), mmap.MAP_PRIVATE | _MAP_FIXED
        found = _mmap(place, ctypes.c_size_t(end - at), mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, ctypes.c_long(at))
        if found != place.value:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return memoryview(memory)


def _written(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a file has room on its disk: from which octet up to which, in whole pages."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            raise
        end = min(size, _up(os.lseek(fd, start, os.SEEK_HOLE)))
        yield start // _PAGE * _PAGE, end


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
            _words(part.nodes), list(part.extents), frozenset(part.chains), Tally(*part.tally), part.waste
        )
    shared = [
        Shared(_words(part.nodes), part.granules, part.references, part.objects, part.extent) for part in state.shared
    ]
    for number, start, at in zip(*map(_words, state.copies), strict=True):
        store.states.put_copy(number, start, shared[at])
        shared[at].users += 1


def _words(octets: bytes) -> "array[int]":
    found = array("I")
    found.frombytes(octets)
    return found
