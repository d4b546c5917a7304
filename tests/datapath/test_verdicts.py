# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way out of the program is reached by a packet, under a condition that is really so, and counted once."""

import itertools
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from appliance.datapath import verdicts
from appliance.store import layout, verdict_names
from appliance.store.shape import types_offset
from tests.datapath import cases, packets
from tests.datapath.devices import veth
from tests.datapath.lab import Lab
from tests.datapath.packets import VLAN, Frame, Opt, message, option

pytestmark = pytest.mark.datapath

Condition = Callable[[Lab], AbstractContextManager[None]]


def _always(_: Lab) -> AbstractContextManager[None]:
    return nullcontext()


def _set(**fields: int) -> Condition:
    return lambda lab: lab.controlled(**fields)


def _no_search_stage(lab: Lab) -> AbstractContextManager[None]:
    return lab.without_stage(0, "search")


def _lying_fragment(lab: Lab) -> AbstractContextManager[None]:
    """Let the fragment of one answer claim more octets than its answer has room for."""
    at = fragment_of(lab, b"\x04mail\x05table\x04test\0", cases.AAAA)
    return lab.octets_changed("heap", at, (2000).to_bytes(2, "little"))


def fragment_of(lab: Lab, owner: bytes, rtype: int) -> int:
    """Return where in the heap the only fragment of an answer is: node, type table, answer, fragment."""
    octets = lab.generation.arrays["heap"]
    node = lab.store.find_node(owner) * layout.GRANULE
    assert node, "no such node"
    at = node + types_offset(octets[node + layout.NODE_NAME_LEN_AT], octets[node + layout.NODE_FLAGS_AT])
    for _ in range(octets[node + layout.OFFSETS["node"]["ntypes"]]):
        found, _, answer, _ = layout.TYPE_ENTRY.unpack_from(octets, at)
        if found == rtype:
            assert octets[answer * layout.GRANULE + layout.OFFSETS["answer"]["nfrag"]] == 1
            return int(answer) * layout.GRANULE + layout.SIZES["answer"]
        at += layout.TYPE_ENTRY.size
    raise AssertionError("no such type")


def _query(**fields: object) -> Frame:
    return Frame(message("mail.table.test")).but(**fields)


def _asked(qname: str, qtype: int = 1, **options: object) -> Frame:
    return Frame(message(qname, qtype, **options))  # type: ignore[arg-type]


_OPTIONS17 = b"".join(option(i) for i in range(17))
_TSIG = b"\0" + struct.pack(">HHIH", 250, 255, 0, 0)
_THREE_TAGS = ((VLAN, 42), (VLAN, 42), (VLAN, 42))
_V6 = packets.CLIENT6
_FORMERR = message("mail.table.test", tail=b"!")

