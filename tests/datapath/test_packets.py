# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame builder against scapy, and the checker of replies against broken ones: the tests' own instruments."""

import itertools
import random

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRROPT
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether

from tests.datapath import packets, reply
from tests.datapath.packets import Frame, Opt, message

pytestmark = pytest.mark.unit


def scapy_frame(ipv6: bool, tags: int, opt: bool, padding: bytes, ttl: int) -> bytes:
    """Build the same frame with scapy."""
    frame = Ether(dst="02:00:00:00:00:53", src="02:00:00:00:00:07")
    if tags == 2:
        frame /= Dot1AD(vlan=7)
    if tags:
        frame /= Dot1Q(vlan=42, prio=5)
    if ipv6:
        frame /= IPv6(src="2001:db8:1::7", dst="2001:db8::53", hlim=ttl)
    else:
        frame /= IP(src="198.51.100.7", dst="192.0.2.53", id=0x1234, ttl=ttl)
    additional = [DNSRROPT(rclass=1232, z=0x8000)] if opt else []
    query = DNS(id=0x1D5A, rd=1, qd=[DNSQR(qname="www.example.", qtype=28)], ar=additional)
    return bytes(frame / UDP(sport=40000, dport=53) / query) + padding


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("tags", [0, 1, 2])
def test_frames_equal_scapys(ipv6: bool, tags: int) -> None:
    """Two builders that share nothing agree on every octet, checksums included."""
    vlan = ((packets.SERVICE_VLAN, 7), (packets.VLAN, 5 << 13 | 42))[2 - tags :]
    for opt, padding, ttl in itertools.product((False, True), (b"", b"\xff" * 5), (1, 64, 255)):
        built = Frame(
            message("www.example", 28, flags=packets.RD, opt=Opt(flags=packets.DO) if opt else None),
            ipv6=ipv6,
            tags=vlan,
            ttl=ttl,
            padding=padding,
        )
        assert built.octets() == scapy_frame(ipv6, tags, opt, padding, ttl)


def test_checksum_of_any_length_equals_scapys() -> None:
    """RFC 1071 sums of even and odd lengths, zeros and ones."""
    from scapy.utils import checksum as scapy_checksum

    rng = random.Random(1071)
    for length in range(1, 200):
        for octets in (rng.randbytes(length), bytes(length), b"\xff" * length):
            assert packets.checksum(octets) == scapy_checksum(octets)


def _good_reply(query: Frame) -> bytes:
    head = query.message[:2] + b"\x84\0" + query.message[4:6] + bytes(6)
    turned = query.but(
        message=head + query.message[12:],
        source=packets.SERVER6 if query.ipv6 else packets.SERVER4,
        destination=packets.CLIENT6 if query.ipv6 else packets.CLIENT4,
        source_mac=packets.SERVER_MAC,
        destination_mac=packets.CLIENT_MAC,
        source_port=53,
        destination_port=query.source_port,
        ident=0,
        fragment=packets.DONT_FRAGMENT,
    )
    return turned.octets()


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("tags", [(), ((packets.VLAN, 7),)])
def test_checker_sees_every_wrong_octet(ipv6: bool, tags: tuple[tuple[int, int], ...]) -> None:
    """A right reply passes; with any one octet changed it does not."""
    query = Frame(message("www.example"), ipv6=ipv6, tags=tags)
    asked, good = query.octets(), _good_reply(query)
    reply.check_header(query.message, reply.check_frame(asked, good))
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 0x01
        with pytest.raises((reply.WrongReply, IndexError)):
            reply.check_header(query.message, reply.check_frame(asked, bytes(bad)))


@pytest.mark.parametrize("ipv6", [False, True])
def test_checker_sees_a_tail(ipv6: bool) -> None:
    """Octets behind the IP packet would leak what was in the buffer."""
    query = Frame(message("www.example"), ipv6=ipv6)
    with pytest.raises(reply.WrongReply, match="behind the IP packet"):
        reply.check_frame(query.octets(), _good_reply(query) + b"\0")
