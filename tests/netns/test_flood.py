# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods over a real wire: at most `pass_rate` of any kind reaches userspace, and what others need gets through."""

import ipaddress
import os
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from appliance.datapath import links
from demo.network import DEVICE, Pair
from demo.network import veth_pair as make_veth_pair
from tests.datapath import packets
from tests.datapath.devices import inside
from tests.datapath.fixtures import module_name, own_bpffs
from tests.datapath.packets import Frame, checksum, message
from tests.netns.serving import Server, serving

__all__ = ["module_name", "own_bpffs"]

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

RATE: Final = 200
BURST: Final = 40
BATCH: Final = 64
TIMES: Final = 10
"""The flood is this many times what may go up."""
ALSO: Final = "10.53.0.99"
"""An address of the host that the program does not answer for."""
ICMPV6: Final = 58
_ETH_P_ALL: Final = 3
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_PATIENCE_S: Final = 20.0
QUERY: Final = message("www.example", 252)

Probe = Callable[["Wire", int], bytes]


class Wire:
    """The client's end as a packet socket, with what is needed to make frames."""

    def __init__(self, pair: Pair) -> None:
        """Open the socket."""
        with inside(pair.server.name):
            self.server_mac = links.read(DEVICE).mac
        with inside(pair.client.name):
            self.mac = links.read(DEVICE).mac
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            self.socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self.socket.bind((DEVICE, 0))
        self.socket.settimeout(_PATIENCE_S)
        self.here4, self.there4 = (ipaddress.ip_address(e.address4).packed for e in (pair.client, pair.server))
        self.here6, self.there6 = (ipaddress.ip_address(e.address6).packed for e in (pair.client, pair.server))

    def frame(self, wire: bytes, **fields: object) -> Frame:
        """Return a frame from here to the server."""
        source, destination = (self.here6, self.there6) if fields.get("ipv6") else (self.here4, self.there4)
        made = Frame(wire, source_mac=self.mac, destination_mac=self.server_mac)
        return made.but(**{"source": source, "destination": destination, **fields})

    def raw(self, protocol: int, payload: bytes, *, ipv6: bool = False, **fields: object) -> bytes:
        """Return a frame of another protocol than UDP, addressed as others are."""
        head = self.frame(b"", protocol=protocol, ipv6=ipv6, **fields).octets()
        at = 54 if ipv6 else 34
        if ipv6:
            return head[:18] + struct.pack(">H", len(payload)) + head[20:at] + payload
        whole = self.frame(bytes(len(payload) - 8), protocol=protocol, **fields).octets()
        return whole[:at] + payload


def _arp(wire: Wire, number: int) -> bytes:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + wire.mac + wire.here4 + bytes(6) + wire.there4
    return b"\xff" * 6 + wire.mac + b"\x08\x06" + body


def _ping(wire: Wire, number: int) -> bytes:
    body = struct.pack(">BBHHH", 8, 0, 0, 0x5A5A, number)
    return wire.raw(1, body[:2] + checksum(body).to_bytes(2) + body[4:])


def _icmp6(wire: Wire, body: bytes, destination: bytes, **fields: object) -> bytes:
    covered = wire.here6 + destination + struct.pack(">II", len(body), ICMPV6) + body
    body = body[:2] + checksum(covered).to_bytes(2) + body[4:]
    return wire.raw(ICMPV6, body, ipv6=True, destination=destination, ttl=255, **fields)


def _solicitation(wire: Wire, number: int) -> bytes:
    group = bytes.fromhex("ff02" + "00" * 9 + "01ff") + wire.there6[-3:]
    body = struct.pack(">BBHI", 135, 0, 0, 0) + wire.there6 + b"\1\1" + wire.mac
    return _icmp6(wire, body, group, destination_mac=b"\x33\x33" + group[-4:])


def _syn(port: int) -> Probe:
    def made(wire: Wire, number: int) -> bytes:
        head = struct.pack(">HHIIHHHH", 20_000 + number, port, number, 0, 0x5002, 1024, 0, 0)
        covered = wire.here4 + wire.there4 + struct.pack(">HH", packets.TCP, len(head)) + head
        return wire.raw(packets.TCP, head[:16] + checksum(covered).to_bytes(2) + head[18:])

    return made


def _is_tcp_from(port: int) -> Callable[[bytes], bool]:
    return lambda frame: frame[23] == packets.TCP and frame[34:36] == port.to_bytes(2) and frame[47] == 0x12


