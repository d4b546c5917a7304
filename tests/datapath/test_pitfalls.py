# SPDX-License-Identifier: GPL-3.0-or-later
"""What other servers on the NIC path got wrong or left out: one rule each, and the packets that would show it."""

import itertools
import re
import struct
import time
from pathlib import Path

import pytest

from appliance.datapath import source
from appliance.datapath.loader import STAGES
from appliance.store import layout
from appliance.store.store import Store
from tests.datapath import cases, expected, packets, reply
from tests.datapath.lab import Lab
from tests.datapath.packets import DO, Frame, Opt, message, option
from tests.datapath.runner import XDP_TX
from tests.datapath.served import EXPIRED

pytestmark = pytest.mark.datapath

FAMILIES = pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
NAME = "mail.table.test"


def ask(lab: Lab, frame: Frame) -> str:
    """Return the verdict; whatever was answered is checked against the oracle first."""
    octets = frame.octets()
    outcome = lab.ask(octets)
    if outcome.action == XDP_TX:
        said = reply.check_frame(octets, outcome.frame)
        reply.check_header(frame.message, said)
        if outcome.verdict == "answer_positive":
            assert not expected.faults(lab.reference, frame.message, said)
    return outcome.verdict


@FAMILIES
def test_01_padding(lab: Lab, ipv6: bool) -> None:
    """The length of the message is what UDP says; what a card adds behind is cut off, whatever it is."""
    for query in (message("", 2), message(NAME), message("x.cut.table.test", opt=Opt())):
        plain = Frame(query, ipv6=ipv6).octets()
        wanted = lab.ask(plain)
        for octets in (*range(1, 70), 100, 200, 1400):
            for filler in (b"\0", b"\xff", b"\x31"):
                padded = lab.ask(plain + filler * octets)
                assert (padded.verdict, padded.frame) == (wanted.verdict, wanted.frame)


def test_02_ip_options(lab: Lab) -> None:
    """A header with options goes to the kernel; nothing in it is ever read as UDP."""
    forged = struct.pack(">HHHH", 40000, 53, 8, 0) + bytes(4)
    for options in (b"\x01\x01\x01\x01", forged, forged * 3 + b"\x01" * 4):
        assert ask(lab, Frame(message(NAME), options=options)) == "pass_ip_options"
    verdicts = {version: ask(lab, Frame(message(NAME), version_ihl=version)) for version in range(256)}
    assert verdicts.pop(0x45) == "answer_positive"
    assert set(verdicts.values()) == {"pass_ip_options"}


def test_03_fragments(lab: Lab) -> None:
    """A fragment, the first one too, goes to the kernel; DF and the reserved bit alone make none."""
    for field in {1 << bit for bit in range(16)} | set(range(0, 65536, 509)) | {0x2000, 0x3FFF, 0x1FFF, 0xFFFF}:
        wanted = "pass_ip_fragment" if field & 0x3FFF else "answer_positive"
        assert ask(lab, Frame(message(NAME), fragment=field)) == wanted


def test_04_extension_headers(lab: Lab) -> None:
    """Any next header but UDP goes to the kernel; headers are walked for the policer only."""
    names = {packets.UDP: "answer_positive", packets.TCP: "pass_tcp", 44: "pass_ip_fragment"}
    names |= dict.fromkeys((0, 43, 51, 60, 135, 139, 140), "pass_ipv6_extension")
    for protocol in range(256):
        verdict = ask(lab, Frame(message(NAME), ipv6=True, protocol=protocol))
        assert verdict == names.get(protocol, "pass_not_udp")
    for extension in (0, 43, 44, 60):
        inside = Frame(message(NAME), ipv6=True).octets()
        chained = inside[:20] + bytes([extension]) + inside[21:54] + bytes([packets.UDP, 0]) + bytes(6) + inside[54:]
        assert lab.ask(chained).verdict == names[extension]


