# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags that travel beside the frame, as cards with VLAN offload deliver them: why native mode refuses such a card.

A veth keeps a tag beside the frame when its sender does; a small program pushes one there, as a VLAN device would.
"""

import ctypes
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from pyroute2 import IPRoute

from appliance.datapath import links, offloads
from appliance.errors import DatapathError
from tests.datapath import devices, packets, reply
from tests.datapath.devices import CLIENT_DEVICE, SERVER_DEVICE, Device, inside
from tests.datapath.lab import Lab
from tests.datapath.packets import Frame, message

pytestmark = pytest.mark.netns

VLAN_ID: Final = 42
TAG: Final = struct.pack(">HH", packets.VLAN, VLAN_ID)
_SYS_BPF, _PROG_LOAD, _SCHED_CLS, _SKB_VLAN_PUSH = 321, 5, 3, 18
_EGRESS: Final = "ffff:fff3"  # of the qdisc clsact


@contextmanager
def _pushing() -> Iterator[int]:
    """Yield a traffic control program: r2 = htons(0x8100); r3 = the VLAN's id; bpf_skb_vlan_push; r0 = 0; exit."""
    instructions = ((0xB7, 2, 0x0081), (0xB7, 3, VLAN_ID), (0x85, 0, _SKB_VLAN_PUSH), (0xB7, 0, 0), (0x95, 0, 0))
    code = b"".join(struct.pack("<BBhi", operation, register, 0, value) for operation, register, value in instructions)
    octets, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    head = struct.pack("<IIQQ", _SCHED_CLS, len(instructions), ctypes.addressof(octets), ctypes.addressof(licence))
    attributes = ctypes.create_string_buffer(head, 128)
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(_SYS_BPF, _PROG_LOAD, attributes, 128)
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def tagging(module_name: Callable[[], str]) -> Iterator[Device]:
    """Yield a veth whose client's end puts a tag beside everything that it sends."""
    with devices.veth(module_name(), "socket") as device:
        with inside(device.client_namespace), _pushing() as program, IPRoute() as route:
            (index,) = route.link_lookup(ifname=CLIENT_DEVICE)
            route.tc("add", "clsact", index)
            filtering = {"fd": program, "name": "tag", "parent": _EGRESS, "classid": 1, "direct_action": True}
            route.tc("add-filter", "bpf", index, ":1", **filtering)
        yield device


def switch(namespace: str, device: str, *features: str) -> None:
    """Switch offloads of a device: name and value in turn."""
    with inside(namespace):
        subprocess.run(["ethtool", "-K", device, *features], check=True, capture_output=True, timeout=30)


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize(
    ("mode", "offload", "tagged"),
    [("generic", "on", True), ("generic", "off", True), ("native", "off", True), ("native", "on", False)],
)
def test_a_tag_beside_the_frame(
    lab: Lab, tagging: Device, mode: links.Mode, offload: str, tagged: bool, ipv6: bool
) -> None:
    """In generic mode the answer gets it back; a native program never sees it, unless the sender's offload is off."""
    switch(tagging.client_namespace, CLIENT_DEVICE, "txvlan", offload)
    frame = Frame(message("mail.table.test"), ipv6=ipv6).octets()
    with lab.on_device(tagging, mode):
        outcome = lab.ask_device(tagging, frame)
    assert outcome.verdict == "answer_positive"
    sent = frame[:12] + TAG + frame[12:] if tagged else frame
    reply.check_frame(sent, outcome.frame)


def test_features_are_what_ethtool_says(tagging: Device) -> None:
    with inside(tagging.namespace):
        assert {"rx-vlan-hw-parse", "tx-vlan-hw-insert"} <= offloads.features(SERVER_DEVICE)
    switch(tagging.namespace, SERVER_DEVICE, "rxvlan", "off", "gro", "on")
    with inside(tagging.namespace):
        on = offloads.features(SERVER_DEVICE)
        assert "rx-gro" in on
        assert "rx-vlan-hw-parse" not in on
        assert "tx-vlan-hw-insert" in on


def test_a_device_that_is_not_there(tagging: Device) -> None:
    with inside(tagging.namespace), pytest.raises(DatapathError, match="gone0: its offloads cannot be read"):
        offloads.features("gone0")
