# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program must know of the host around its interfaces: other addresses, broadcast addresses, VLAN devices."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.datapath.links import netlink
from appliance.store import layout

_ENTRY: Final = struct.Struct("<II")
_MASK64: Final = (1 << 64) - 1
_SERVICE_PROTOCOL: Final = 0x88A8
_TAGS_MAX: Final = 2


@dataclass(frozen=True, slots=True)
class Network:
    """An address that an interface has, with the length of its prefix and the broadcast address set for it, if any."""

    address: str
    prefix: int
    broadcast: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A device: what it belongs to (a bridge, a bond) and, of a VLAN device, what it lies on and its tag."""

    index: int
    master: int = 0
    lower: int = 0
    vlan: int = 0
    protocol: int = 0x8100


@dataclass(frozen=True, slots=True)
class Vicinity:
    """The addresses and devices of this network namespace."""

    networks: tuple[Network, ...] = ()
    devices: tuple[Device, ...] = ()


def read() -> Vicinity:
    """Read them as they are now. Raises DatapathError."""
    with netlink("addresses and devices of the host") as route:
        networks = tuple(_network(message) for message in route.get_addr())
        devices = tuple(_device(message) for message in route.get_links())
    return Vicinity(networks, devices)


def _network(message: Any) -> Network:
    # IFA_ADDRESS is the other end's where a link has two; IPv6 has no IFA_LOCAL then.
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return Network(address, message["prefixlen"], message.get_attr("IFA_BROADCAST") or "")


def _device(message: Any) -> Device:
    index, master = message["index"], message.get_attr("IFLA_MASTER") or 0
    info = message.get_attr("IFLA_LINKINFO")
    elsewhere = message.get_attr("IFLA_LINK_NETNSID") is not None  # the index counts in another namespace
    if info is None or info.get_attr("IFLA_INFO_KIND") != "vlan" or elsewhere:
        return Device(index, master)
    data = info.get_attr("IFLA_INFO_DATA")
    protocol = data.get_attr("IFLA_VLAN_PROTOCOL") or 0x8100
    return Device(index, master, message.get_attr("IFLA_LINK"), data.get_attr("IFLA_VLAN_ID"), protocol)


def kinds(answered: Iterable[str], networks: Iterable[Network]) -> dict[str, int]:
    """Return what the table of addresses is to say of each address, those answered for first.

    The highest address of an IPv4 network is its broadcast address, set or not: the kernel takes it for one.
    """
    found = {str(ipaddress.ip_address(address)): layout.SERVICE_ANSWERED for address in answered}
    outward = [one for one in networks if not ipaddress.ip_address(one.address).is_loopback]
    for one in outward:
        for address in _broadcast(one):
            found.setdefault(address, layout.SERVICE_BROADCAST)
    for one in outward:
        found.setdefault(str(ipaddress.ip_address(one.address)), layout.SERVICE_HOST)
    return found


def _broadcast(one: Network) -> Iterator[str]:
    if one.broadcast and one.broadcast != "255.255.255.255":
        yield one.broadcast
    network = ipaddress.ip_interface(f"{one.address}/{one.prefix}").network
    if network.version == 4 and network.prefixlen < 31:
        yield str(network.broadcast_address)


def tags_on(index: int, devices: Sequence[Device]) -> set[int]:
    """Return the tags (`vlan.tags`) that devices take from what comes in on an interface, or on its bridge or bond."""
    lying: dict[int, list[Device]] = {}
    for one in devices:
        lying.setdefault(one.lower, []).append(one)
    masters = {one.index: one.master for one in devices if one.master}
    seen: set[tuple[int, int]] = set()
    open_ends = [(index, 0, 0)]
    while open_ends:
        lower, tags, depth = open_ends.pop()
        if (lower, tags) in seen:  # devices that belong to each other, as a torn reading may show them
            continue
        seen.add((lower, tags))
        if lower in masters:
            open_ends.append((masters[lower], tags, depth))
        if depth < _TAGS_MAX:
            open_ends += [(one.index, _with_tag(tags, one), depth + 1) for one in lying.get(lower, ())]
    return {tags for _, tags in seen if tags}


def _with_tag(tags: int, device: Device) -> int:
    """Add a device's tag; one of VLAN 0 says nothing, as in `add_tag` of `ebpf/packet.h`."""
    service = layout.VLAN_SERVICE if device.protocol == _SERVICE_PROTOCOL else 0
    return tags << 16 | layout.VLAN_TAG | service | device.vlan if device.vlan else tags


def vlan_table(interfaces: Iterable[int], devices: Sequence[Device]) -> tuple[bytes, int]:
    """Return the `vlans` array for interfaces (by index), and how many tags found no place: those go to userspace."""
    rows = bytearray(layout.VLAN_SLOTS * _ENTRY.size)
    left = 0
    for index in sorted(set(interfaces)):
        for tags in sorted(tags_on(index, devices)):
            left += not _place(rows, index, tags)
    return bytes(rows), left


def _place(rows: bytearray, index: int, tags: int) -> bool:
    """Put one entry where `is_known_vlan` of `ebpf/packet.h` looks for it."""
    first = ((index | tags << 32) * layout.HASH_MULTIPLIER & _MASK64) >> 52
    for step in range(layout.VLAN_PROBES):
        at = (first + step) % layout.VLAN_SLOTS * _ENTRY.size
        if not any(rows[at : at + _ENTRY.size]):
            _ENTRY.pack_into(rows, at, index, tags)
            return True
    return False