@FAMILIES
def test_05_inbound_checksums(lab: Lab, ipv6: bool) -> None:
    """Wrong sums are not answered; no sum is right over IPv4 and wrong over IPv6 (RFC 768, RFC 8200 §8.1)."""
    query = message(NAME)
    assert ask(lab, Frame(query, ipv6=ipv6, udp_checksum=0)) == ("drop_udp_checksum" if ipv6 else "answer_positive")
    good = int.from_bytes(Frame(query, ipv6=ipv6).octets()[60 if ipv6 else 40 :][:2])
    for bit in range(16):
        assert ask(lab, Frame(query, ipv6=ipv6, udp_checksum=good ^ 1 << bit)) == "drop_udp_checksum"
    if not ipv6:
        assert ask(lab, Frame(query, ip_checksum=0xFFFF)) == "drop_ip_checksum"


@FAMILIES
def test_05_inbound_checksums_of_devices_that_leave_them_open(lab: Lab, ipv6: bool) -> None:
    """Where a device hands on sums that are not made yet, they are not looked at, and replies have whole ones."""
    with lab.port_flags(verify=False):
        for checksum in (0, 1, 0xFFFF):
            assert ask(lab, Frame(message(NAME), ipv6=ipv6, udp_checksum=checksum)) == "answer_positive"


@FAMILIES
def test_06_outbound_checksum_is_never_zero(lab: Lab, ipv6: bool) -> None:
    """A sum that comes out as zero is sent as 0xFFFF: IDs are tried until it does (lengths: test_every_length)."""
    first = Frame(message(NAME, ident=0), ipv6=ipv6).octets()
    said = reply.open_frame(lab.ask(first).frame)
    ident = int.from_bytes(said.udp[6:8])  # added to the sum, this makes it 0xFFFF
    frame = Frame(message(NAME, ident=ident), ipv6=ipv6)
    assert ask(lab, frame) == "answer_positive"
    assert reply.open_frame(lab.ask(frame).frame).udp[6:8] == b"\xff\xff"


@FAMILIES
def test_07_lengths_carry(lab: Lab, ipv6: bool) -> None:
    """Sizes whose lower octet overflows when headers are added: each length field is right."""
    for size in itertools.chain(range(150, 260), range(400, 520), range(660, 780), range(920, 1030)):
        frame = Frame(message(f"s{size:04}.sizes.test", 16, opt=Opt()), ipv6=ipv6)
        assert ask(lab, frame) == "answer_positive"


@FAMILIES
def test_08_counts_are_compared_decoded(lab: Lab, ipv6: bool) -> None:
    """512 additional records are not two; the values whose octets, swapped, look small are tried for each count."""
    for position, wrong in ((0, "answer_formerr"), (1, "answer_formerr"), (2, "pass_header_counts")):
        for value in (0x0002, 0x0100, 0x0200, 0x0101, 0xFF00, 0xFFFF):
            counts = [1, 0, 0, 0]
            counts[position] = value
            assert ask(lab, Frame(message(NAME, counts=counts), ipv6=ipv6)) == wrong
    for value in (0x0002, 0x0100, 0x0101, 0x0200, 0x0201, 0xFFFF):
        frame = Frame(message(NAME, counts=(1, 0, 0, value), tail=Opt().octets() * 2), ipv6=ipv6)
        assert ask(lab, frame) == "pass_header_counts"


@FAMILIES
def test_09_vlan(lab: Lab, ipv6: bool) -> None:
    """0 to 2 tags, priority tags too, come back as they were; three, or tags of other kinds, go to the kernel."""
    tag, outer = (packets.VLAN, 42), (packets.SERVICE_VLAN, 7)
    for tags in ((), (tag,), (outer,), (outer, tag), (tag, tag), ((packets.VLAN, 0xE000),), (tag, outer)):
        assert ask(lab, Frame(message(NAME), ipv6=ipv6, tags=tags)) == "answer_positive"
    for strange in ((tag, tag, tag), ((0x9100, 42),), ((0x9200, 1), tag), (tag, (0x9100, 1))):
        assert ask(lab, Frame(message(NAME), ipv6=ipv6, tags=strange)) == "pass_not_ip"