TABLE: list[tuple[str, Frame | bytes, Condition]] = [
    ("answer_positive", _asked("mail.table.test"), _always),
    ("answer_referral", _asked("x.cut.table.test"), _always),
    ("answer_nxdomain", _asked("no-such-name.table.test"), _always),
    ("answer_nxdomain", _asked("no.deep.optout.test", opt=Opt(flags=packets.DO)), _always),
    ("answer_nodata", _asked("a.table.test", 28), _always),
    ("answer_wildcard", _asked("x.wild.table.test"), _always),
    ("answer_cname", _asked("www.table.test"), _always),
    ("answer_cname", _asked("to-nothing.signed.test", opt=Opt(flags=packets.DO)), _always),
    ("answer_cname", _asked("to-nothing.nsec3.test", opt=Opt(flags=packets.DO)), _always),
    ("answer_any", _asked("many.table.test", 255), _always),
    ("answer_dname", _asked("old.table.test", 39), _always),
    ("answer_dnskey", _asked("dnskey.table.test", 48), _always),
    ("answer_refused", _asked("nowhere.example"), _always),
    ("answer_servfail", _asked("x.expired.test"), _always),
    ("answer_formerr", Frame(_FORMERR), _always),
    ("answer_notimp", _asked("mail.table.test", flags=2 << 11), _always),
    ("answer_badvers", _asked("mail.table.test", opt=Opt(version=1)), _always),
    ("answer_truncated", _asked("s0600.sizes.test", 16, opt=Opt(size=512)), _always),
    ("pass_not_ip", _query(ether_type=0x0806), _always),
    ("pass_not_ip", _query(tags=_THREE_TAGS), _always),
    ("pass_unknown_vlan", _query(tags=((VLAN, 1),)), _always),
    ("pass_unknown_vlan", _query(tags=((packets.SERVICE_VLAN, 42),)), _always),
    ("pass_unknown_vlan", _query(tags=((VLAN, 42), (VLAN, 43))), _always),
    ("pass_other_mac", _query(destination_mac=bytes.fromhex("020000000054")), _always),
    ("pass_ip_options", _query(options=b"\x01\x01\x01\x01"), _always),
    ("pass_ip_fragment", _query(fragment=0x2000), _always),
    ("pass_ipv6_extension", _query(ipv6=True, protocol=60), _always),
    ("pass_ip_fragment", _query(ipv6=True, protocol=44), _always),
    ("pass_not_udp", _query(protocol=1), _always),
    ("pass_not_udp", _query(ipv6=True, protocol=58), _always),
    ("pass_tcp", _query(protocol=packets.TCP), _always),
    ("pass_tcp", _query(ipv6=True, protocol=packets.TCP), _always),
    ("pass_other_port", _query(destination_port=5353), _always),
    ("pass_other_address", _query(destination=bytes([192, 0, 2, 54])), _always),
    ("pass_other_address", _query(ipv6=True, destination=packets.SERVER6[:15] + b"\x54"), _always),
    ("pass_ip_length", _query(udp_length=12), _always),
    ("pass_opcode", _asked("table.test", 6, flags=4 << 11), _set(opcode_pass=1 << 4)),
    ("pass_header_counts", _asked("mail.table.test", counts=(1, 0, 1, 0)), _always),
    ("pass_query_length", _asked("mail.table.test", opt=Opt(options=option(12, bytes(500)))), _always),
    ("pass_query_class", _asked("id.server", 16, qclass=3), _always),
    ("pass_query_type", _asked("table.test", 252), _always),
    ("pass_additional", _asked("mail.table.test", counts=(1, 0, 0, 1), tail=_TSIG), _always),
    ("pass_edns_option", _asked("mail.table.test", opt=Opt(options=_OPTIONS17)), _always),
    ("pass_depth", _asked("one.two.three.four.five.six.seven.eight.deep.table.test", 16), _no_search_stage),
    ("pass_denial", _asked("no-such-name.heavy.test", opt=Opt(flags=packets.DO)), _always),
    ("pass_dname_synthesis", _asked("x.old.table.test"), _always),
    ("pass_type_table", _asked("beyond.wide.test"), _always),
    ("pass_flip", _asked("mail.table.test"), _set(flips=1)),
    ("pass_not_serving", _asked("mail.table.test"), _set(serving=0)),
    ("pass_lease", _asked("mail.table.test"), _set(lease_until=1)),
    ("drop_runt", Frame(bytes(11)), _always),
    ("drop_response", _asked("mail.table.test", flags=packets.QR), _always),
    ("drop_source_port", _query(source_port=0), _always),
    ("drop_source_address", _query(source=bytes([127, 0, 0, 1])), _always),
    ("drop_service_error", Frame(_FORMERR, source_port=53), _always),
    ("drop_ip_checksum", _query(ip_checksum=0), _always),
    ("drop_udp_checksum", _query(udp_checksum=1), _always),
    ("drop_udp_checksum", _query(ipv6=True, udp_checksum=0), _always),
    ("drop_internal", _asked("mail.table.test", 28), _lying_fragment),
]