PROBES: Final[dict[str, tuple[Probe, Callable[[bytes], bool]]]] = {
    "ARP": (_arp, lambda frame: frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2"),
    "neighbour discovery": (_solicitation, lambda frame: frame[12:14] == b"\x86\xdd" and frame[54] == 136),
    "SSH": (_syn(22), _is_tcp_from(22)),
    "BGP": (_syn(179), _is_tcp_from(179)),
    "DNS over TCP": (_syn(53), _is_tcp_from(53)),
    "ICMP": (_ping, lambda frame: frame[12:14] == b"\x08\0" and frame[23] == 1 and frame[34] == 0),
}
"""What is never limited: how to ask, and the kernel's reply. That to ICMP, the last, says that all before is done."""


def _behind_destination_options(wire: Wire) -> bytes:
    whole = wire.frame(QUERY, ipv6=True).octets()
    extension = bytes([packets.UDP, 0, 1, 4, 0, 0, 0, 0])
    length = int.from_bytes(whole[18:20]) + len(extension)
    return whole[:18] + length.to_bytes(2) + bytes([60]) + whole[21:54] + extension + whole[54:]


def _short_udp(wire: Wire) -> bytes:
    """Return a datagram with three octets behind it in its packet: the kernel cuts them off and takes it."""
    length = 20 + 8 + len(QUERY) + 3
    return wire.frame(QUERY, ip_length=length, padding=b"abc").octets()


FLOODS: Final[dict[str, Callable[[Wire], bytes]]] = {
    "query_type": lambda wire: wire.frame(QUERY).octets(),
    "opcode": lambda wire: wire.frame(message("example", 6, flags=4 << 11)).octets(),
    "query_class": lambda wire: wire.frame(message("id.server", 16, qclass=3), ipv6=True).octets(),
    "ip_options": lambda wire: wire.frame(QUERY, options=b"\1" * 4).octets(),
    "ipv6_extension": _behind_destination_options,
    "ip_length": _short_udp,
    "other_mac": lambda wire: wire.frame(QUERY, destination_mac=b"\xff" * 6).octets(),
    "other_address": lambda wire: wire.frame(QUERY, destination=ipaddress.ip_address(ALSO).packed).octets(),
    "ip_fragment": lambda wire: wire.frame(QUERY, fragment=0x2000).octets(),
}
_NEVER_WHOLE: Final = {"ip_fragment"}
"""Kinds that the kernel keeps to itself."""

_LISTEN: Final = """
import socket, sys
held = []
for port in (22, 179):
    held.append(socket.create_server(("10.53.0.1", port), backlog=4096))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def wire_and_server(
    module_name: Callable[[], str], own_bpffs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Wire, Server]]:
    """Yield a server that may be handed little, and the client's end of its wire."""
    folder = tmp_path_factory.mktemp("flood")
    (folder / "example.zone").write_text("$TTL 60\n@ SOA ns root 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n")
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n[limits]\npass_rate = {RATE}\npass_burst = {BURST}\n'
        '[[interface]]\nname = "eth0"\nmode = "native"\naddresses = ["10.53.0.1", "fd53::1"]\n'
        '[[zone]]\nname = "example."\nfile = "example.zone"\n'
    )
    allowed = os.sched_getaffinity(0)
    with make_veth_pair(module_name()) as pair:
        pair.server.run("ip", "address", "add", f"{ALSO}/24", "dev", DEVICE)
        listening = pair.server.start(
            "python3", "-c", _LISTEN, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert listening.stdout is not None
        assert listening.stdout.readline() == "ready\n"
        with serving(pair, folder) as server:
            wire = Wire(pair)
            os.sched_setaffinity(0, {min(allowed)})  # a veth works on the sender's processor, and the limit is for each
            try:
                yield wire, server
            finally:
                os.sched_setaffinity(0, allowed)
                wire.socket.close()


def _flood(wire: Wire, flood: bytes, wanted: int) -> tuple[Counter[str], int, int, float]:
    """Send a flood with a probe of each kind between batches; return replies by kind, probes, frames, seconds."""
    replies: Counter[str] = Counter()
    rounds = sent = 0
    began = time.monotonic()
    while sent < TIMES * (wanted + RATE * (time.monotonic() - began)):
        for _ in range(BATCH):
            wire.socket.send(flood)
        sent += BATCH
        for make, _ in PROBES.values():
            wire.socket.send(make(wire, rounds))
        rounds += 1
        while replies["ICMP"] < rounds:
            frame = wire.socket.recv(2048)
            if frame[:6] == wire.mac:
                replies.update(kind for kind, (_, is_reply) in PROBES.items() if is_reply(frame))
    return replies, rounds, sent, time.monotonic() - began


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.timeout(180)
def test_flood(wire_and_server: tuple[Wire, Server], kind: str) -> None:
    """Ten times what may go up: userspace gets no more than that, every probe its reply."""
    wire, server = wire_and_server
    before = server.told("stats")
    replies, rounds, sent, seconds = _flood(wire, FLOODS[kind](wire), BURST)
    after = server.told("stats")
    counted = {name: after["verdicts"][name] - before["verdicts"][name] for name in after["verdicts"]}
    allowed = BURST + RATE * seconds + 1
    went_up = counted[f"pass_{kind}"] - (2 * rounds if kind == "other_mac" else 0)  # two probes go to many cards
    assert went_up + counted[f"drop_policed_{kind}"] == sent
    assert went_up <= allowed
    assert went_up >= RATE * seconds / 4, "what may go up does"
    heard = after["userspace"]["udp_queries"] - before["userspace"]["udp_queries"]
    assert heard <= allowed
    assert bool(heard) == (kind not in _NEVER_WHOLE), f"the kernel hands on {kind}"
    lost = {name: rounds - replies[name] for name in PROBES if replies[name] < rounds}
    assert not lost, "the client's own kernel asks for neighbours too, so there may be more"


def test_answers_to_questions_of_ours(wire_and_server: tuple[Wire, Server]) -> None:
    """A socket on the server's host gets what it asked for while its own port 53 is flooded, with options and all."""
    wire, server = wire_and_server
    flood = FLOODS["ip_options"](wire)
    with inside(server.pair.server.name):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.bind((server.pair.server.address4, 0))
        asking.settimeout(_PATIENCE_S)
        port = asking.getsockname()[1]
        for number in range(30):
            for _ in range(BATCH):
                wire.socket.send(flood)
            answer = message("www.example", flags=packets.QR, ident=number)
            options = b"\1" * 4 if number % 2 else b""
            wire.socket.send(wire.frame(answer, source_port=53, destination_port=port, options=options).octets())
            assert asking.recv(2048) == answer


def test_others_get_through_a_flood(wire_and_server: tuple[Wire, Server]) -> None:
    """While one network floods, a client of another, within its light share, has its questions answered."""
    wire, _ = wire_and_server
    flood = wire.frame(QUERY, source=bytes([10, 99, 7, 1])).octets()
    asked = wire.frame(message("id.server", 16, qclass=3), source_port=4999).octets()
    window = time.clock_gettime_ns(time.CLOCK_MONOTONIC) >> 30
    while time.clock_gettime_ns(time.CLOCK_MONOTONIC) >> 30 == window:  # the floods of other tests were ours
        time.sleep(0.01)
    for number in range(30):
        for _ in range(BATCH):
            wire.socket.send(flood)
        asks = number % 10 == 9
        wire.socket.send(asked if asks else _ping(wire, number))  # a reply says that the wire's queue is empty again
        while True:
            frame = wire.socket.recv(2048)
            if PROBES["ICMP"][1](frame) or (frame[30:34] == wire.here4 and frame[36:38] == b"\x13\x87"):
                break


def test_broadcast_addresses_of_networks(wire_and_server: tuple[Wire, Server]) -> None:
    """A query from a network's broadcast address is dropped, also of a network that came while the server runs."""
    wire, server = wire_and_server

    def verdict(source: str) -> str:
        query = message("ns.example")
        before = server.told("stats")["verdicts"]
        wire.socket.send(wire.frame(query, source=ipaddress.ip_address(source).packed).octets())
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            after = server.told("stats")["verdicts"]
            moved = {name for name in ("answer_positive", "drop_source_address") if after[name] != before[name]}
            if moved:
                return moved.pop()
        return "none"

    assert verdict("10.53.0.255") == "drop_source_address"
    assert verdict("10.53.0.254") == "answer_positive"
    assert verdict("10.77.1.255") == "answer_positive"
    server.pair.server.run("ip", "address", "add", "10.77.0.1/23", "dev", DEVICE)
    try:
        server.told("reload")
        assert verdict("10.77.1.255") == "drop_source_address"
        assert verdict("10.77.0.255") == "answer_positive"
    finally:
        server.pair.server.run("ip", "address", "del", "10.77.0.1/23", "dev", DEVICE)
    server.told("reload")
    assert verdict("10.77.1.255") == "answer_positive"
