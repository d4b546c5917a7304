# SPDX-License-Identifier: GPL-3.0-or-later
"""From one query to its reply, as a list of steps that reads top to bottom: see STEPS.

Each reply is the one the NIC path would give, octet for octet; docs/differences.md says what and why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from appliance.errors import WireError
from appliance.server import message, zones
from appliance.server.question import HEADER_LEN, Query, read_query, readable_opt
from appliance.store.store import Store
from appliance.zone import names, types

Transport = Literal["udp", "tcp"]

TCP_LIMIT: Final = 65535
OPCODE_NOTIFY: Final = 4
CLASS_CH: Final = 3

# Services that answer whatever arrives (RFC 862 and such): a reply could start a loop.
_REFLECTING_PORTS: Final = frozenset((0, 7, 13, 17, 19, 37, 69, 123, 1900, 11211))
_FIRST_CLIENT_PORT: Final = 1024
_ERRORS: Final = frozenset(
    ("answer_formerr", "answer_notimp", "answer_badvers", "answer_refused", "answer_servfail", "answer_notauth")
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about replies."""

    edns_size: int = 1232
    identity: str = ""
    version: str = ""


@dataclass(slots=True)
class Exchange:
    """One query on its way through the steps."""

    store: Store
    settings: Settings
    wire: bytes
    transport: Transport
    port: int
    query: Query = None  # type: ignore[assignment]  # the step read_question sets it; those before do not use it

    @property
    def limit(self) -> int:
        """Octets the reply may have."""
        return self.query.limit if self.transport == "udp" else TCP_LIMIT


@dataclass(frozen=True, slots=True)
class Reply:
    """How an exchange ends: the name of its counter, and the octets to send or None for silence."""

    verdict: str
    octets: bytes | None = None


Step = Callable[[Exchange], Reply | None]


def drop_what_is_no_query(exchange: Exchange) -> Reply | None:
    """Stay silent towards responses, fragments of a header and ports that would answer back."""
    if len(exchange.wire) < HEADER_LEN:
        return Reply("drop_runt")
    if exchange.transport == "udp" and exchange.port in _REFLECTING_PORTS:
        return Reply("drop_source_port")
    if exchange.wire[2] & 0x80:
        return Reply("drop_response")
    return None


def refuse_other_opcodes(exchange: Exchange) -> Reply | None:
    """NOTIMP for what is neither QUERY nor, where the NIC path passes it up, NOTIFY (RFC 8906 §3.1.3)."""
    opcode = exchange.wire[2] >> 3 & 15
    if not opcode or (opcode == OPCODE_NOTIFY and zones.passes_opcode(exchange.store, opcode)):
        return None
    return Reply("answer_notimp", message.bare_header(exchange.wire, message.NOTIMP))


def read_question(exchange: Exchange) -> Reply | None:
    """Read the whole message, or FORMERR: with OPT where the query's could be read (RFC 6891 §7)."""
    try:
        exchange.query = read_query(exchange.wire, exchange.settings.edns_size)
    except WireError:
        remains = readable_opt(exchange.wire)
        return Reply("answer_formerr", message.malformed(exchange.wire, remains, exchange.settings.edns_size))
    return None


def check_edns_version(exchange: Exchange) -> Reply | None:
    """BADVERS above version 0, before anything else is looked at (RFC 6891 §6.1.3)."""
    if not exchange.query.version:
        return None
    return _without_data(exchange, "answer_badvers", 0, extended=message.BADVERS_UPPER)


def refuse_unknown_key(exchange: Exchange) -> Reply | None:
    """NOTAUTH and BADKEY: no keys are configured (RFC 8945 §5.2.1)."""
    tsig = exchange.query.tsig
    if tsig is None:
        return None
    return _without_data(exchange, "answer_notauth", message.NOTAUTH, last=message.unknown_key(tsig))


def answer_identity(exchange: Exchange) -> Reply | None:
    """Answer for the server's identity in class CH, as far as the configuration has one (RFC 4892)."""
    query = exchange.query
    if query.qclass != CLASS_CH:
        return None
    if query.qtype in (types.TXT, types.ANY):
        settings = exchange.settings
        texts = {
            b"\x02id\x06server\x00": settings.identity,
            b"\x08hostname\x04bind\x00": settings.identity,
            b"\x07version\x06server\x00": settings.version,
            b"\x07version\x04bind\x00": settings.version,
        }
        if text := texts.get(names.fold(query.qname)):
            return _without_data(exchange, "answer_identity", 0, answer=message.chaos_txt(text))
    return _without_data(exchange, "answer_refused", message.REFUSED)


def refuse_other_classes(exchange: Exchange) -> Reply | None:
    """REFUSED for every class but IN: no zone of another class is served."""
    if exchange.query.qclass == types.IN:
        return None
    return _without_data(exchange, "answer_refused", message.REFUSED)


def refuse_notify(exchange: Exchange) -> Reply | None:
    """REFUSED for a zone of ours, of which we are no secondary; NOTAUTH for others (RFC 1996 §3.10)."""
    if not exchange.wire[2] & 0x78:
        return None
    return _for_apex(exchange)


def refuse_transfer(exchange: Exchange) -> Reply | None:
    """AXFR over UDP does not exist (RFC 5936 §4.2); other transfers are permitted to nobody."""
    query = exchange.query
    if query.qtype == types.AXFR and exchange.transport == "udp":
        return _without_data(exchange, "answer_notimp", message.NOTIMP)
    if query.qtype in (types.AXFR, types.IXFR):
        return _for_apex(exchange)
    return None


def answer_from_zones(exchange: Exchange) -> Reply:
    """Look the question up in the store as the NIC path does, and work out what that leaves (DNAMEs, proofs)."""
    size = exchange.settings.edns_size
    return Reply(*zones.answer(exchange.store, exchange.wire, exchange.query, exchange.limit, size))


def _for_apex(exchange: Exchange) -> Reply:
    if zones.is_apex(exchange.store, exchange.query.qname):
        return _without_data(exchange, "answer_refused", message.REFUSED)
    return _without_data(exchange, "answer_notauth", message.NOTAUTH)


def _without_data(
    exchange: Exchange, verdict: str, rcode: int, extended: int = 0, answer: bytes = b"", last: bytes = b""
) -> Reply:
    size = exchange.settings.edns_size
    return Reply(verdict, message.without_data(exchange.wire, exchange.query, size, rcode, extended, answer, last))


STEPS: Final[tuple[Step, ...]] = (
    drop_what_is_no_query,
    refuse_other_opcodes,
    read_question,
    check_edns_version,
    refuse_unknown_key,
    answer_identity,
    refuse_other_classes,
    refuse_notify,
    refuse_transfer,
    answer_from_zones,
)


def respond(exchange: Exchange) -> Reply:
    """Take the steps until one gives the reply; an error reply is never sent to a port below 1024."""
    for step in STEPS:
        reply = step(exchange)
        if reply is not None:
            break
    else:
        raise AssertionError("the last step always replies")
    if exchange.transport == "udp" and exchange.port < _FIRST_CLIENT_PORT and reply.verdict in _ERRORS:
        return Reply("drop_service_error")
    return reply