@FAMILIES
@pytest.mark.parametrize("ttl", [0, 1, 2, 63, 64, 255])
def test_10_ttl(lab: Lab, ipv6: bool, ttl: int) -> None:
    """Nothing of the query's header survives but the addresses: TTL 64, no DSCP or ECN, no flow label, DF, ID 0."""
    frame = Frame(message(NAME), ipv6=ipv6, ttl=ttl, traffic_class=0xFF, flow_label=0xFFFFF if ipv6 else 0, ident=7)
    assert ask(lab, frame) == "answer_positive"  # reply.check_frame compares these fields


@FAMILIES
def test_11_not_for_us(lab: Lab, ipv6: bool) -> None:
    """Frames to another MAC, broadcast or multicast, and packets to another address go to the kernel."""
    query = message(NAME)
    for mac in ("ffffffffffff", "01005e000001", "333300000001", "020000000052", "030000000053", "000000000000"):
        assert ask(lab, Frame(query, ipv6=ipv6, destination_mac=bytes.fromhex(mac))) == "pass_other_mac"
    own = packets.SERVER6 if ipv6 else packets.SERVER4
    for bit in range(len(own) * 8):
        other = bytearray(own)
        other[bit >> 3] ^= 0x80 >> (bit & 7)
        assert ask(lab, Frame(query, ipv6=ipv6, destination=bytes(other))) == "pass_other_address"
    multicast = bytes.fromhex("ff02" + "00" * 13 + "01") if ipv6 else bytes([224, 0, 0, 1])
    assert ask(lab, Frame(query, ipv6=ipv6, destination=multicast)) == "pass_other_address"
    assert ask(lab, Frame(b"short", ipv6=ipv6, destination=multicast)) == "pass_other_address"


_NO_SOURCES4 = ("00000000", "00000001", "7f000001", "7fffffff", "e0000001", "effffffa", "f0000001", "ffffffff")
_NO_SOURCES6 = (
    "00" * 16,  # ::
    "00" * 15 + "01",  # ::1
    "00" * 10 + "ffffc6336407",  # mapped
    "00" * 12 + "c6336407",  # compatible
    "ff02" + "00" * 13 + "01",
    "ffff" + "00" * 13 + "01",
)


@pytest.mark.parametrize("source_address", [*_NO_SOURCES4, *_NO_SOURCES6, packets.SERVER4.hex(), packets.SERVER6.hex()])
def test_12_source_address(lab: Lab, source_address: str) -> None:
    """No answer to what is no single host, and none to ourselves (LAND)."""
    octets = bytes.fromhex(source_address)
    assert ask(lab, Frame(message(NAME), ipv6=len(octets) == 16, source=octets)) == "drop_source_address"


@FAMILIES
def test_12_source_mac_and_port(lab: Lab, ipv6: bool) -> None:
    """No answer to a group of cards, nor to port 0."""
    for mac in ("ffffffffffff", "01005e000001", "333300000001"):
        assert ask(lab, Frame(message(NAME), ipv6=ipv6, source_mac=bytes.fromhex(mac))) == "drop_source_address"
    assert ask(lab, Frame(message(NAME), ipv6=ipv6, source_port=0)) == "drop_source_port"


@FAMILIES
def test_13_service_ports(lab: Lab, ipv6: bool) -> None:
    """Services that answer anything get nothing; other ports below 1024 get answers but never an error."""
    never = {0, 7, 13, 17, 19, 37, 69, 123, 1900, 11211}
    errors = (
        message(NAME, tail=b"x"),
        message(NAME, flags=5 << 11),
        message("nowhere.example"),
        message(NAME, opt=Opt(version=1)),
        message(EXPIRED),
    )
    for port in {*range(1100), *range(1800, 2000), *range(11200, 11220), 53, 65535}:
        verdict = ask(lab, Frame(message(NAME), ipv6=ipv6, source_port=port))
        assert verdict == ("drop_source_port" if port in never else "answer_positive")
        wrong = ask(lab, Frame(errors[port % len(errors)], ipv6=ipv6, source_port=port))
        assert (wrong.startswith("answer_")) == (port not in never and port >= 1024)


