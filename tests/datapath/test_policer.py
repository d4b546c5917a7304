# SPDX-License-Identifier: GPL-3.0-or-later
"""What is for us goes up at a limited rate and the rest is left alone; no kind of flood takes the share of others."""

import itertools
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from appliance.datapath import services
from appliance.store import layout, verdict_names
from tests.datapath import packets
from tests.datapath.lab import Lab
from tests.datapath.packets import Frame, message

pytestmark = pytest.mark.datapath

QUERY = message("table.test", 252)
"""A question that always goes up."""
FULL_RATE = 100_000_000
BURST = 400
WINDOWS = 4
LIGHT_SHARE = 64
"""HEARD_WINDOWS and LIGHT_SHARE of ebpf/policer.h."""
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
ICMPV6 = 58
ALL_NODES = bytes.fromhex("ff02" + "00" * 13 + "01")


@pytest.fixture(autouse=True)
def one_cpu() -> Iterator[None]:
    """Stay on one processor: the policer counts for each."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


@contextmanager
def limited(lab: Lab, burst: int) -> Iterator[None]:
    """Let all buckets be full, and then hardly anything flow into them: a packet a second."""
    fragment = Frame(QUERY, fragment=0x2000)
    with lab.controlled(pass_rate=FULL_RATE, pass_burst=0):
        lab.ask(fragment)  # everything is empty, and nobody's tokens are left
    with lab.controlled(pass_rate=FULL_RATE, pass_burst=burst):
        lab.ask(fragment)
    with lab.controlled(pass_rate=1, pass_burst=burst):
        yield


def forget_networks() -> None:
    """Wait until no network of another test holds a slot of the table."""
    forgotten = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + (WINDOWS + 1 << 30)
    while time.clock_gettime_ns(time.CLOCK_MONOTONIC) < forgotten:
        time.sleep(0.1)


def passed(lab: Lab, frames: Iterable[Frame | bytes]) -> int:
    """Return how many of these frames went up."""
    return sum(lab.ask(frame).verdict.startswith("pass_") for frame in frames)


def is_limited(lab: Lab, frame: Frame | bytes) -> bool:
    """Return whether a frame is dropped when there is no token left."""
    with lab.controlled(pass_rate=1, pass_burst=0):
        return "drop_policed" in lab.ask(frame).verdict


def source(number: int, ipv6: bool = False) -> bytes:
    """Return a client's address, each in a network of its own."""
    return (
        bytes.fromhex("2001") + struct.pack(">I", number << 8) + bytes(10)
        if ipv6
        else struct.pack(">I", (11 << 24) + (number << 8) + 7)
    )


def slot_of(lab: Lab, address: bytes) -> int:
    """Return where the table of networks has an address's, as take_common() of ebpf/policer.h finds it."""
    octets = address[:3] if len(address) == 4 else b"\0" + address[:7]
    mask = (1 << 64) - 1
    hashed = (int.from_bytes(octets, "little") ^ lab.read_control("seed")) * layout.HASH_MULTIPLIER & mask
    hashed = (hashed ^ hashed >> 32) * layout.HASH_FINAL & mask
    return hashed >> 52


def apart(lab: Lab, count: int, ipv6: bool) -> list[bytes]:
    """Return addresses of networks that share no slot of the table with one another."""
    slots: dict[int, bytes] = {}
    for number in itertools.count(1):
        address = source(number, ipv6)
        slots.setdefault(slot_of(lab, address), address)
        if len(slots) == count:
            return list(slots.values())
    raise AssertionError


def chained(*headers: tuple[int, bytes], last: int = packets.UDP, port: int = 53) -> bytes:
    """Return a query behind IPv6 extension headers, each given by its number and its octets from the second on."""
    whole = Frame(QUERY, ipv6=True, destination_port=port).octets()
    following = [number for number, _ in headers[1:]] + [last]
    octets = b"".join(bytes([n]) + rest for n, (_, rest) in zip(following, headers, strict=True))
    return whole[:20] + bytes([headers[0][0]]) + whole[21:54] + octets + whole[54:]


PADDED = bytes(7)
LONG = bytes([2]) + bytes(22)
AH = bytes([1]) + bytes(10)


def fragment_header(offset: int, more: bool) -> bytes:
    return b"\0" + struct.pack(">HI", offset << 3 | more, 7)


