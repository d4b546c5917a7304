# SPDX-License-Identifier: GPL-3.0-or-later
"""A generation: one loaded program with its arrays. Made by the loader process, attached and swapped from here.

Programs and maps are pinned, so they stay attached and keep answering when this process stops or dies. A newer
generation takes the interface over in one netlink message; only then is the older one unpinned.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from appliance.answers import layout
from appliance.answers.store import Store
from appliance.datapath import attachment, bpffs, links, obtain, offloads, services, verdicts, vicinity
from appliance.datapath.arrays import Arrays
from appliance.datapath.attachment import Interface, InterfaceSpec
from appliance.datapath.loader import PLAN_LINK, Plan
from appliance.datapath.syscall import TestRun, open_pin, program_id, test_run
from appliance.errors import DatapathError

__all__ = ["Generation", "Interface", "InterfaceSpec"]

LOADER_TIMEOUT_S: Final = float(os.environ.get("APPLIANCE_LOADER_TIMEOUT_S", "300"))
"""The environment may ask for more: an emulated processor takes minutes."""
_FINISH_S: Final = 0.05  # longer than any packet stays in a program that was replaced
_PORT_VERIFY: Final = 1
_PACKAGES: Final = Path(__file__).parents[2]
_PORT_SIZE: Final = layout.SIZES["port"]
_log = logging.getLogger(__name__)


class Generation:
    """One loaded program: `store` is its answer store, mapped; `interfaces` what attach() obtained."""

    def __init__(self, folder: Path, plan: Plan, specs: Sequence[InterfaceSpec], seed: int | None = None) -> None:
        """Open the pins in `folder`; a seed makes an empty store of the new arrays, else the one there is used."""
        self.folder = folder
        self.plan = plan
        self._specs = tuple(specs)
        self._arrays = Arrays(folder, plan)
        self.interfaces: list[Interface] = []
        self._kinds: dict[str, int] = {}
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
        """Compile, load and pin a program with an empty store for so many zones; nothing is attached yet.

        It passes every packet up until serving(True). `pass_rate` is in packets per second and CPU, 0 for no limit;
        bit n of `opcode_pass` hands opcode n up. Raises DatapathError and leaves nothing behind.
        """
        ports = {s.port for s in interfaces} or {53}
        if len(ports) != 1:
            raise DatapathError(f"the interfaces ask for different ports {sorted(ports)}; one program serves one port")
        resolved = [_resolve(s) for s in interfaces]
        around = vicinity.read()
        answered = [a for s in resolved for a in s.addresses]
        service_seed = services.find_seed(answered, vicinity.kinds(answered, around.networks))
        folder = bpffs.root() / f"g{time.time_ns()}-{os.getpid()}"
        plan = Plan(str(folder), bucket_bits, chunks, zones + 1, _possible_cpus(), ports.pop(), edns_size, service_seed)
        _run_loader(plan)
        try:
            generation = cls(folder, plan, resolved, secrets.randbits(64) if seed is None else seed)
            generation._write_services(around)
            for name, value in (("pass_rate", pass_rate), ("pass_burst", pass_burst), ("opcode_pass", opcode_pass)):
                generation.store.set(name, value)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return generation

    @classmethod
    def adopt(cls) -> Generation | None:
        """Open the newest generation that still runs on an interface of this namespace, left by an ended process."""
        running: dict[int, list[links.Link]] = {}
        for link in links.with_programs():
            running.setdefault(link.program, []).append(link)
        for folder, number in reversed(list(_pinned())):
            if number not in running:
                continue
            plan = msgspec.json.decode(str((folder / PLAN_LINK).readlink()), type=Plan)
            found = running[number]
            specs = [InterfaceSpec(k.name, k.mode or "auto", k.addresses, plan.port) for k in found]
            generation = cls(folder, plan, specs)
            generation.interfaces = [generation._as_attached(k) for k in found]
            return generation
        return None

    def _as_attached(self, link: links.Link) -> Interface:
        slot = (link.index % 1024) * 16
        verify = bool(self._arrays["ports"][slot + 10] & _PORT_VERIFY)
        return Interface(link.name, link.mode, link.addresses, verify)

    @property
    def arrays(self) -> Arrays:
        """The mapped arrays, for whoever fills the store."""
        return self._arrays

    def _write_services(self, around: vicinity.Vicinity) -> None:
        self._kinds = self._kinds_of(around)
        for spec in self._specs:
            link = links.read(spec.name)
            self.set_port(link.index, link.mac, verify=attachment.verifies(spec, link))
        self._write_vicinity(around)

    def look_around(self) -> None:
        """Tell the program which addresses, networks and VLAN devices the host has now. Raises DatapathError."""
        around = vicinity.read()
        self._kinds = self._kinds_of(around)
        self._write_vicinity(around)

    def _kinds_of(self, around: vicinity.Vicinity) -> dict[str, int]:
        return vicinity.kinds((a for s in self._specs for a in s.addresses), around.networks)

    def _write_vicinity(self, around: vicinity.Vicinity) -> None:
        self._arrays["services"][:] = services.table(self._kinds, self.plan.service_seed)
        ports = self._arrays["ports"]
        bits = services.present(self._kinds, self.plan.service_seed).to_bytes(4, "little")
        served = {slot: int.from_bytes(ports[slot : slot + 4], "little") for slot in range(0, len(ports), _PORT_SIZE)}
        for slot in filter(served.get, served):
            ports[slot + 12 : slot + 16] = bits
        self._arrays["vlans"][:], left = vicinity.vlan_table(filter(None, served.values()), around.devices)
        if left:
            _log.warning("%d VLANs are more than the NIC path can know: their queries go to userspace", left)

    def set_port(self, ifindex: int, mac: bytes, *, verify: bool) -> None:
        """Tell the program an interface's index and address. Raises DatapathError when its slot is taken by another."""
        slot = (ifindex % 1024) * 16
        ports = self._arrays["ports"]
        present = int.from_bytes(ports[slot : slot + 4], "little")
        if present not in (0, ifindex):
            raise DatapathError(f"interfaces {present} and {ifindex} share a slot of the port table; serve one of them")
        bits = services.present(self._kinds, self.plan.service_seed)
        flags = bytes([_PORT_VERIFY if verify else 0, 0])
        row = ifindex.to_bytes(4, "little") + mac + flags + bits.to_bytes(4, "little")
        ports[slot : slot + 16] = row

    def attach(self) -> None:
        """Attach to every interface, replacing a former generation of ours in one message each.

        Raises DatapathError, leaving what was attached before on the interfaces that could not be taken.
        """
        fd = open_pin(self.folder / "prog_dns")
        try:
            ours = _our_programs()
            self.interfaces = [attachment.attach(spec, fd, ours) for spec in self._specs]
        finally:
            os.close(fd)
        time.sleep(_FINISH_S)
        remove_unattached(keep=self.folder)

    def detach(self) -> None:
        """Take the program off its interfaces, those that are still there, and unpin everything."""
        mine = self.program_id()
        for link in links.with_programs():
            if link.program == mine and link.mode is not None:
                links.detach(link, link.mode)
        self.interfaces = []
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another generation's pins, or another namespace's, are beside ours
            self.folder.parent.rmdir()
            self.folder.parent.parent.rmdir()

    def conditions(self) -> dict[str, offloads.Judgement]:
        """Look at each interface as it is now: what keeps its queries from the program, what could be better."""
        ours = _our_programs()  # a newer generation may be taking the interfaces over just now
        return {one.name: attachment.condition(one, ours, self._port_mac) for one in self.interfaces}

    def _port_mac(self, ifindex: int) -> bytes:
        slot = (ifindex % 1024) * 16
        return bytes(self._arrays["ports"][slot + 4 : slot + 10])

    def serving(self, on: bool) -> None:
        """Let the program answer, or pass everything up."""
        self.store.set("serving", int(on))

    def lease(self, until_ns: int) -> None:
        """Let the program answer until then (nanoseconds of CLOCK_MONOTONIC, 0: without end); later it hands all up."""
        with self._arrays["ctl"].cast("Q") as words:
            words[layout.OFFSETS["ctl"]["lease_until"] // 8] = until_ns

    def counters(self) -> dict[str, int]:
        """Verdict counters since the load, all CPUs added up."""
        return verdicts.sum_rows(self._arrays["counters"], self.plan.cpus)

    def program_fd(self, name: str = "dns") -> int:
        """Open a pinned program; the caller closes it."""
        return open_pin(self.folder / f"prog_{name}")

    def program_id(self) -> int:
        """Kernel id of the entry program."""
        fd = self.program_fd()
        try:
            return program_id(fd)
        finally:
            os.close(fd)

    def run(self, packet: bytes, *, ifindex: int | None = None, repeat: int = 1) -> TestRun:
        """Run the program on one packet without a device (BPF_PROG_TEST_RUN)."""
        fd = self.program_fd()
        try:
            return test_run(fd, packet, repeat=repeat, ifindex=ifindex)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Unmap the arrays; the program stays attached."""
        self._arrays.close()


def _possible_cpus() -> int:
    text = Path("/sys/devices/system/cpu/possible").read_text().strip()
    return int(text.replace(",", "-").split("-")[-1]) + 1


def _resolve(spec: InterfaceSpec) -> InterfaceSpec:
    link = links.read(spec.name)
    addresses = spec.addresses or link.addresses
    if not addresses:
        raise DatapathError(f"interface {spec.name} has no address and none is configured; add one or set addresses")
    return replace(spec, addresses=addresses)


def _run_loader(plan: Plan) -> None:
    # Without the site module, which takes a third of the loader's start: it is told where everything is. Nothing comes
    # from the folder that this process happens to be in.
    path = (str(_PACKAGES), *sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-P", "-m", "appliance.datapath.loader"],
            input=msgspec.json.encode(plan),
            capture_output=True,
            timeout=LOADER_TIMEOUT_S,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in path if p)},
        )
    except subprocess.TimeoutExpired as error:
        raise DatapathError(f"the loader took longer than {LOADER_TIMEOUT_S:.0f} s") from error
    said = done.stderr.decode(errors="replace").strip()
    for level, remark in obtain.remarks(said):
        _log.log(logging.WARNING if level == obtain.WARNING else logging.INFO, "%s", remark)
    if done.returncode != 0:
        raise DatapathError(said.splitlines()[-1] if said else f"the loader ended with status {done.returncode}")


def _folders() -> Iterable[tuple[Path, int]]:
    """Yield the folders of pins, oldest first, and the id of the program in each; 0 where there is none."""
    for folder in sorted(bpffs.root().glob("g*")):
        try:
            fd = open_pin(folder / "prog_dns")
        except DatapathError:
            yield folder, 0
            continue
        try:
            yield folder, program_id(fd)
        finally:
            os.close(fd)


def _pinned() -> Iterable[tuple[Path, int]]:
    return ((folder, number) for folder, number in _folders() if number)


def _our_programs() -> dict[int, Path]:
    return {number: folder / "prog_dns" for folder, number in _pinned()}


def remove_unattached(keep: Path | None = None) -> None:
    """Unpin generations of ended processes that no interface of this namespace runs any more."""
    attached = {k.program for k in links.with_programs()}
    for folder, number in list(_folders()):
        owner = int(folder.name.rpartition("-")[2])
        alive = Path(f"/proc/{owner}").exists()
        # Without a program it is half made, by us or by another, or was left so by a loader that was killed.
        others = alive and not (number and owner == os.getpid())
        if folder == keep or number in attached or others:
            continue
        shutil.rmtree(folder, ignore_errors=True)
