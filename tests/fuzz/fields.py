# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a query that are enumerated: for each, how a frame with a given value in it is made."""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from tests.datapath.packets import Frame, Opt, message, name, option

WORD: Final = 65536
OCTET: Final = 256
_STEP: Final = 61  # a prime, so that every bit of a field varies

NAME: Final = "mail.table.test"
Maker = Callable[[int, bool], Frame]


def values(size: int, *, all_of_them: bool) -> Iterator[int]:
    """Yield the values of a field: all, or the edges, the powers of two and their neighbours, and every 61st."""
    if all_of_them or size <= OCTET:
        yield from range(size)
        return
    near = {2**bit + step for bit in range(17) for step in (-1, 0, 1)}
    yield from sorted({value for value in near if 0 <= value < size} | set(range(0, size, _STEP)))


def _counts(position: int) -> Maker:
    def make(value: int, ipv6: bool) -> Frame:
        counts = [1, 0, 0, 1]
        counts[position] = value
        return Frame(message(NAME, opt=Opt(), counts=counts), ipv6=ipv6)

    return make


def _message(make: Callable[[int], bytes]) -> Maker:
    return lambda value, ipv6: Frame(make(value), ipv6=ipv6)


def _frame(field: str) -> Maker:
    return lambda value, ipv6: Frame(message(NAME, opt=Opt()), ipv6=ipv6).but(**{field: value})


def _label_length(last: bool) -> Callable[[int], bytes]:
    def make(value: int) -> bytes:
        wire = name(NAME)
        at = len(wire) - 6 if last else 0
        return message(wire[:at] + bytes([value]) + wire[at + 1 :], opt=Opt())

    return make


WORDS: Final[dict[str, Maker]] = {
    "flags": _message(lambda value: message(NAME, flags=value, opt=Opt())),
    "qdcount": _counts(0),
    "ancount": _counts(1),
    "nscount": _counts(2),
    "arcount": _counts(3),
    "qtype": _message(lambda value: message(NAME, value)),
    "qtype-apex-do": _message(lambda value: message("signed.test", value, opt=Opt(flags=0x8000))),
    "qtype-cut": _message(lambda value: message("cut-ds.table.test", value)),
    "qtype-wildcard": _message(lambda value: message("x.wild.table.test", value)),
    "qclass": _message(lambda value: message(NAME, qclass=value)),
    "opt-size": _message(lambda value: message("cut-mixed.table.test", opt=Opt(size=value))),
    "opt-flags": _message(lambda value: message(NAME, opt=Opt(flags=value))),
    "opt-rdlength": _message(lambda value: message(NAME, opt=Opt(options=option(10, bytes(8)), rdlength=value))),
    "option-code": _message(lambda value: message(NAME, opt=Opt(options=option(value, bytes(8))))),
    "option-length": _message(lambda value: message(NAME, opt=Opt(options=option(10, bytes(8), length=value)))),
    "message-id": _message(lambda value: message(NAME, ident=value)),
    "udp-length": _frame("udp_length"),
    "udp-checksum": _frame("udp_checksum"),
    "ip-length": _frame("ip_length"),
    "source-port": _frame("source_port"),
    "source-port-malformed": lambda value, ipv6: Frame(message(NAME, tail=b"x"), ipv6=ipv6, source_port=value),
    "destination-port": _frame("destination_port"),
    "ether-type": _frame("ether_type"),
    "tag": lambda value, ipv6: Frame(message(NAME), ipv6=ipv6, tags=((0x8100, value),)),
    "tag-protocol": lambda value, ipv6: Frame(message(NAME), ipv6=ipv6, tags=((value, 42),)),
}
WORDS_IPV4: Final[dict[str, Maker]] = {
    "fragment": _frame("fragment"),
    "ident": _frame("ident"),
    "sum": _frame("ip_checksum"),
}
OCTETS: Final[dict[str, Maker]] = {
    "protocol": _frame("protocol"),
    "ttl": _frame("ttl"),
    "traffic-class": _frame("traffic_class"),
    "version-ihl": _frame("version_ihl"),
    "edns-version": _message(lambda value: message(NAME, opt=Opt(version=value))),
    "extended-rcode": _message(lambda value: message(NAME, opt=Opt(extended=value))),
    "opt-owner": _message(lambda value: message(NAME, opt=Opt(owner=bytes([value])))),
    "first-label": _message(_label_length(last=False)),
    "last-label": _message(_label_length(last=True)),
    "octet-of-name": _message(lambda value: message(b"\x04mai" + bytes([value]) + name("table.test"))),
    "source-first": lambda value, ipv6: Frame(
        message(NAME), ipv6=ipv6, source=bytes([value]) + bytes(14 if ipv6 else 2) + b"\x07"
    ),
}


def _record(rtype: int, rclass: int = 1, rdata: bytes = b"", owner: bytes = b"\0") -> bytes:
    return owner + struct.pack(">HHIH", rtype, rclass, 0, len(rdata)) + rdata


def odd_messages() -> Iterator[bytes]:
    """Yield long names, 0 to 3 OPTs, other additional records, octets behind the end, options in number, pointers."""
    for octets in (253, 254, 255, 256, 257, 300):
        for suffix in (name("table.test"), name("cut.table.test"), name("wild.table.test"), b"\0"):
            yield message(_name_of(octets, suffix))
    for labels in (120, 126, 127, 128, 129, 200):
        yield message(b"\x01a" * labels + b"\0")
    for count in range(4):
        yield message(NAME, counts=(1, 0, 0, count), tail=Opt().octets() * count)
        yield message(NAME, counts=(1, 0, 0, 1), tail=Opt().octets() * count)
    for rtype in (250, 24, 0, 1, 41, 65535):
        for owner in (b"\0", b"\xc0\x0c", b"\x01k\0"):
            yield message(NAME, counts=(1, 0, 0, 1), tail=_record(rtype, 255, bytes(20), owner))
    for size in range(513):
        yield message(NAME, tail=bytes(size))
        yield message(NAME, opt=Opt(), tail=b"\xff" * size)
    for count in range(40):
        yield message(NAME, opt=Opt(options=option(65001) * count))
        yield message(NAME, opt=Opt(options=option(65001, b"odd") * count))
    for first in range(0xC0, 0x100):
        for second in range(0, 256, 5):
            yield message(bytes([first, second]))
            yield message(b"\x04mail" + bytes([first, second]))


def _name_of(octets: int, suffix: bytes) -> bytes:
    """Return a name of so many octets (also more than are allowed) that ends in a suffix."""
    wire = suffix
    while len(wire) < octets:
        size = min(63, octets - len(wire) - 1)
        if octets - len(wire) - 1 - size == 1:
            size -= 1
        wire = bytes([size]) + b"n" * size + wire
    return wire
