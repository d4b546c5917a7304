# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of addresses is rewritten while the program reads it."""

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.datapath import services

pytestmark = pytest.mark.unit

# An IPv4 address is kept as the IPv6 one that it is mapped to (RFC 4291 §2.5.5.2): both are one entry.
V6 = st.ip_addresses(v=6).filter(lambda one: ipaddress.IPv6Address(one).ipv4_mapped is None)
ADDRESSES = st.one_of(st.ip_addresses(v=4), V6).map(str)
SETS = st.lists(st.lists(ADDRESSES, unique=True, max_size=services.MOST), min_size=1, max_size=5)


def looked_up(table: bytearray, address: str, seed: int) -> bool:
    """Look an address up as `ebpf/address.h` does."""
    key = services.packed(address)
    at = services.slot_of(key, seed) * services.ENTRY.size
    return table[at : at + 16] == key


@given(SETS, st.integers(0, 2**63).map(lambda number: number | 1))
def test_one_set_after_another(sets: list[list[str]], seed: int) -> None:
    """What is said to be placed is found, what is said to be crowded and what is gone is not."""
    table = bytearray(services.SLOTS * services.ENTRY.size)
    before: list[str] = []
    for wanted in sets:
        placed, crowded = services.rewrite(memoryview(table), dict.fromkeys(wanted, 1), seed)
        assert sorted(placed + crowded) == sorted(wanted)
        zero = [one for one in wanted if not int(ipaddress.ip_address(one))]
        for one in wanted:
            assert looked_up(table, one, seed) is (one in placed) or one in zero
        for one in {*before} - {*wanted}:
            same = services.packed(one) in {services.packed(other) for other in placed}
            assert not looked_up(table, one, seed) or same or not any(services.packed(one))
        before = wanted


def test_what_stays_keeps_its_place_and_is_not_written() -> None:
    """An address that comes later never pushes one out: the program would drop queries to userspace for nothing."""
    source = random.Random(1)
    addresses = [str(ipaddress.IPv4Address(source.getrandbits(32))) for _ in range(40)]
    seed = services.find_seed(addresses[:1])
    table = bytearray(services.SLOTS * services.ENTRY.size)
    first, _ = services.rewrite(memoryview(table), dict.fromkeys(addresses[:1], 1), seed)
    slot = bytes(table)
    placed, crowded = services.rewrite(memoryview(table), dict.fromkeys(reversed(addresses), 1), seed)
    assert first[0] in placed
    assert crowded  # 40 of 256 places: some meet
    services.rewrite(memoryview(table), dict.fromkeys(addresses[:1], 1), seed)
    assert bytes(table) == slot


def test_a_seed_for_all_of_them_is_found() -> None:
    addresses = [f"192.0.2.{n}" for n in range(64)]
    seed = services.find_seed(addresses)
    table = bytearray(services.SLOTS * services.ENTRY.size)
    assert services.rewrite(memoryview(table), dict.fromkeys(addresses, 1), seed) == (addresses, [])


def test_another_kind_is_written_in_place() -> None:
    table = bytearray(services.SLOTS * services.ENTRY.size)
    for kind in (1, 2):
        assert services.rewrite(memoryview(table), {"192.0.2.1": kind}, 1) == (["192.0.2.1"], [])
        at = services.slot_of(services.packed("192.0.2.1"), 1) * services.ENTRY.size
        assert services.ENTRY.unpack_from(table, at) == (services.packed("192.0.2.1"), kind)