_NO_TOKENS = _set(pass_rate=1, pass_burst=0)


def _behind(extension: int) -> bytes:
    """Return a query over IPv6 behind one extension header of eight octets."""
    whole = _query(ipv6=True).octets()
    return whole[:20] + bytes([extension]) + whole[21:54] + bytes([packets.UDP]) + bytes(7) + whole[54:]


_FOR_US: dict[str, Frame | bytes] = {
    "other_address": _query(destination=bytes([255] * 4)),
    "ipv6_extension": _behind(60),
    "ip_fragment": _query(fragment=0x2000),
}
"""Frames that sockets of ours hear of, for reasons whose rows above are for others."""


def _without_tokens(condition: Condition) -> Condition:
    @contextmanager
    def both(lab: Lab) -> Iterator[None]:
        with condition(lab), _NO_TOKENS(lab):
            yield

    return both


def _policed() -> Iterator[tuple[str, Frame | bytes, Condition]]:
    """Yield the row for each reason that is limited: what goes up for it above, when there are no tokens."""
    limited = {reason for reason, _ in verdict_names.listed("LIMITED_REASONS")}
    for verdict, frame, condition in TABLE:
        reason = verdict.removeprefix("pass_")
        if verdict.startswith("pass_") and reason in limited:
            yield f"drop_policed_{reason}", _FOR_US.get(reason, frame), _without_tokens(condition)


TABLE += list(_policed())

_ON_A_DEVICE = {"pass_room", "drop_policed_room"}
"""The verdicts that need a real device: test_pass_room."""


def _ids() -> Iterator[str]:
    seen = itertools.count()
    return (f"{verdict}-{next(seen)}" for verdict, _, _ in TABLE)


@pytest.mark.parametrize(("verdict", "frame", "condition"), TABLE, ids=_ids())
def test_verdict(lab: Lab, verdict: str, frame: Frame | bytes, condition: Condition) -> None:
    """The packet leaves by the named way; Lab.ask sees to it that one counter goes up by one and passed octets stay."""
    with condition(lab):
        assert lab.ask(frame).verdict == verdict


@pytest.mark.netns
def test_pass_room(lab: Lab, unique_name: Callable[[], str]) -> None:
    """A device that gives no room: the query goes up as it came."""
    frame = _asked("s1100.sizes.test", 16, opt=Opt()).octets()
    with veth(unique_name(), "socket") as device, lab.on_device(device, "generic"):
        outcome = lab.ask_device(device, frame)
        with lab.controlled(pass_rate=1, pass_burst=0):
            policed = lab.ask_device(device, frame)
    assert (outcome.verdict, outcome.frame) == ("pass_room", frame)
    assert policed.verdict == "drop_policed_room"


def test_every_verdict_has_a_row() -> None:
    """A verdict that no packet reaches is a lie, or a hole in this table."""
    rows = {verdict for verdict, _, _ in TABLE} | _ON_A_DEVICE
    assert rows == {verdict.name for verdict in verdicts.all_verdicts()}


def test_drop_internal_is_never_sent(lab: Lab) -> None:
    """A fragment whose length lies, in every way: too short to copy, too long for the room, too many pointers."""
    at = fragment_of(lab, b"\x04mail\x05table\x04test\0", cases.AAAA)
    frame = _asked("mail.table.test", cases.AAAA)
    for length in (0, 1, 7, 1000, 2048, 65535):
        with lab.octets_changed("heap", at, length.to_bytes(2, "little")):
            assert lab.ask(frame).verdict == "drop_internal"
    for pointers in (257, 65535):
        with lab.octets_changed("heap", at + layout.OFFSETS["fragment"]["nrel"], pointers.to_bytes(2, "little")):
            assert lab.ask(frame).verdict == "drop_internal"
    assert lab.ask(frame).verdict == "answer_positive"
