# SPDX-License-Identifier: GPL-3.0-or-later
"""What is served compiled once more into a store of its own, by a child that leaves this process to its work.

The store lies in memory that both share; what else is known of it comes back as the image of a store would have it.
"""

import asyncio
import ctypes
import gc
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from appliance import crash
from appliance.compiler.neighbours.world import World
from appliance.errors import ApplianceError, StateError, ZoneError
from appliance.publish.budget import shared_store
from appliance.publish.loading import Loading
from appliance.publish.progress import Progress
from appliance.served.source import ZoneSource
from appliance.served.zones import Kept, ServedZone
from appliance.server.worker import fork_deaf
from appliance.store.capacity import Capacity, index_bits
from appliance.store.image import known_of, with_known
from appliance.store.layout import HEAP_CHUNK
from appliance.store.store import Store
from appliance.store.waste import Waste
from appliance.zone import digests
from appliance.zone.master.files import Batch, Files
from appliance.zone.model import Zone

_NICE: Final = 10
_DIE_WITH_PARENT: Final = 1


class _Outcome(msgspec.Struct):
    """What the child found: why there is no store, or what is known of it and which zones have another version."""

    failure: str = ""
    others: list[bytes] = []
    known: bytes = b""


class _AsServed(ZoneSource):
    """What is served of a zone as the source of its copy; of one that is not loaded nothing, whatever its file has."""

    __slots__ = ("_kept", "_served")

    def __init__(self, served: ServedZone, kept: Kept) -> None:
        self._served = served
        self._kept = kept

    @property
    def place(self) -> str:
        return self._served.file

    def read(self) -> Zone:
        try:
            return self._served.again(self._kept)
        except StateError as error:
            raise ZoneError(str(error)) from error

    def again(self, digest: bytes, serial: int | None) -> Zone | None:
        return self._served.again(self._kept)

    def identity(self) -> bytes | None:
        return None  # its store is not saved by this process

    def recall(self, identity: bytes) -> bool:
        return False

    def changed(self) -> bool:
        return False

    def settled(self) -> bool:
        return True

    def forget(self) -> None:
        """Keep what is served."""

    def doubt(self) -> None:
        """Do nothing: the copy is read once."""

    def is_large(self) -> bool:
        return False  # nothing is kept of what is read here

    def small_text(self) -> bytes | None:
        return None

    def size(self, files: Files) -> int:
        return self._served.source.size(files)

    def name_in(self, batch: Batch) -> None:
        self._served.source.name_in(batch)

    def made_from(self, text: bytes, origin: bytes) -> Zone:
        return self._served.source.made_from(text, origin)

    def text(self, files: Batch, number: int) -> bytes | None:
        if self._served.state != "serving" or not self._served.digest:
            return None
        text = self._served.source.text(files, number)
        return text if text is not None and digests.of_text(text) == self._served.digest else None


def _is_other(copy: ServedZone, served: ServedZone) -> bool:
    """Return whether what was read is not what is served."""
    return (copy.state, copy.serial) != (served.state, served.serial) and "serving" in (copy.state, served.state)


class Rebuild:
    """One child at work, from construction to result() or stop(). Belongs to the event loop's thread."""

    def __init__(
        self, served: Store, waste: Waste, zones: Mapping[bytes, ServedZone], opcode_pass: int, kept: Kept
    ) -> None:
        """Fork; the zones are those of this moment, as far as they have a place in the store."""
        zones = {origin: one for origin, one in zones.items() if origin in served.numbers}
        live = (waste.used - waste.octets) // HEAP_CHUNK
        bits = max(served.bucket_bits, index_bits(sum(one.names for one in zones.values())))
        sizes = Capacity(bits, max(served.heap.chunks, 4 + live * 3 // 2), served.zone_slots - 1)
        self._store = shared_store(sizes, opcode_pass)
        self._told = os.memfd_create("rebuild", os.MFD_CLOEXEC)
        parent = os.getpid()
        self._pid = fork_deaf()
        if not self._pid:
            _work(self._store, zones, kept, opcode_pass, self._told, parent)
        self._pidfd = os.pidfd_open(self._pid)

    async def result(self) -> tuple[Store, set[bytes]]:
        """Wait for the child; return the store, and the zones that it has in another version than was served.

        Raises StateError when there is none.
        """
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pidfd, ended.set)
        try:
            await ended.wait()
            octets = os.pread(self._told, os.fstat(self._told).st_size, 0)
        finally:
            loop.remove_reader(self._pidfd)
            self.stop()
        try:
            outcome = msgspec.msgpack.decode(octets, type=_Outcome)
        except msgspec.DecodeError:
            outcome = _Outcome("its process has ended too early")
        if outcome.failure:
            self._store.close()
            raise StateError(outcome.failure)
        return with_known(self._store, outcome.known), set(outcome.others)

    def stop(self) -> None:
        """End the child, if it still runs."""
        if self._pid:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._pidfd)
            os.close(self._told)
            self._pid = 0


class _Silent(Progress):
    def advance(self, octets: int) -> None:
        """Show nothing: nobody waits for this load."""


def _work(
    store: Store, zones: Mapping[bytes, ServedZone], kept: Kept, opcode_pass: int, told: int, parent: int
) -> NoReturn:
    """Compile, in the process that was just forked for it."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        _close_all_but(told)  # sockets and the server's lock must not live on in here
        os.nice(_NICE)
        gc.freeze()
        if os.getppid() == parent:
            _write(told, msgspec.msgpack.encode(_compiled(store, zones, kept, opcode_pass)))
            status = 0
    except Exception as error:  # noqa: BLE001 - nothing above this frame could report it
        crash.log(error, "compiling the store anew")
    finally:
        logging.shutdown()
        os._exit(status)


def _compiled(store: Store, zones: Mapping[bytes, ServedZone], kept: Kept, opcode_pass: int) -> _Outcome:
    copies = {origin: ServedZone(origin, _AsServed(one, kept), one.rules) for origin, one in zones.items()}
    world = World(store)
    world.expect(copies)
    loading = Loading(copies, opcode_pass, 0, lambda error: None, _Silent(), fixed=True)
    try:
        loading.run(world)
    except ApplianceError as error:
        return _Outcome(str(error))
    return _Outcome("", [origin for origin, one in copies.items() if _is_other(one, zones[origin])], known_of(store))


def _write(file: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(file, view) :]


def _close_all_but(kept: int) -> None:
    for fd in {int(entry.name) for entry in Path("/proc/self/fd").iterdir()} - {0, 1, 2, kept}:
        try:
            os.close(fd)
        except OSError:
            continue  # that of the listing itself
