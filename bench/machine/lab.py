# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of our own: one namespace, one veth pair, one bpf file system, one folder in memory (CACHE is on disk).

Namespaces and mounts belong to this process and its children only. Nothing has a name outside, so nothing is left
behind, however the process ends.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pyroute2 import IPRoute

from appliance.errors import DatapathError
from bench.machine import kernel
from bench.machine.link import Link

WORK = Path(__file__).resolve().parents[1] / "work"
CACHE = WORK / "cache"
_MEMORY = WORK / "memory"
SERVER_DEVICE, CLIENT_DEVICE = "bench-server", "bench-client"
SERVER = "10.88.0.1"
CLIENTS = tuple(f"10.88.0.{host}" for host in range(2, 18))
_NEWNS, _NEWNET = 0x20000, 0x40000000
_PRIVATE_TREE = 0x40000 | 0x4000
_libc = ctypes.CDLL(None, use_errno=True)


def enter() -> Path:
    """Move this process into namespaces of its own and return a folder in memory that goes with them.

    Call it before any thread starts and before the server is loaded.
    """
    if os.geteuid() != 0:
        raise DatapathError("the measurement lab needs root: network namespaces and BPF programs")
    if _libc.unshare(_NEWNS | _NEWNET):
        raise DatapathError(f"unshare: {os.strerror(ctypes.get_errno())}")
    _mount("none", "/", "", _PRIVATE_TREE)
    _mount("sysfs", "/sys", "sysfs")
    _mount("bpf", "/sys/fs/bpf", "bpf")
    CACHE.mkdir(parents=True, exist_ok=True)
    _MEMORY.mkdir(exist_ok=True)
    _mount("tmpfs", str(_MEMORY), "tmpfs")
    with IPRoute() as ip:
        ip.link("set", index=ip.link_lookup(ifname="lo")[0], state="up")
    return _MEMORY


def _mount(source: str, target: str, kind: str, flags: int = 0) -> None:
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None):
        raise DatapathError(f"mount {kind or 'private'} on {target}: {os.strerror(ctypes.get_errno())}")


class Veth:
    """A veth pair: the server's end has an address and permanent neighbours, the client's end only XDP programs."""

    def __init__(self, queues: int = 1) -> None:
        self._held: list[int] = []
        with IPRoute() as ip:
            shape = {"num_tx_queues": queues, "num_rx_queues": queues}
            ip.link("add", ifname=SERVER_DEVICE, kind="veth", peer={"ifname": CLIENT_DEVICE, **shape}, **shape)
            self.server_index = ip.link_lookup(ifname=SERVER_DEVICE)[0]
            self.client_index = ip.link_lookup(ifname=CLIENT_DEVICE)[0]
            client_mac = _mac(CLIENT_DEVICE)
            for device in (SERVER_DEVICE, CLIENT_DEVICE):
                Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("1")
            ip.addr("add", index=self.server_index, address=SERVER, prefixlen=24)
            for index in (self.server_index, self.client_index):
                ip.link("set", index=index, state="up")
            for client in CLIENTS:
                ip.neigh("replace", dst=client, lladdr=client_mac, ifindex=self.server_index, state="permanent")
        addresses = tuple(socket.inet_aton(client) for client in CLIENTS)
        self.link = Link(_octets(client_mac), _octets(_mac(SERVER_DEVICE)), socket.inet_aton(SERVER), addresses)

    def attach(self, program_fd: int, ifindex: int) -> int:
        """Attach a program until `release` or the end of this process."""
        held = kernel.hold(program_fd, ifindex)
        self._held.append(held)
        return held

    def release(self, held: int) -> None:
        """Detach what `attach` returned."""
        self._held.remove(held)
        os.close(held)

    def close(self) -> None:
        """Detach everything and remove the pair."""
        for held in list(self._held):
            self.release(held)
        with IPRoute() as ip:
            ip.link("del", index=self.server_index)

    def thread(self, device: str, cpu: int) -> None:
        """Give a device NAPI threads of its own on one processor; possible only while an XDP program is attached."""
        Path(f"/sys/class/net/{device}/threaded").write_text("1")
        pids = napi_threads(device)
        if not pids:
            raise DatapathError(f"{device} has no NAPI thread although threaded NAPI was accepted")
        for pid in pids:
            os.sched_setaffinity(pid, {cpu})

    def unthread(self, devices: Sequence[str] = (SERVER_DEVICE, CLIENT_DEVICE)) -> None:
        """Let interrupts do the work again."""
        for device in devices:
            with suppress(OSError):
                Path(f"/sys/class/net/{device}/threaded").write_text("0")


def napi_threads(device: str) -> list[int]:
    """Find the kernel threads named napi/DEVICE-ID (the kernel cuts the name at 15 octets)."""
    wanted = f"napi/{device}"[:15]
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if comm.read_text().startswith(wanted):
                found.append(int(comm.parent.name))
    return found


def _mac(device: str) -> str:
    return Path(f"/sys/class/net/{device}/address").read_text().strip()


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