@FAMILIES
def test_14_responses(lab: Lab, ipv6: bool) -> None:
    """A message with QR set is never answered: every opcode, every rcode, well-formed or not."""
    for opcode, rcode, tail in itertools.product(range(16), range(16), (b"", b"x")):
        flags = packets.QR | opcode << 11 | rcode
        assert ask(lab, Frame(message(NAME, flags=flags, tail=tail), ipv6=ipv6)) == "drop_response"


@FAMILIES
def test_14_two_servers_do_not_talk_to_each_other(lab: Lab, ipv6: bool) -> None:
    """An answer, an error and a truncated answer, sent back to us from the service port, end there."""
    queries = (message(NAME), message("nowhere.example"), message("s0900.sizes.test", 16), message(NAME, tail=b"x"))
    for query in queries:
        said = lab.ask(Frame(query, ipv6=ipv6)).frame
        opened = reply.open_frame(said)
        back = Frame(opened.message, ipv6=ipv6, source_port=53)
        assert ask(lab, back) == "drop_response"


@FAMILIES
def test_15_reply_goes_to_who_sent_the_frame(lab: Lab, ipv6: bool) -> None:
    """A reply leaves where the query came in, to the MAC it came from, whatever routes there are."""
    for mac in ("020000000001", "fe54000a0b0c", "0050569a1b2c"):
        frame = Frame(message(NAME), ipv6=ipv6, source_mac=bytes.fromhex(mac)).octets()
        assert lab.ask(frame).frame[:6] == bytes.fromhex(mac)


def test_16_nothing_is_written_before_it_is_sure(lab: Lab) -> None:
    """A passed packet is what came in (Lab.ask compares); here the answer is known but a stage is missing."""
    frame = Frame(message("no-such-name.signed.test", opt=Opt(flags=DO)))
    with lab.without_stage(STAGES.index("prove"), "prove"):
        assert lab.ask(frame).verdict == "pass_denial"
    assert lab.ask(frame).verdict == "answer_nxdomain"


@FAMILIES
def test_17_growth_and_limits(lab: Lab, ipv6: bool) -> None:
    """What does not fit the client is TC in place, never a part of an answer (rooms of devices: test_devices.py)."""
    for size in range(420, 1250, 10):
        query = message(f"s{size:04}.sizes.test", 16)
        frame = Frame(query, ipv6=ipv6)
        said = reply.check_frame(frame.octets(), lab.ask(frame).frame)
        assert len(said) <= 512
        if len(query) + 12 + size > 512:
            assert said == expected.truncated(query, aa=True)


def test_18_packet_octets_are_read_within_bounds() -> None:
    """The sources never read packet memory by bpf_probe_read, which ignores where the packet ends."""
    found = [path.name for path in source.folder().iterdir() if "probe_read" in path.read_text()]
    assert not found


@FAMILIES
def test_18_names_that_run_off_the_end(lab: Lab, ipv6: bool) -> None:
    """A name whose last label claims more than there is, at every offset, is malformed, not read from elsewhere."""
    for room in range(64):
        for claim in {room + 1, 63} - set(range(room + 1)):
            query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + bytes([claim]) + b"a" * room
            assert ask(lab, Frame(query, ipv6=ipv6)) == "answer_formerr"


