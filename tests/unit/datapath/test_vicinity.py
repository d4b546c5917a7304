# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses and VLAN tags the program is told of."""

import struct

import pytest

from appliance.datapath import services, vicinity
from appliance.datapath.vicinity import Device, Network
from appliance.store import layout

pytestmark = pytest.mark.unit

V, S = layout.VLAN_TAG, layout.VLAN_TAG | layout.VLAN_SERVICE


def test_kinds() -> None:
    """The highest address of each network is a broadcast address, and what is set as one; loopback is nobody's."""
    networks = [
        Network("192.0.2.53", 24),
        Network("198.51.100.1", 30, "198.51.100.3"),
        Network("203.0.113.1", 25, "203.0.113.255"),
        Network("10.0.0.0", 31),
        Network("10.9.9.9", 32, "255.255.255.255"),
        Network("127.0.0.1", 8),
        Network("2001:DB8::53", 64),
        Network("fe80::1", 64),
        Network("::1", 128),
    ]
    found = vicinity.kinds(["192.0.2.53", "2001:db8:0::53"], networks)
    of = {kind: {address for address, one in found.items() if one == kind} for kind in set(found.values())}
    assert of == {
        layout.SERVICE_ANSWERED: {"192.0.2.53", "2001:db8::53"},
        layout.SERVICE_BROADCAST: {"192.0.2.255", "198.51.100.3", "203.0.113.127", "203.0.113.255"},
        layout.SERVICE_HOST: {"198.51.100.1", "203.0.113.1", "10.0.0.0", "10.9.9.9", "fe80::1"},
    }
    assert next(iter(found)) == "192.0.2.53"


def test_an_answered_address_stays_one() -> None:
    """Where an operator gives a host the highest address of another network, it is answered for."""
    networks = [Network("192.0.2.255", 32), Network("192.0.2.1", 24)]
    assert vicinity.kinds(["192.0.2.255"], networks)["192.0.2.255"] == layout.SERVICE_ANSWERED


def test_seed_with_many_others() -> None:
    """Answered addresses always have their slots; of the others, as many as there is room for."""
    answered = [f"192.0.2.{n}" for n in range(60)]
    kinds = vicinity.kinds(answered, [Network(f"10.0.{n}.1", 24) for n in range(200)])
    seed = services.find_seed(answered, kinds)
    table = bytearray(services.SLOTS * services.ENTRY.size)
    placed, without = services.rewrite(memoryview(table), kinds, seed)
    assert set(answered) <= set(placed)
    assert not without
    rows = [services.ENTRY.unpack_from(table, at) for at in range(0, len(table), services.ENTRY.size)]
    found = {address: kind for address, kind in rows if kind}
    assert all(found[services.packed(address)] == layout.SERVICE_ANSWERED for address in answered)
    assert len(found) > len(answered)


def test_tags() -> None:
    """VLAN devices on the interface, on each other, on the bridge or bond that it belongs to; not those elsewhere."""
    devices = [
        Device(2, master=9),
        Device(3),
        Device(4, lower=2, vlan=10),
        Device(5, lower=2, vlan=20, protocol=0x88A8),
        Device(6, lower=5, vlan=30),
        Device(7, lower=6, vlan=40),
        Device(8, lower=3, vlan=50),
        Device(9),
        Device(10, lower=9, vlan=60),
        Device(11, lower=9, vlan=0),
    ]
    assert vicinity.tags_on(2, devices) == {V | 10, S | 20, (S | 20) << 16 | V | 30, V | 60}
    assert vicinity.tags_on(3, devices) == {V | 50}
    assert vicinity.tags_on(12, devices) == set()


def test_circles_end() -> None:
    """Devices that belong to each other, as a torn reading may show them, are looked at once."""
    devices = [Device(2, master=3), Device(3, master=2), Device(4, lower=2, vlan=5), Device(5, lower=4, master=4)]
    assert V | 5 in vicinity.tags_on(2, devices)


def test_vlan_table() -> None:
    """Every entry is where the program looks: within VLAN_PROBES of its place, nothing empty before it."""
    devices = [Device(100 + n, lower=2, vlan=n) for n in range(1, 1000)]
    table, left = vicinity.vlan_table([2, 2, 3], devices)
    assert len(table) == layout.VLAN_SLOTS * layout.SIZES["vlan"]
    rows = list(struct.iter_unpack("<II", table))
    assert sum(row != (0, 0) for row in rows) + left == 999
    assert left < 5
    for n in range(1, 1000):
        first = ((2 | (V | n) << 32) * layout.HASH_MULTIPLIER & (1 << 64) - 1) >> 52
        probed = [rows[(first + step) % layout.VLAN_SLOTS] for step in range(layout.VLAN_PROBES)]
        place = probed.index((2, V | n)) if (2, V | n) in probed else layout.VLAN_PROBES
        assert (0, 0) not in probed[:place]


def test_more_vlans_than_there_is_room_for() -> None:
    """The rest is left to userspace, and counted."""
    devices = [Device(10_000 * lower + n, lower=lower, vlan=n) for lower in (2, 3) for n in range(1, 4095)]
    table, left = vicinity.vlan_table([2, 3], devices)
    assert left
    assert sum(any(row) for row in struct.iter_unpack("<II", table)) == 2 * 4094 - left


def test_read() -> None:
    """The machine's own addresses and devices can be read."""
    around = vicinity.read()
    assert any(device.index == 1 for device in around.devices)
    assert all(network.prefix <= 128 for network in around.networks)