OURS: dict[str, Frame | bytes] = {
    "ordinary": Frame(QUERY),
    "over IPv6": Frame(QUERY, ipv6=True),
    "IPv4 options": Frame(QUERY, options=b"\1" * 4),
    "longest IPv4 options": Frame(QUERY, options=b"\1" * 40),
    "UDP length below the payload": Frame(QUERY, udp_length=len(QUERY)),
    "octets behind UDP": Frame(QUERY, ip_length=20 + 8 + len(QUERY) + 3, padding=b"abc"),
    "IPv6, octets behind UDP": Frame(QUERY, ipv6=True, ip_length=8 + len(QUERY) + 3, padding=b"abc"),
    "VLAN": Frame(QUERY, tags=packets.VLANS[0]),
    "VLAN in VLAN, options": Frame(QUERY, tags=packets.VLANS[5], options=b"\1" * 4),
    "VLAN of no device": Frame(QUERY, tags=((packets.VLAN, 9),)),
    "priority tag": Frame(QUERY, tags=((packets.VLAN, 0xE000),)),
    "broadcast frame": Frame(QUERY, destination_mac=b"\xff" * 6),
    "multicast frame": Frame(QUERY, ipv6=True, destination_mac=bytes.fromhex("333300000001")),
    "former MAC address": Frame(QUERY, destination_mac=bytes.fromhex("020000000099")),
    "to everybody": Frame(QUERY, destination=b"\xff" * 4),
    "to all hosts": Frame(QUERY, destination=bytes([224, 0, 0, 1])),
    "to all nodes": Frame(QUERY, ipv6=True, destination=ALL_NODES),
    "hop by hop": chained((HOP_BY_HOP, PADDED)),
    "routing": chained((ROUTING, LONG)),
    "destination": chained((DESTINATION, PADDED)),
    "authentication": chained((AUTHENTICATION, AH)),
    "atomic fragment": chained((FRAGMENT, fragment_header(0, False))),
    "every header": chained(
        (HOP_BY_HOP, LONG), (DESTINATION, PADDED), (ROUTING, LONG), (AUTHENTICATION, AH), (DESTINATION, LONG)
    ),
    "more headers than are walked": chained(*[(DESTINATION, PADDED)] * 12),
}  # fmt: skip
FRAGMENTS: dict[str, Frame | bytes] = {
    "first fragment": Frame(QUERY, fragment=0x2000),
    "fragment in the middle": Frame(QUERY, fragment=0x2003),
    "last fragment": Frame(QUERY, fragment=0x0003),
    "last fragment, options": Frame(QUERY, fragment=0x0003, options=b"\1" * 4),
    "IPv6, first fragment": chained((FRAGMENT, fragment_header(0, True))),
    "IPv6, later fragment": chained((FRAGMENT, fragment_header(3, False))),
    "IPv6, first fragment, destination options": chained((FRAGMENT, fragment_header(0, True)), (DESTINATION, PADDED)),
    "IPv6, later fragment of a chain": chained(
        (HOP_BY_HOP, PADDED), (FRAGMENT, fragment_header(3, True)), last=DESTINATION
    ),
}  # fmt: skip
OTHERS: dict[str, Frame | bytes] = {
    "ARP": Frame(QUERY, ether_type=0x0806, destination_mac=b"\xff" * 6),
    "ICMP": Frame(QUERY, protocol=1),
    "ICMP with options": Frame(QUERY, protocol=1, options=b"\1" * 4),
    "ICMP fragment": Frame(QUERY, protocol=1, fragment=0x2003),
    "neighbour discovery": Frame(QUERY, ipv6=True, protocol=ICMPV6, destination=ALL_NODES),
    "multicast listener report": chained((HOP_BY_HOP, PADDED), last=ICMPV6),
    "ICMPv6 fragment": chained((FRAGMENT, fragment_header(3, True)), last=ICMPV6),
    "TCP": Frame(QUERY, protocol=packets.TCP),
    "TCP with options": Frame(QUERY, protocol=packets.TCP, options=b"\1" * 4),
    "TCP fragment": Frame(QUERY, protocol=packets.TCP, fragment=0x2003),
    "IPv6, TCP behind a header": chained((DESTINATION, PADDED), last=packets.TCP),
    "IPv6, TCP fragment": chained((FRAGMENT, fragment_header(3, True)), last=packets.TCP),
    "answer to a question of ours": Frame(QUERY, source_port=53, destination_port=40000),
    "its first fragment": Frame(QUERY, source_port=53, destination_port=40000, fragment=0x2000),
    "it with options": Frame(QUERY, source_port=53, destination_port=40000, options=b"\1" * 8),
    "it behind a header": chained((HOP_BY_HOP, PADDED), port=40000),
    "IPv6, its first fragment": chained((FRAGMENT, fragment_header(0, True)), port=40000),
    "forwarded": Frame(QUERY, destination=bytes([198, 51, 100, 99])),
    "forwarded, options": Frame(QUERY, destination=bytes([198, 51, 100, 99]), options=b"\1" * 4),
    "forwarded, fragment": Frame(QUERY, destination=bytes([198, 51, 100, 99]), fragment=0x2003),
    "IPv6, forwarded": Frame(QUERY, ipv6=True, destination=packets.SERVER6[:15] + b"\x99"),
    "another MAC and address": Frame(QUERY, destination_mac=b"\2" * 6, destination=bytes([198, 51, 100, 99])),
    "cut off in IPv4": Frame(QUERY).octets()[:30],
    "cut off in IPv6": Frame(QUERY, ipv6=True).octets()[:50],
    "cut off in the chain": chained((HOP_BY_HOP, LONG))[:70],
    "no IPv4 header": Frame(QUERY, version_ihl=0x43),
    "another version": Frame(QUERY, version_ihl=0x66),
}  # fmt: skip


