# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices in namespaces of the test's own, on which whole frames are put and taken: veth (native, generic) and tap."""

import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from pyroute2 import netns

from appliance.datapath import links
from appliance.datapath.syscall import test_run
from tests.datapath import packets, tiny
from tests.datapath.runner import XDP_PASS, XDP_TX

SERVER_DEVICE: Final = "dns0"
CLIENT_DEVICE: Final = "ask0"
_TUNSETIFF: Final = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_ETH_P_ALL: Final = 0x0003
_SOL_PACKET, _PACKET_AUXDATA, _VLAN_VALID = 263, 8, 1 << 4
_AUXDATA: Final = struct.Struct("=3I4H")
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 8 << 20  # a small frame may count as a page, and a slow processor reads late
_WAIT_S: Final = 2.0


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Let this thread be in a network namespace for a while."""
    netns.pushns(namespace)
    try:
        yield
    finally:
        netns.popns()


@contextmanager
def namespace(name: str) -> Iterator[str]:
    """Make a network namespace, and remove it."""
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=30)


def _quiet(name: str, device: str) -> None:
    """Keep the kernel from talking on a device of its own accord."""
    with inside(name):
        for setting in ("ipv6/conf/{}/disable_ipv6=1", "ipv6/conf/{}/accept_ra=0"):
            path, _, value = setting.format(device).partition("=")
            with open(f"/proc/sys/net/{path}", "w") as file:  # noqa: PTH123
                file.write(value)


class Device:
    """The server's device, and ways to put a frame on it and to take what comes back or goes up."""

    def __init__(
        self, name: str, send: Callable[[bytes], None], receive: Callable[[float], bytes | None], passed: socket.socket
    ) -> None:
        """`passed` sees what goes up the stack of the server's device."""
        self.namespace = name
        self.client_namespace = f"{name}c"
        """The other end's, where the device is a veth."""
        self.send = send
        self.receive = receive
        self._passed = passed

    def ask(self, frame: bytes, timeout_s: float = _WAIT_S) -> bytes | None:
        """Return the reply to a frame, None if there is none in time."""
        self.send(frame)
        return self.receive(timeout_s)

    def gone_up(self, frame: bytes, timeout_s: float = _WAIT_S) -> bytes | None:
        """Return the next frame addressed to us that went up the stack and begins like `frame`."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._passed], [], [], left)[0]:
                return None
            seen, direction = _read_whole(self._passed)
            if seen[:12] == frame[:12] and direction != socket.PACKET_OUTGOING:
                return seen
        return None


def _packet_socket(device: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    made.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    made.bind((device, 0))
    return made


def _read_whole(source: socket.socket) -> tuple[bytes, int]:
    """Return a frame and its direction; the outer VLAN tag, which the kernel takes out, is put back (packet(7))."""
    frame, ancillary, _, address = source.recvmsg(65535, 64)
    for level, kind, data in ancillary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = _AUXDATA.unpack(data)
            if status & _VLAN_VALID:
                frame = frame[:12] + struct.pack(">HH", tpid or packets.VLAN, tci) + frame[12:]
    return frame, address[2]


def _receiver(read: Callable[[], bytes], fd: int) -> Callable[[float], bytes | None]:
    def receive(timeout_s: float) -> bytes | None:
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if select.select([fd], [], [], left)[0]:
                frame = read()
                if frame[:6] == packets.CLIENT_MAC and frame[6:12] == packets.SERVER_MAC:
                    return frame
        return None

    return receive


@contextmanager
def tap(name: str) -> Iterator[Device]:
    """Make a tap device: what is written to it arrives at its XDP program, what that sends can be read."""
    with namespace(name):
        with inside(name):
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", SERVER_DEVICE.encode(), _IFF_TAP | _IFF_NO_PI))
        try:
            _quiet(name, SERVER_DEVICE)
            _ip("-n", name, "link", "set", SERVER_DEVICE, "address", packets.SERVER_MAC.hex(":"), "up")
            with inside(name):
                passed = _packet_socket(SERVER_DEVICE)
            with passed:
                yield Device(name, lambda frame: _write(fd, frame), _receiver(lambda: os.read(fd, 65535), fd), passed)
        finally:
            os.close(fd)


def _write(fd: int, frame: bytes) -> None:
    if os.write(fd, frame) != len(frame):
        raise OSError("the tap took a part of a frame")


@contextmanager
def veth(name: str, how: Literal["socket", "live"]) -> Iterator[Device]:
    """Make a veth pair over two namespaces; frames are sent from a packet socket, or by XDP_TX from pages of their own.

    The way of sending decides how much room for growth a frame brings along.
    """
    client = f"{name}c"  # Device.client_namespace
    with namespace(name), namespace(client):
        ends = ("netns", name, "type", "veth", "peer", "name", CLIENT_DEVICE, "netns", client)
        _ip("link", "add", SERVER_DEVICE, *ends)
        _quiet(name, SERVER_DEVICE)
        _quiet(client, CLIENT_DEVICE)
        _ip("-n", name, "link", "set", SERVER_DEVICE, "address", packets.SERVER_MAC.hex(":"), "up")
        _ip("-n", client, "link", "set", CLIENT_DEVICE, "address", packets.CLIENT_MAC.hex(":"), "up")
        with inside(name):
            passed = _packet_socket(SERVER_DEVICE)
        with inside(client), tiny.returning(XDP_PASS) as accept:
            links.attach(links.read(CLIENT_DEVICE), accept, "native")
            outside = _packet_socket(CLIENT_DEVICE)
            index = links.read(CLIENT_DEVICE).index
        with passed, outside, tiny.returning(XDP_TX) as sender:

            def send_live(frame: bytes) -> None:
                with inside(client):
                    test_run(sender, frame, ifindex=index, live=True)

            def send(frame: bytes) -> None:
                outside.send(frame)

            receive = _receiver(lambda: _read_whole(outside)[0], outside.fileno())
            yield Device(name, send_live if how == "live" else send, receive, passed)
