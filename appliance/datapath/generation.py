# SPDX-License-Identifier: GPL-3.0-or-later
"""A generation: one loaded program with its arrays. Made by the loader process, attached and swapped by the door.

Programs and maps are pinned, so they stay attached and keep answering when this process stops or dies. A newer
generation takes the interface over in one netlink message; only then is the older one unpinned.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from appliance.datapath import attachment, bpffs, links, pins, services, verdicts, vicinity
from appliance.datapath.arrays import Arrays
from appliance.datapath.links import Link
from appliance.datapath.loader import PLAN_LINK, Plan
from appliance.datapath.loader_process import run_loader
from appliance.datapath.specs import InterfaceSpec
from appliance.datapath.syscall import TestRun, load_time, open_pin, program_id, test_run
from appliance.errors import DatapathError
from appliance.store import layout
from appliance.store.store import Store

__all__ = ["Generation", "InterfaceSpec", "Placed"]

_PORT_VERIFY: Final = 1
_PORT: Final = layout.SIZES["port"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """What the program was told: the addresses it answers for, those without room, why interfaces are left out."""

    addresses: tuple[str, ...] = ()
    crowded: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


class Generation:
    """One loaded program: `store` is its answer store, mapped."""

    def __init__(self, folder: Path, plan: Plan, seed: int | None = None) -> None:
        """Open the pins in `folder`; a seed makes an empty store of the new arrays, else the one there is used."""
        self.folder = folder
        self.plan = plan
        self._arrays = Arrays(folder, plan)
        self._known: tuple[str, ...] = ()
        """What the table of addresses holds."""
        ctl, buckets, heap, zones = (self._arrays[name] for name in ("ctl", "buckets", "heap", "zones"))
        if seed is None:
            self.store = Store.over(ctl, buckets, heap, zones)
        else:
            self.store = Store.form(ctl, buckets, heap, zones, seed)

    @classmethod
    def load(
        cls,
        interfaces: Sequence[InterfaceSpec],
        *,
        bucket_bits: int,
        chunks: int,
        zones: int,
        seed: int | None = None,
        edns_size: int = 1232,
        pass_rate: int = 0,
        pass_burst: int = 0,
        opcode_pass: int = 0,
    ) -> Generation:
        """Compile, load and pin a program with an empty store for `zones` zones; nothing is attached yet.

        It passes every packet up until serving(True). `pass_rate` is in packets per second and CPU, 0 for no limit;
        bit n of `opcode_pass` hands opcode n up. Raises DatapathError and leaves nothing behind.
        """
        ports = {s.port for s in interfaces} or {53}
        if len(ports) != 1:
            raise DatapathError(f"the interfaces ask for different ports {sorted(ports)}; one program serves one port")
        folder = bpffs.root() / f"g{time.time_ns()}-{os.getpid()}"
        present = {link.name: link for link in links.everything([spec.name for spec in interfaces])}
        here = [(spec, present[spec.name]) for spec in interfaces if spec.name in present]
        answered = _service_addresses(interfaces, present)
        service_seed = services.find_seed(answered, vicinity.kinds(answered, vicinity.read().networks))
        plan = Plan(str(folder), bucket_bits, chunks, zones + 1, _possible_cpus(), ports.pop(), edns_size, service_seed)
        run_loader(plan)
        try:
            generation = cls(folder, plan, secrets.randbits(64) if seed is None else seed)
            generation.place(here)
            for name, value in (("pass_rate", pass_rate), ("pass_burst", pass_burst), ("opcode_pass", opcode_pass)):
                generation.store.set(name, value)
        except BaseException:
            pins.remove(folder)
            raise
        return generation

    @classmethod
    def adopt(cls) -> Generation | None:
        """Open the newest generation that still runs on an interface of this namespace, left by an ended process."""
        running = {link.program for link in links.with_programs()}
        for folder, number in reversed(list(pins.folders())):
            if number and number in running:
                return cls(folder, msgspec.json.decode(str((folder / PLAN_LINK).readlink()), type=Plan))
        return None

    @property
    def arrays(self) -> Arrays:
        """The mapped arrays, for whoever fills the store."""
        return self._arrays

    def place(self, served: Sequence[tuple[InterfaceSpec, Link]]) -> Placed:
        """Tell the program these interfaces and their addresses, and no others; what stays is not touched."""
        around = vicinity.read()
        answered = [a for spec, link in served for a in spec.answered(link.addresses)]
        kinds = vicinity.kinds(answered, around.networks)
        placed, crowded = services.rewrite(self._arrays["services"], kinds, self.plan.service_seed)
        self._known = tuple(placed)
        self._forget_ports({link.index for _, link in served})
        self._write_vlans({link.index for _, link in served}, around)
        problems = []
        for spec, link in served:
            try:
                self.set_port(link.index, link.mac, verify=attachment.verifies(spec, link))
            except DatapathError as error:
                problems.append((spec.name, str(error)))
        mine = tuple(one for one in placed if kinds[one] == layout.SERVICE_ANSWERED)
        return Placed(mine, tuple(crowded), tuple(problems))

    def _write_vlans(self, interfaces: set[int], around: vicinity.Vicinity) -> None:
        """Write for the program the tags that devices take; frames with other tags go to userspace."""
        table, left = vicinity.vlan_table(interfaces, around.devices)
        if self._arrays["vlans"] != table:
            self._arrays["vlans"][:] = table
            if left:
                _log.warning("%d VLANs are more than the NIC path can know: their queries go to userspace", left)

    def _forget_ports(self, keep: set[int]) -> None:
        ports = self._arrays["ports"]
        for slot in range(0, len(ports), _PORT):
            present = int.from_bytes(ports[slot : slot + 4], "little")
            if present and present not in keep:
                ports[slot : slot + _PORT] = bytes(_PORT)

    def set_port(self, ifindex: int, mac: bytes, *, verify: bool) -> None:
        """Tell the program an interface's index and address. Raises DatapathError when its slot is taken by another."""
        slot = (ifindex % 1024) * _PORT
        ports = self._arrays["ports"]
        present = int.from_bytes(ports[slot : slot + 4], "little")
        if present not in (0, ifindex):
            raise DatapathError(f"interfaces {present} and {ifindex} share a slot of the port table; serve one of them")
        bits = services.present(self._known, self.plan.service_seed)
        flags = bytes([_PORT_VERIFY if verify else 0, 0])
        row = ifindex.to_bytes(4, "little") + mac + flags + bits.to_bytes(4, "little")
        if ports[slot : slot + _PORT] != row:
            ports[slot : slot + _PORT] = row

    def detach(self) -> None:
        """Take the program off wherever it runs in this namespace, and unpin everything."""
        mine = self.program_id()
        for link in links.with_programs():
            if link.program == mine and link.mode is not None:
                links.detach(link, link.mode)
        pins.remove(self.folder)

    def serving(self, on: bool) -> None:
        """Let the program answer, or pass everything up."""
        self.store.set("serving", int(on))

    def lease(self, until_ns: int) -> None:
        """Let the program answer until a moment (CLOCK_MONOTONIC in nanoseconds, 0: no end); then it passes all up."""
        with self._arrays["ctl"].cast("Q") as words:
            words[layout.OFFSETS["ctl"]["lease_until"] // 8] = until_ns

    def counters(self) -> dict[str, int]:
        """Verdict counters since the load, all CPUs added up."""
        return verdicts.sum_rows(self._arrays["counters"], self.plan.cpus)

    def program_fd(self, name: str = "dns") -> int:
        """Open a pinned program; the caller closes it."""
        return open_pin(self.folder / f"prog_{name}")

    @contextmanager
    def program(self) -> Iterator[int]:
        """Yield a descriptor of the entry program."""
        fd = self.program_fd()
        try:
            yield fd
        finally:
            os.close(fd)

    def program_id(self) -> int:
        """Kernel id of the entry program."""
        with self.program() as fd:
            return program_id(fd)

    def loaded_ns(self) -> int:
        """Return when the entry program was loaded, in nanoseconds since the boot."""
        with self.program() as fd:
            return load_time(fd)

    def run(self, packet: bytes, *, ifindex: int | None = None, repeat: int = 1) -> TestRun:
        """Run the program on one packet without a device (BPF_PROG_TEST_RUN)."""
        with self.program() as fd:
            return test_run(fd, packet, repeat=repeat, ifindex=ifindex)

    def close(self) -> None:
        """Unmap the arrays; the program stays attached."""
        self._arrays.close()


def _possible_cpus() -> int:
    text = Path("/sys/devices/system/cpu/possible").read_text().strip()
    return int(text.replace(",", "-").split("-")[-1]) + 1


def _service_addresses(specs: Sequence[InterfaceSpec], present: Mapping[str, Link]) -> list[str]:
    """Return the addresses that are to be answered for, as far as they are known now and have room."""
    found: dict[str, None] = {}
    for spec in specs:
        link = present.get(spec.name)
        found.update(dict.fromkeys(spec.answered(link.addresses if link is not None else ())))
    return [*found][: services.MOST]
