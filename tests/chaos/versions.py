# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone that says in each of its records which version it is, and what a reply says about that."""

import functools
from typing import Final

import dns.message
import dns.rdatatype
import dns.rrset

from tests.datapath.packets import Opt, message
from tests.datapath.served import versioned

ORIGIN: Final = "versions.test."
QUESTIONS: Final = [
    message("versions.test", 6),
    message("versions.test", 2, opt=Opt()),
    message("versions.test", 16),
    message("host0.versions.test", 1),
    message("HOST3.versions.test", 16, opt=Opt()),
    message("anything.wild.versions.test", 1),
    message("www.cut.versions.test", 1),
    message("no-such-name.versions.test", 1, opt=Opt()),
    message("host1.versions.test", 28),
    message("versions.test", 255),
]


def text(serial: int, hosts: int = 8) -> str:
    """Return the zone file of a version."""
    return versioned(ORIGIN, serial, hosts)


def stamps(reply: bytes) -> set[int]:
    """Return the versions that a reply's records are from; an answer without any record has none."""
    return set(_stamps(b"\0\0" + reply[2:]))


@functools.lru_cache(maxsize=4096)
def _stamps(reply: bytes) -> frozenset[int]:
    """Do it for a reply without its ID, of which there are few: dnspython takes longer than the server."""
    said = dns.message.from_wire(reply)
    return frozenset(
        found
        for section in (said.answer, said.authority, said.additional)
        for rrset in section
        for found in _stamps_of(rrset)
    )


def _stamps_of(rrset: dns.rrset.RRset) -> set[int]:
    found = set()
    for rdata in rrset:
        if rrset.rdtype == dns.rdatatype.SOA:
            found |= {rdata.serial, int(rdata.mname.labels[0][1:])}
        elif rrset.rdtype == dns.rdatatype.NS:
            found.add(int(rdata.target.labels[0][1:]))
        elif rrset.rdtype == dns.rdatatype.A:
            _, high, middle, low = (int(part) for part in rdata.address.split("."))
            found.add(high << 16 | middle << 8 | low)
        elif rrset.rdtype == dns.rdatatype.TXT:
            found.add(int(rdata.strings[0]))
        else:
            raise AssertionError(f"{rrset} says no version")
    return found