@FAMILIES
def test_19_case(lab: Lab, ipv6: bool) -> None:
    """Names are found in any case and echoed as they came (RFC 4343); only ASCII letters fold."""
    for case in cases.PLAIN:
        wire = case.query[12:-4]
        upper = bytes(octet - 0x20 if 0x61 <= octet <= 0x7A else octet for octet in wire)
        mixed = bytes(octet ^ 0x20 if 0x61 <= octet <= 0x7A and at % 2 else octet for at, octet in enumerate(wire))
        for name in (upper, mixed):
            frame = Frame(message(name, case.qtype), ipv6=ipv6)
            outcome = lab.ask(frame)
            assert outcome.verdict == case.verdict
            reply.check_header(frame.message, reply.check_frame(frame.octets(), outcome.frame))


@FAMILIES
def test_20_malformed_is_answered(lab: Lab, ipv6: bool) -> None:
    """A whole header deserves FORMERR (RFC 8906 §3), a broken one silence; other opcodes get NOTIMP."""
    header = struct.pack(">6H", 0xABCD, packets.RD, 1, 0, 0, 0)
    malformed = {
        "no question at all": header,
        "QDCOUNT 0": message(NAME, counts=(0, 0, 0, 0)),
        "two questions": message(NAME, counts=(2, 0, 0, 0), tail=message(NAME)[12:]),
        "pointer": header + b"\xc0\x0c\0\1\0\1",
        "reserved label type": header + b"\x41a\0\0\1\0\1",
        "no type": message(NAME)[:-4],
        "half a class": message(NAME)[:-1],
        "octets behind": message(NAME, tail=b"\0"),
        "no OPT although counted": message(NAME, counts=(1, 0, 0, 1)),
        "OPT cut short": message(NAME, counts=(1, 0, 0, 1), tail=Opt().octets()[:-1]),
        "OPT that is longer than the message": message(NAME, opt=Opt(rdlength=1)),
    }
    with_opt = {
        "option cut short": message(NAME, opt=Opt(options=b"\0\x0a\0", flags=packets.DO)),
        "option too long": message(NAME, opt=Opt(options=option(10, b"x", length=2))),
        "octets behind OPT": message(NAME, opt=Opt(size=512, flags=packets.DO), tail=b"abc"),
        "one octet behind OPT of version 1": message(NAME, opt=Opt(version=1), tail=b"a"),
        "octets behind options": message(NAME, opt=Opt(options=option(12, bytes(3)), rdlength=7), tail=b"\0\0"),
    }
    for what, query in (malformed | with_opt).items():
        outcome = lab.ask(Frame(query, ipv6=ipv6))
        assert outcome.verdict == "answer_formerr", what
        said = reply.check_frame(Frame(query, ipv6=ipv6).octets(), outcome.frame)
        assert said == expected.bare(query, 1, question=what in with_opt), what
    for opcode in range(1, 16):
        query = message(NAME, flags=opcode << 11)
        outcome = lab.ask(Frame(query, ipv6=ipv6))
        assert outcome.verdict == "answer_notimp"
        assert reply.open_frame(outcome.frame).message == expected.bare(query, 4, question=False)
    for octets in range(12):
        assert ask(lab, Frame(message(NAME)[:octets], ipv6=ipv6)) == "drop_runt"


def test_21_families_say_the_same() -> None:
    """Every test here that asks anything is run over both families, or is about one by nature."""
    text = Path(__file__).read_text()
    of_one_family = {
        "test_02_ip_options", "test_03_fragments", "test_04_extension_headers", "test_12_source_address",
        "test_16_nothing_is_written_before_it_is_sure", "test_18_packet_octets_are_read_within_bounds",
        "test_21_families_say_the_same", "test_22_no_clock_that_can_be_set", "test_23_taken_addresses_only",
        "test_25_header_counts",
    }  # fmt: skip
    tests = set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))
    both = set(re.findall(r"^@FAMILIES\n(?:@.*\n)*def (test_\w+)", text, re.MULTILINE))
    assert tests - both == of_one_family


