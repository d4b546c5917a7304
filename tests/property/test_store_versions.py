# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader beside a writer sees whole versions only: never half a zone, never names and data of two versions."""

import os
import struct
from collections.abc import Callable
from mmap import mmap

import dns.message
import pytest

from appliance.lookup.follow import reply
from appliance.store import layout
from appliance.store.store import Store
from appliance.zone import names, types
from appliance.zone.model import RRset, Zone
from tests.harness.worlds import compile_zones, replace_zone
from tests.stores.asking import SEED

pytestmark = pytest.mark.property

HOSTS = 60
ROUNDS = 60


def version(serial: int) -> Zone:
    """Return a zone where every address and every second name say which version they belong to."""
    origin = names.from_text("example.")
    server = names.from_text("ns.example.")
    address = RRset(types.A, 60, [struct.pack(">I", serial)])
    soa = server + server + struct.pack(">5I", serial, 1, 1, 1, 60)
    nodes = {origin: {types.SOA: RRset(types.SOA, 60, [soa]), types.NS: RRset(types.NS, 60, [server])}}
    nodes[server] = {types.A: address}
    for host in range(HOSTS):
        nodes[names.from_text(f"h{host}.example.")] = {types.A: address}
        nodes[names.from_text(f"v{serial}.h{host}.example.")] = {types.A: address}
        nodes[names.from_text(f"a{host}.example.")] = {
            types.CNAME: RRset(types.CNAME, 60, [names.from_text(f"v{serial}.h{host}.example.")])
        }
    return Zone.build(origin, nodes)


def question(text: str, rtype: int) -> bytes:
    return names.from_text(text) + rtype.to_bytes(2, "big") + b"\0\1"


def consistent(store: Store, asked: bytes) -> tuple[int, list[dns.message.Message]] | None:
    """Return the flips and the replies to a question and the SOA, None if the zone changed meanwhile."""
    before = store.get("flips")
    try:
        wires = [reply(store, 0, 0, q, 65535, None)[1] for q in (question("example.", types.SOA), asked)]
    except (ValueError, IndexError, struct.error):
        assert store.get("flips") != before or before & 1, "an unchanged store was torn"
        return None
    if before & 1 or store.get("flips") != before:
        return None
    return before, [dns.message.from_wire(wire) for wire in wires]


def read_until(store: Store, done: Callable[[], bool]) -> int:
    """Ask until told to stop; return how many consistent answers were looked at."""
    looked = 0
    seen: dict[int, int] = {}
    while not done():
        for host in range(0, HOSTS, 7):
            for text in (f"h{host}.example.", f"a{host}.example."):
                found = consistent(store, question(text, types.A))
                if found is None:
                    continue
                flips, (soa, message) = found
                serial = soa.answer[0][0].serial
                assert seen.setdefault(flips, serial) == serial
                rrset = message.answer[-1]
                assert rrset[0].address == f"0.0.{serial >> 8}.{serial & 255}", message.to_text()
                looked += 1
    return looked


def test_reader_process() -> None:
    buffers = tuple(
        memoryview(mmap(-1, size))
        for size in (layout.SIZES["ctl"], layout.SIZES["bucket"] << 6, 2 * layout.HEAP_CHUNK, layout.SIZES["zone"] * 4)
    )
    ctl, buckets, heap, rows = buffers
    store = Store.form(ctl, buckets, heap, rows, SEED)
    compile_zones(store, [version(1)])
    stop = memoryview(mmap(-1, 4096))
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = 0 if read_until(Store.over(*buffers), lambda: bool(stop[0])) > ROUNDS else 2
        finally:
            os._exit(status)
    try:
        for serial in range(2, 2 + ROUNDS):
            # No grace period on purpose: the room is used again at once, which only the flip sequence tells readers.
            store.reclaim(replace_zone(store, version(serial)))
    finally:
        stop[0] = 1
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0
