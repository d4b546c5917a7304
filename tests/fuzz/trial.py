# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames go in one by one; each outcome is held against the rules, each reply against the slow path's octets."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from appliance.server.respond import Exchange, Settings, respond
from appliance.zone import names
from tests.datapath import cases, expected, served
from tests.datapath.lab import Lab
from tests.datapath.packets import ones_sum
from tests.datapath.runner import XDP_DROP, XDP_PASS, XDP_TX
from tests.fuzz.model import QUESTION, Host, Judgement, judge, shows_opt

_ACTION: Final = {"answer": XDP_TX, "pass": XDP_PASS, "drop": XDP_DROP}
_SETTINGS: Final = Settings()
_NO_ZONE: Final = {"answer_formerr": (1, False, 0), "answer_notimp": (4, False, 0), "answer_badvers": (0, True, 1)}
_SAMPLED: Final = 50
"""One in so many different questions is also put to the oracle, which is slow."""
_FROM_ZONES: Final = frozenset(
    f"answer_{kind}" for kind in ("positive", "referral", "nxdomain", "nodata", "wildcard", "cname", "any", "dnskey")
)


def reply_frame(query: bytes, message: bytes) -> bytes:
    """Return the frame that carries a reply to a query: everything turned round, checksums made anew (RFC 1071)."""
    at = 12
    while query[at] in (0x81, 0x88):
        at += 4
    at += 2
    length = 8 + len(message)
    if query[at] >> 4 == 4:
        source, destination = query[at + 16 : at + 20], query[at + 12 : at + 16]
        ports = query[at + 22 : at + 24] + query[at + 20 : at + 22]
        head = b"\x45\0" + (20 + length).to_bytes(2) + b"\0\0\x40\0\x40\x11"
        check = ones_sum(head + source + destination) ^ 0xFFFF
        ip = head + check.to_bytes(2) + source + destination
    else:
        source, destination = query[at + 24 : at + 40], query[at + 8 : at + 24]
        ports = query[at + 42 : at + 44] + query[at + 40 : at + 42]
        ip = b"\x60\0\0\0" + length.to_bytes(2) + b"\x11\x40" + source + destination
    size = length.to_bytes(2)
    check = ones_sum(source + destination + b"\0\x11" + size + ports + size + b"\0\0" + message) ^ 0xFFFF
    udp = ports + size + (check or 0xFFFF).to_bytes(2)
    return query[6:12] + query[:6] + query[12:at] + ip + udp + message


class Trial:
    """A run of frames; `finish` compares the program's counters with the verdicts that were expected."""

    def __init__(self, lab: Lab, host: Host | None = None) -> None:
        """Begin to count."""
        self.lab = lab
        self.host = host or Host()
        self.verdicts: Counter[str] = Counter()
        self._replies: dict[bytes, tuple[str, bytes]] = {}
        self._asked = 0
        self._before = lab.counters()

    def all(self, frames: Iterable[bytes]) -> int:
        """Check each frame and return how many there were."""
        before = self.verdicts.total()
        for frame in frames:
            self.check(frame)
        return self.verdicts.total() - before

    def check(self, frame: bytes) -> None:
        """Run one frame and compare action and octets with what the rules say."""
        judged = judge(frame, self.host)
        action, after = self.lab.run(frame)
        verdict, reply = judged.verdict, b""
        if verdict == QUESTION:
            verdict, reply = self._answer(judged, action)
        elif verdict in _NO_ZONE:
            rcode, question, extended = _NO_ZONE[verdict]
            question |= verdict == "answer_formerr" and shows_opt(judged.message)
            reply = expected.bare(judged.message, rcode, question=question, extended=extended)
            if question and verdict == "answer_formerr":
                said = respond(Exchange(self.lab.store, _SETTINGS, judged.message, "udp", judged.source_port))
                assert (said.verdict, said.octets) == (verdict, reply), judged.message.hex()
        self.verdicts[verdict] += 1
        if action != _ACTION[verdict.partition("_")[0]]:
            raise AssertionError(f"XDP action {action} where {verdict} is due: {frame.hex()}")
        if action == XDP_PASS and after != frame:
            raise AssertionError(f"{verdict}: a passed frame was changed: {frame.hex()} became {after.hex()}")
        if action == XDP_TX and after != reply_frame(frame, reply):
            raise AssertionError(f"{verdict}: {frame.hex()} got {after.hex()}, not {reply_frame(frame, reply).hex()}")

    def _answer(self, judged: Judgement, action: int) -> tuple[str, bytes]:
        """Return verdict and message of a question that the zones decide: those of the slow path on the same store."""
        wire = judged.message
        key = wire[2:] + (b"low" if judged.source_port < 1024 else b"")
        found = self._replies.get(key)
        if found is None:
            found = self._slow_path(wire, judged.source_port)
            if len(self._replies) > 50_000:
                self._replies.clear()
            self._replies[key] = found
        verdict, octets = found
        if verdict == "answer_positive" and expected.read_query(wire).qtype == cases.ANY:
            verdict = "answer_any"  # the slow path counts it among the positive ones
        if action == XDP_PASS:
            return left_to_userspace(wire) or verdict, b""
        return verdict, wire[:2] + octets[2:]

    def _slow_path(self, wire: bytes, port: int) -> tuple[str, bytes]:
        reply = respond(Exchange(self.lab.store, _SETTINGS, wire, "udp", port))
        octets = reply.octets or b""
        self._asked += 1
        if self._asked % _SAMPLED == 0 and reply.verdict in _FROM_ZONES and not _is_disputed(wire):
            faults = expected.faults(self.lab.reference, wire, octets)
            assert not faults, f"{wire.hex()} got {octets.hex()}: {faults}"
        return reply.verdict, octets

    def finish(self) -> None:
        """Compare the counters; every frame is in exactly one of them."""
        now = self.lab.counters()
        counted = {name: now[name] - before for name, before in self._before.items() if now[name] != before}
        wrong = {
            name: (counted.get(name, 0), self.verdicts[name])
            for name in {*counted, *self.verdicts}
            if counted.get(name, 0) != self.verdicts[name]
        }
        assert not wrong, f"verdicts counted and expected: {wrong}"


def _is_disputed(wire: bytes) -> bool:
    """Return whether the oracle follows a CNAME where the product lets its owner answer (RFC 4035 §2.5)."""
    return expected.read_query(wire).qtype in (cases.RRSIG, cases.NSEC)


def left_to_userspace(wire: bytes) -> str | None:
    """Return why the program may hand a well-formed question to the zones of the tests up, None if it must not."""
    asked = expected.read_query(wire)
    name = asked.qname.lower()
    if asked.qtype == 43 and name in _APEXES:
        return "pass_query_type"
    if name.endswith(b"\x03old\x05table\x04test\0") and name != b"\x03old\x05table\x04test\0":
        return "pass_dname_synthesis"
    if name == b"\x06beyond\x04wide\x04test\0":
        return "pass_type_table"
    if asked.dnssec_ok and (name.endswith(_DENIED) or name in _CHAINS):
        return "pass_denial"
    return None


_APEXES: Final = {names.from_text(origin) for origin in served.texts()}
_CHAINS: Final = {b"\x0ato-nothing" + names.from_text(origin) for origin in served.SIGNED}
_DENIED: Final = (names.from_text(served.HEAVY), names.from_text("deep.optout.test."))