@pytest.mark.parametrize("kind", OURS)
def test_what_a_socket_of_ours_hears_is_limited(lab: Lab, kind: str) -> None:
    """For whatever reason it goes up: not without a token, and by another bucket than fragments."""
    assert is_limited(lab, OURS[kind])
    with limited(lab, BURST):
        assert passed(lab, [Frame(QUERY, fragment=0x0003)] * 2 * BURST) == pytest.approx(BURST, abs=5)
        assert passed(lab, [OURS[kind]]) == 1


@pytest.mark.parametrize("kind", FRAGMENTS)
def test_fragments_have_a_bucket_of_their_own(lab: Lab, kind: str) -> None:
    """They are limited, and a flood of other things leaves them alone."""
    assert is_limited(lab, FRAGMENTS[kind])
    with limited(lab, BURST):
        passed(lab, (Frame(QUERY, source=source(number)) for number in range(2 * BURST)))
        assert is_limited(lab, OURS["ordinary"])
    with limited(lab, BURST):
        passed(lab, (Frame(QUERY, source=source(number)) for number in range(2 * BURST)))
        assert passed(lab, [FRAGMENTS[kind]]) == 1


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_for_others_is_not_limited(lab: Lab, kind: str) -> None:
    """Other protocols, ports and hosts: not a packet is lost without any token."""
    with lab.controlled(pass_rate=1, pass_burst=0):
        assert passed(lab, [OTHERS[kind]] * 50) == 50


def test_addresses_that_are_not_answered_for(lab: Lab) -> None:
    """Another address of the host and its networks' broadcast addresses are heard by sockets; so they are limited."""
    address = "192.0.2.200"
    seed = lab.generation.plan.service_seed
    key = services.packed(address)
    frame = Frame(QUERY, destination=bytes([192, 0, 2, 200]))
    assert not is_limited(lab, frame)
    for kind in (layout.SERVICE_HOST, layout.SERVICE_BROADCAST):
        row = services.ENTRY.pack(key, kind)
        with lab.octets_changed("services", services.slot_of(key, seed) * services.ENTRY.size, row):
            assert lab.ask(frame).verdict == "pass_other_address"
            assert is_limited(lab, frame)


def test_a_flood_from_one_network_leaves_room_for_new_ones(lab: Lab) -> None:
    """Twenty times the burst from one network: others, never heard of, all get through, nearly a quarter of it."""
    for ipv6 in (False, True):
        forget_networks()  # those of the round before would hold slots
        greedy, *others = apart(lab, BURST // 4 - 9, ipv6)  # the flood was new once, and is light once a second
        with limited(lab, BURST):
            flood = [Frame(QUERY, ipv6=ipv6, source=greedy).octets()] * (20 * BURST)
            assert passed(lab, flood) <= BURST // 2
            assert passed(lab, [Frame(QUERY, ipv6=ipv6, source=one) for one in others]) == len(others)


def test_a_flood_from_forged_addresses_leaves_known_networks_alone(lab: Lab) -> None:
    """Networks that were heard a moment ago go on, however many others come."""
    forget_networks()
    known = [Frame(QUERY, source=source(number)) for number in range(50_000, 50_020)]
    with limited(lab, BURST), lab.controlled(pass_rate=LIGHT_SHARE * 4):
        assert passed(lab, known) == len(known)
        passed(lab, (Frame(QUERY, source=source(number)) for number in range(20 * BURST)))
        still = passed(lab, known)
    assert still >= len(known) - 2, "two of them may share a slot of the table"


def test_in_all_no_more_than_the_burst_goes_up_at_once(lab: Lab) -> None:
    """Known, new and greedy networks together; a burst of one is one packet for each."""
    for burst in (1, 2, 8, BURST):
        frames = (Frame(QUERY, source=source(number % 300)) for number in range(3 * BURST))
        with limited(lab, burst):
            assert 1 <= passed(lab, frames) <= max(burst, 2) + 2  # some tokens may flow in on a slow machine


def test_rate_is_exact(lab: Lab) -> None:
    """Small rates gather tokens between packets that follow one another in less than a token's time."""
    frame = Frame(QUERY, fragment=0x0003).octets()
    with limited(lab, 1):
        passed(lab, [frame])
        with lab.controlled(pass_rate=1000):
            went_up = next(number for number in itertools.count() if lab.ask(frame).verdict == "pass_ip_fragment")
    assert went_up > 0


def test_no_limit(lab: Lab) -> None:
    """With pass_rate = 0 everything goes up."""
    with lab.controlled(pass_rate=0, pass_burst=0):
        for frame in [*OURS.values(), *FRAGMENTS.values()]:
            assert passed(lab, [frame] * 20) == 20


def test_every_reason_is_told_apart() -> None:
    """What is limited has a name in both states."""
    assert {"opcode", "ip_options", "ip_fragment", "other_mac"} <= {
        r for r, _ in verdict_names.listed("LIMITED_REASONS")
    }
