# SPDX-License-Identifier: GPL-3.0-or-later
"""One loaded program with zones, its switches and its counters, asked packet by packet without a device."""

import ctypes
import os
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from appliance.compiler.expected import capacity
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.datapath import links, verdicts, vicinity
from appliance.datapath.generation import Generation, InterfaceSpec
from appliance.datapath.syscall import open_pin
from appliance.store import layout
from appliance.store.store import Store
from appliance.zone import names
from appliance.zone.model import Zone
from tests.datapath import packets
from tests.datapath.devices import SERVER_DEVICE, Device, inside
from tests.datapath.runner import XDP_DROP, XDP_PASS, XDP_TX, Runner
from tests.reference.zone import ReferenceZone

ADDRESSES: Final = ("192.0.2.53", "2001:db8::53")
LOOPBACK: Final = 1
SEED: Final = 0x0123456789ABCDEF
ACTIONS: Final = {"answer": XDP_TX, "pass": XDP_PASS, "drop": XDP_DROP}
_WAIT_S: Final = 2.0
_LONG: Final = ("magic", "seed", "generation", "lease_until")
_SYS_BPF, _UPDATE, _DELETE = 321, 2, 3
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the program did with a frame, and by which verdict."""

    action: int
    frame: bytes
    verdict: str


class Lab:
    """The program, loaded for the loopback device but never attached."""

    def __init__(self, zones: Sequence[Zone], reference: Sequence[ReferenceZone]) -> None:
        """Load the program with the zones compiled into its arrays."""
        self.zones = list(zones)
        self.reference = list(reference)
        sizes = capacity(zones)
        self.generation = Generation.load(
            [InterfaceSpec("lo", addresses=ADDRESSES)],
            **sizes._replace(zones=sizes.zones + 1)._asdict(),
        )
        self.generation.set_port(LOOPBACK, packets.SERVER_MAC, verify=True)
        self.know_vlans(LOOPBACK)
        arrays = self.generation.arrays
        buffers = (arrays["ctl"], arrays["buckets"], arrays["heap"], arrays["zones"])
        self.store = Store.form(*buffers, SEED)
        compile_zones(World(self.store), zones)
        self.generation.serving(True)
        self.run = Runner(self.generation.program_fd())
        self._rows = arrays["counters"].cast("Q")
        self._names = {verdict.number: verdict.name for verdict in verdicts.all_verdicts()}

    def know_vlans(self, index: int) -> None:
        """Let the program know the VLAN devices of packets.VLANS on an interface."""
        numbers = {stack: 1000 + number for number, stack in enumerate(packets.VLANS)} | {(): index}
        devices = [
            vicinity.Device(number, lower=numbers[stack[:-1]], vlan=stack[-1][1], protocol=stack[-1][0])
            for stack, number in numbers.items()
            if stack
        ]
        table, left = vicinity.vlan_table([index], devices)
        assert not left
        self.generation.arrays["vlans"][:] = table

    def zone_state(self, origin: str, state: int) -> None:
        """Set the state of a zone: serving, expired, loading."""
        self.store.set_zone_word(self.store.numbers[names.from_text(origin)], "state", state)

    def close(self) -> None:
        """Unpin and unmap everything."""
        self.run.close()
        self._rows.release()
        self.generation.detach()
        self.generation.close()

    def counters(self) -> dict[str, int]:
        """Return the verdict counters."""
        return self.generation.counters()

    def ask(self, frame: packets.Frame | bytes) -> Outcome:
        """Run the program on one frame; exactly one counter goes up, by exactly one."""
        octets = frame if isinstance(frame, bytes) else frame.octets()
        before = self._rows.tolist()
        action, after = self.run(octets)
        counted = self._counted_since(before)
        assert list(counted.values()) == [1], f"one packet was counted as {counted}"
        (verdict,) = counted
        assert action == ACTIONS[verdicts.by_name()[verdict].outcome], f"{verdict} ended as XDP action {action}"
        if action == XDP_PASS:
            assert after == octets, f"{verdict}: a passed packet was changed"
        return Outcome(action, after, verdict)

    def _counted_since(self, before: list[int]) -> dict[str, int]:
        """Return what was counted on any CPU since these rows were read."""
        counted: Counter[str] = Counter()
        for slot, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            if old != new:
                counted[self._names[slot % layout.COUNTER_SLOTS]] += new - old
        return counted

    def control(self, field: str, value: int) -> None:
        """Write a field of ctl."""
        width = 8 if field in _LONG else 4
        at = layout.OFFSETS["ctl"][field]
        self.generation.arrays["ctl"][at : at + width] = value.to_bytes(width, "little")

    def read_control(self, field: str) -> int:
        """Read a field of ctl."""
        at = layout.OFFSETS["ctl"][field]
        return int.from_bytes(self.generation.arrays["ctl"][at : at + (8 if field in _LONG else 4)], "little")

    @contextmanager
    def controlled(self, **fields: int) -> Iterator[None]:
        """Set fields of ctl for a while."""
        before = {field: self.read_control(field) for field in fields}
        for field, value in fields.items():
            self.control(field, value)
        try:
            yield
        finally:
            for field, value in before.items():
                self.control(field, value)

    @contextmanager
    def octets_changed(self, array: str, at: int, octets: bytes) -> Iterator[None]:
        """Overwrite octets of a mapped array for a while."""
        view = self.generation.arrays[array]
        before = bytes(view[at : at + len(octets)])
        view[at : at + len(octets)] = octets
        try:
            yield
        finally:
            view[at : at + len(octets)] = before

    @contextmanager
    def on_device(self, device: Device, mode: links.Mode) -> Iterator[None]:
        """Attach the program to a device for a while."""
        program = self.generation.program_fd()
        try:
            with inside(device.namespace):
                link = links.read(SERVER_DEVICE)
                row = struct.pack("<I6sBx4x", link.index, link.mac, 1)
                everything = bytes(self.generation.arrays["vlans"])
                with (
                    self.octets_changed("ports", link.index * len(row), row),
                    self.octets_changed("vlans", 0, everything),
                ):
                    self.know_vlans(link.index)
                    links.attach(link, program, mode)
                    yield
                    links.detach(link, mode)
        finally:
            os.close(program)

    def ask_device(self, device: Device, frame: bytes) -> Outcome:
        """Put one frame on a device; return the verdict and what came back or, when it was passed, what went up."""
        before = self.counters()
        device.send(frame)
        verdict = self._counted(before)
        outcome = verdicts.by_name()[verdict].outcome
        if outcome == "drop":
            return Outcome(XDP_DROP, b"", verdict)
        seen = device.receive(_WAIT_S) if outcome == "answer" else device.gone_up(frame, _WAIT_S)
        assert seen is not None, f"{verdict}, but nothing came {'back' if outcome == 'answer' else 'up'}"
        return Outcome(ACTIONS[outcome], seen, verdict)

    def _counted(self, before: dict[str, int]) -> str:
        """Wait for the one counter that goes up."""
        deadline = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            now = self.counters()
            counted = {name: now[name] - before[name] for name in now if now[name] != before[name]}
            if counted:
                assert list(counted.values()) == [1], f"one packet was counted as {counted}"
                return next(iter(counted))
        raise AssertionError("the frame never reached the program")

    @contextmanager
    def port_flags(self, *, verify: bool) -> Iterator[None]:
        """Switch the verification of the queries' checksums for a while."""
        self.generation.set_port(LOOPBACK, packets.SERVER_MAC, verify=verify)
        try:
            yield
        finally:
            self.generation.set_port(LOOPBACK, packets.SERVER_MAC, verify=True)

    @contextmanager
    def without_stage(self, slot: int, program: str) -> Iterator[None]:
        """Take a stage out of the tail-call table for a while, so that the call to it fails."""
        stages = open_pin(self.generation.folder / "stages")
        kept = self.generation.program_fd(program)
        try:
            _element(_DELETE, stages, slot, None)
            yield
        finally:
            _element(_UPDATE, stages, slot, kept)
            os.close(kept)
            os.close(stages)


def _element(command: int, map_fd: int, key: int, value: int | None) -> None:
    key_octets = ctypes.create_string_buffer(struct.pack("=I", key), 4)
    value_octets = ctypes.create_string_buffer(struct.pack("=I", value or 0), 4)
    pointer = 0 if value is None else ctypes.addressof(value_octets)
    attributes = ctypes.create_string_buffer(
        struct.pack("=I4xQQQ", map_fd, ctypes.addressof(key_octets), pointer, 0), 32
    )
    if _libc.syscall(_SYS_BPF, command, attributes, 32) != 0:
        raise OSError(ctypes.get_errno(), "bpf map element")