@FAMILIES
def test_22_expired_zone_is_not_served(lab: Lab, ipv6: bool) -> None:
    """The program itself stops at a zone's expiry, with nobody left to tell it to."""
    number = lab.store.numbers[packets.name("child.table.test")]
    frame = Frame(message("host.child.table.test"), ipv6=ipv6)
    try:
        for seconds, verdict in ((3600, "answer_positive"), (-1, "answer_servfail"), (None, "answer_positive")):
            now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            lab.store.set_expiry(number, 0 if seconds is None else now + seconds * 10**9)
            assert ask(lab, frame) == verdict
        lab.store.set_expiry(number, time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 200_000_000)
        assert ask(lab, frame) == "answer_positive"
        time.sleep(0.25)
        assert ask(lab, frame) == "answer_servfail"
    finally:
        lab.store.set_expiry(number, 0)


def test_22_no_clock_that_can_be_set() -> None:
    """A zone ends on the clock since boot, sleep included: setting the time of day neither ends nor revives one."""
    assert set(re.findall(r"ktime_get\w*", source.flatten())) <= {
        "ktime_get_ns",
        "ktime_get_coarse_ns",
        "ktime_get_boot_ns",
    }
    package = Path(layout.__file__).parents[1]
    readers = [path for folder in ("answers", "server") for path in (package / folder).rglob("*.py")]
    assert not [path.name for path in readers if re.search(r"time\.time\(|CLOCK_REALTIME|datetime", path.read_text())]


@FAMILIES
def test_22_switch(lab: Lab, ipv6: bool) -> None:
    """Switched off, everything goes up, also what would be dropped; switched on, all is as before."""
    with lab.controlled(serving=0):
        for query in (message(NAME), message(NAME, flags=packets.QR), b"", message(NAME, tail=b"x")):
            assert ask(lab, Frame(query, ipv6=ipv6)) == "pass_not_serving"
    assert ask(lab, Frame(message(NAME), ipv6=ipv6)) == "answer_positive"


def test_23_taken_addresses_only(lab: Lab) -> None:
    """What is not exactly ours reaches the firewall: each field that decides, changed alone, passes."""
    passing = (
        Frame(message(NAME), destination_port=54),
        Frame(message(NAME), destination=bytes([192, 0, 2, 52])),
        Frame(message(NAME), protocol=packets.TCP),
        Frame(message(NAME), ether_type=0x0806),
        Frame(message(NAME), destination_mac=bytes(6)),
    )
    assert all(ask(lab, frame).startswith("pass_") for frame in passing)


@FAMILIES
def test_24_no_blend_of_versions(lab: Lab, ipv6: bool) -> None:
    """While a version flips nothing is answered, and never is half of it (under load: tests/chaos)."""
    frame = Frame(message(NAME), ipv6=ipv6)
    store: Store = lab.store
    with store.flipping():
        assert ask(lab, frame) == "pass_flip"
    assert ask(lab, frame) == "answer_positive"
    number = store.numbers[packets.name("table.test")]
    version = store.zone_word(number, "version")
    with lab.octets_changed("zones", number * layout.SIZES["zone"], (version - 1).to_bytes(4, "little")):
        assert ask(lab, frame) == "answer_refused"  # nothing of the zone is visible before its version
    assert ask(lab, frame) == "answer_positive"


def test_25_header_counts(lab: Lab) -> None:
    """Only one question, no answer, no authority and at most one OPT is looked up; all four counts are read.

    Where an OPT may stand behind other records userspace looks for it, since FORMERR then has one too.
    """
    wanted = {0: "answer_positive", 1: "answer_formerr"}  # one additional record is announced, none is there
    for counts in itertools.product((0, 1, 2, 255, 256, 65535), repeat=4):
        verdict = ask(lab, Frame(message(NAME, counts=counts)))
        if counts[0] != 1 or counts[1]:
            assert verdict == ("pass_header_counts" if counts[3] else "answer_formerr")
        elif counts[2] or counts[3] > 1:
            assert verdict == "pass_header_counts"
        else:
            assert verdict == wanted[counts[3]]
